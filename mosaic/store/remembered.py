"""The text that was made last, beside all that it was made of.

A preview is looked at more often than what it is made of changes, and most of the time that
it takes is a template engine's. `.state/preview` is a cache of one text:

    [checksum, key, text]

The key is all that the text was made of, as one text: with the same key it would be the same.
Like the index it may be deleted at any time, and one that is damaged is none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from zlib import crc32

from mosaic.errors import MissionError
from mosaic.machine.disk import find_bytes
from mosaic.store.index import TORN
from mosaic.store.state import save_cache

if TYPE_CHECKING:
    from mosaic.store.layout import Layout

FILE_NAME = "preview"


def recall_text(layout: Layout, key: str) -> str | None:
    """Return the text that `remember_text` was given last, if that was under this key."""
    try:
        data = find_bytes(layout.state_dir / FILE_NAME) or b""
        checksum, known, text = json.loads(data)
        return str(text) if known == key and checksum == _checksum(key, text) else None
    except (MissionError, *TORN):
        return None


def remember_text(layout: Layout, key: str, text: str) -> str:
    """Keep one text in place of the last one, where that is possible, and return it.

    Args:
        layout: the mission's files.
        key: all that the text was made of.
        text: the text.
    """
    data = json.dumps([_checksum(key, text), key, text]).encode()
    save_cache(layout, layout.state_dir / FILE_NAME, data)
    return text


def _checksum(key: str, text: str) -> int:
    return crc32(f"{key}\0{text}".encode("utf-8", "surrogatepass"))
