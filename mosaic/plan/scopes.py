"""Write scopes: whether two sets of globs may speak of the same file.

Globs are gitignore-style, relative to the repository's root. The answer errs towards yes:
two hand-offs that might meet are kept apart. An empty scope claims nothing. Negated
globs (`!x`) narrow a scope and are left out, which errs towards yes again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.plan.globs import ANY_DEPTH, parse_glob

if TYPE_CHECKING:
    from collections.abc import Sequence


def scopes_overlap(first: Sequence[str], second: Sequence[str]) -> bool:
    """Tell whether some path may match a glob of both."""
    left, right = _allowing(first), _allowing(second)
    return any(_meet(a, b) for a in left for b in right)


def outside_scope(paths: Sequence[str], globs: Sequence[str]) -> list[str]:
    """Return the paths that a write scope does not allow; an empty scope allows all.

    Args:
        paths: relative to the repository's root, with `/`.
        globs: gitignore-style; a later `!x` takes away what an earlier glob allows.
    """
    if not any(glob.strip() for glob in globs):
        return []
    known = [parse_glob(glob) for glob in reversed(globs)]
    outside = []
    for path in paths:
        last = next((glob for glob in known if glob.matches(path)), None)
        if last is None or last.is_negated:
            outside.append(path)
    return outside


def _allowing(globs: Sequence[str]) -> list[tuple[str, ...]]:
    parsed = [parse_glob(glob) for glob in globs]
    return [glob.parts for glob in parsed if glob.parts and not glob.is_negated]


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
