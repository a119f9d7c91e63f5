"""The schemas of all JSON that others may read, made from the code: `python -m tests.schemas`."""
