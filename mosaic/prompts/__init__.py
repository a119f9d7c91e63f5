"""Prompts, capsules, and what goes into them. Pure."""
