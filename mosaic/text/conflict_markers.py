"""The marks that git leaves in a file whose merge is not resolved."""

from __future__ import annotations

import re

from mosaic.errors import MergeConflictError

_OPENING = "<<<<<<< "
_SEPARATOR = "======="
_CLOSING = ">>>>>>> "
_FENCE = r" {0,3}(`{3,}|~{3,})"


def refuse_conflict(text: str, path: str | None = None) -> None:
    """Make sure that a file holds no merge that is not resolved.

    Only all three marks in their order are one: a line of `=` alone underlines a heading, and
    what stands in a fenced block shows how such marks look.
    """
    if _OPENING not in text or _CLOSING not in text:
        return
    opened = separated = 0
    fence = ""
    for number, end_and_all in enumerate(text.split("\n"), 1):
        line = end_and_all.rstrip("\r")
        if opened:
            if line == _SEPARATOR:
                separated = number
            elif line.startswith(_CLOSING) and separated:
                error = MergeConflictError(opened, number, line.removeprefix(_CLOSING))
                raise error if path is None else error.at(path)
        elif found := re.match(_FENCE, line):
            if not fence:
                fence = found[1]
            elif line.strip().startswith(fence) and not line.strip(" " + fence[0]):
                fence = ""
        if line.startswith(_OPENING) and not fence:
            opened, separated = number, 0
