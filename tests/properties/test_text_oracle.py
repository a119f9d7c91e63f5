"""What we read is what python-frontmatter reads, on the documents that it reads at all."""

from __future__ import annotations

import frontmatter
from hypothesis import assume, given, settings

from mosaic.text.frontmatter import parse_front_matter

from .documents import Document, documents


@settings(deadline=None, max_examples=200)
@given(documents())
def test_an_independent_reader_agrees(document: Document) -> None:
    assume(not document.text.startswith("\ufeff"))  # behind a BOM it sees no front matter
    ours = parse_front_matter(document.text)
    assert ours is not None
    theirs = frontmatter.loads(document.text)
    assert list(theirs.metadata) == list(ours.data)
    for key, value in theirs.metadata.items():
        if isinstance(value, str):
            assert ours.raw[key] == value
        else:
            assert isinstance(value, list)
            assert list(ours.strings(key)) == [str(item) for item in value]
    assert ours.body_start <= len(document.text)
    assert document.text[ours.body_start :].strip() == theirs.content.replace(
        "\n", _newline(document)
    )


def _newline(document: Document) -> str:
    return "\r\n" if "\r\n" in document.text else "\n"
