"""The mission on disk: where it is, what it says, and how it is changed."""
