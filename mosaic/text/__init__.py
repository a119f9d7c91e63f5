"""Markdown, front matter and JSON: text in, text out, and only the bytes change that must."""
