"""JSON that programs write for each other: `mosaic.codec` reads and writes it."""

from mosaic.codec import dump_json, parse_json

__all__ = ["dump_json", "parse_json"]
