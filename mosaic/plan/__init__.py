"""Deciding: what is ready, what comes next, what is wrong. Values in, values out."""
