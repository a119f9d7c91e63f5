"""Missions that run on their own: one task after the other."""
