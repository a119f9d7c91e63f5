"""What we read is what ruamel.yaml reads, on the documents that it reads at all."""

from __future__ import annotations

import re

from hypothesis import given, settings
from ruamel.yaml import YAML

from mosaic.text.frontmatter import parse_front_matter

from .documents import Document, documents


@settings(deadline=None, max_examples=200)
@given(documents())
def test_an_independent_reader_agrees(document: Document) -> None:
    ours = parse_front_matter(document.text)
    assert ours is not None
    _, block, body = re.split(
        r"^\ufeff?---(?:\r?\n|\Z)", document.text, maxsplit=2, flags=re.MULTILINE
    )
    # It does not take the tab behind a colon that YAML allows, nor returns.
    theirs = YAML(typ="safe", pure=True).load(block.replace(":\t", ": ").replace("\r", "")) or {}
    assert list(theirs) == list(ours.data)
    for key, value in theirs.items():
        if isinstance(value, str):
            assert ours.raw[key] == value
        else:
            assert isinstance(value, list)
            assert list(ours.strings(key)) == [str(item) for item in value]
    assert document.text[ours.body_start :] == body
