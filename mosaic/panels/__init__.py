"""Panels: several workers on one question, each in a role and a worktree of its own."""
