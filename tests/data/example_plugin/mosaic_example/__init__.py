"""A runtime, a source, an executor and a role for Mosaic: a pattern for packages of others."""

from pathlib import Path

SECURITY = Path(__file__).with_name("security.md.j2")
