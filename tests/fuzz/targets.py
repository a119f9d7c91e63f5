"""Fuzz targets: each takes any bytes, and lets nothing out but a refusal for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.text.frontmatter import find_block, parse_front_matter
from mosaic.text.sections import section_text, set_section
from mosaic.text.set_frontmatter import set_front_matter
from mosaic.text.strict_json import parse_json_document
from mosaic.text.terminal import HarmlessText, harmless

if TYPE_CHECKING:
    from collections.abc import Callable


def front_matter(data: bytes) -> None:
    """Setting a key changes that key, and not one byte of the body."""
    text = data.decode("utf-8", "replace")
    try:
        parse_front_matter(text)
        edited = set_front_matter(text, "status", "done")
    except MissionError:
        return
    before, after = find_block(text), find_block(edited)
    assert after is not None
    assert edited[after.body_start :] == text[before.body_start if before else 0 :]
    assert set_front_matter(edited, "status", "done") == edited


def sections(data: bytes) -> None:
    """A section that was set reads back as what was set."""
    text = data.decode("utf-8", "replace")
    try:
        edited = set_section(text, "notes", "one line")
    except MissionError:
        return
    assert (section_text(edited, "notes") or "").strip() == "one line"


def json_document(data: bytes) -> None:
    """Any text is read as an object, or refused."""
    try:
        parse_json_document(data.decode("utf-8", "replace"))
    except MissionError:
        return


def terminal(data: bytes) -> None:
    """However the bytes are cut, the same text comes out, and nothing in it is obeyed."""
    reader = HarmlessText()
    half = len(data) // 2
    shown = reader.feed(data[:half]) + reader.feed(data[half:]) + reader.finish()
    assert shown == harmless(data.decode("utf-8", "replace"))
    assert not any(char < " " and char not in "\n\t" for char in shown)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "front_matter": front_matter,
    "sections": sections,
    "json_document": json_document,
    "terminal": terminal,
}
SEEDS: dict[str, tuple[bytes, ...]] = {
    "front_matter": (
        b"---\ntask_id: T-1\nstatus: todo # why\nlabels: [a, 'b']\n---\n\n# T-1\n",
        b"\xef\xbb\xbf---\r\nstatus: |\r\n  x\r\n...\r\nbody",
    ),
    "sections": (
        b"# T\n\n## notes\n- TODO\n\n```\n## notes\n```\n## risks",
        b"<!-- x\n## notes\n-->\n",
    ),
    "json_document": (b'{"id": "a", "milestones": [{"id": "M1", "n": 1.5e3}], "u": "\\ud83d"}',),
    "terminal": (b"\x1b]0;t\x07a\x1b[31mb\x1bPq\x1b\\\r\n\xc2\x9b1m\xf0\x9f\x98\x80",),
}
