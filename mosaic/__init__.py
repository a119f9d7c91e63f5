"""Mosaic: a markdown-coordinated mission manager for coding agents."""

__version__ = "0.1.0"
