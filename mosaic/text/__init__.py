"""Markdown, front matter and JSON: text in, text out, and no byte changed that need not be."""
