"""The worktrees of workers: made, furnished, taken up again, brought home, removed."""
