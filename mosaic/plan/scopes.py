"""Write scopes: whether two sets of globs may speak of the same file.

Globs are gitignore-style, relative to the repository's root. The answer errs towards yes:
two hand-offs that might meet are kept apart. An empty scope claims nothing. Negated
globs (`!x`) narrow a scope and are left out, which errs towards yes again.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ANY_DEPTH = "**"


def scopes_overlap(first: Sequence[str], second: Sequence[str]) -> bool:
    """Tell whether some path may match a glob of both."""
    left = [parts for glob in first if (parts := _parts(glob))]
    right = [parts for glob in second if (parts := _parts(glob))]
    return any(_meet(a, b) for a in left for b in right)


def outside_scope(paths: Sequence[str], globs: Sequence[str]) -> list[str]:
    """Return the paths that a write scope does not allow; an empty scope allows all.

    Args:
        paths: relative to the repository's root, with `/`.
        globs: gitignore-style; a later `!x` takes away what an earlier glob allows.
    """
    from pathspec import GitIgnoreSpec  # start-up: only the end of a run needs it

    if not any(glob.strip() for glob in globs):
        return []
    spec = GitIgnoreSpec.from_lines(globs)
    return [path for path in paths if not spec.match_file(path)]


def bad_glob(glob: str) -> str | None:
    """Return what is wrong with a glob of a write scope; None when nothing is."""
    text = glob.removeprefix("!")
    if not text.strip():
        return "it is empty"
    if "\0" in text or "\n" in text:
        return "it holds a control character"
    if re.match(r"[A-Za-z]:[\\/]", text) or text.startswith("~"):
        return "it is not relative to the repository"
    if ".." in text.split("/"):
        return "it leads out of the repository"
    return None


@lru_cache(maxsize=4096)
def _parts(glob: str) -> tuple[str, ...]:
    """Return a glob as path segments, the way gitignore anchors it."""
    text = glob.strip()
    if not text or text.startswith("!"):
        return ()
    anchored = "/" in text.rstrip("/")[:-1] or text.startswith("/")
    folder = text.endswith("/")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if not parts:
        return (ANY_DEPTH,)
    if not anchored and parts[0] != ANY_DEPTH:
        parts.insert(0, ANY_DEPTH)
    if folder or parts[-1] != ANY_DEPTH:
        parts.append(ANY_DEPTH)  # what is below a matched folder is matched as well
    squeezed = [
        part for n, part in enumerate(parts) if part != ANY_DEPTH or n == 0 or parts[n - 1] != part
    ]
    return tuple(squeezed)


def _meet(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    """Tell whether two segment lists have a path in common: one table, no backtracking."""
    reachable = {(0, 0)}
    pending = [(0, 0)]
    while pending:
        i, j = pending.pop()
        if i == len(first) and j == len(second):
            return True
        for step in _steps(first, second, i, j):
            if step not in reachable:
                reachable.add(step)
                pending.append(step)
    return False


def _steps(
    first: tuple[str, ...], second: tuple[str, ...], i: int, j: int
) -> list[tuple[int, int]]:
    left = first[i] if i < len(first) else None
    right = second[j] if j < len(second) else None
    steps = []
    if left == ANY_DEPTH:
        steps.append((i + 1, j))
        if right is not None:
            steps.append((i, j + 1))
    if right == ANY_DEPTH:
        steps.append((i, j + 1))
        if left is not None:
            steps.append((i + 1, j))
    if left not in (None, ANY_DEPTH) and right not in (None, ANY_DEPTH):
        assert left is not None
        assert right is not None
        if _segments_meet(left, right):
            steps.append((i + 1, j + 1))
    return steps


def _segments_meet(first: str, second: str) -> bool:
    """Tell whether two segments may match one name, by their fixed ends."""
    if not _is_pattern(first) and not _is_pattern(second):
        return first == second
    head_a, tail_a = _fixed_ends(first)
    head_b, tail_b = _fixed_ends(second)
    heads = head_a.startswith(head_b) or head_b.startswith(head_a)
    tails = tail_a.endswith(tail_b) or tail_b.endswith(tail_a)
    return heads and tails


def _is_pattern(segment: str) -> bool:
    return any(sign in segment for sign in "*?[\\")


def _fixed_ends(segment: str) -> tuple[str, str]:
    if not _is_pattern(segment):
        return segment, segment
    signs = [n for n, letter in enumerate(segment) if letter in "*?[]\\"]
    return segment[: signs[0]], segment[signs[-1] + 1 :]
