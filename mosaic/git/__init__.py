"""The one door to git: commands, trees, worktrees, branches."""
