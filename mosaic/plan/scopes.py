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
    left, right = scope_heads(first), scope_heads(second)
    return any(_meet(a, b) for a in left for b in right)


def scope_heads(globs: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the segments before the first `**` of every glob that allows something.

    Every glob ends with `**`, because what is below a matched folder is matched as well. So
    two globs have a path in common exactly when their heads agree as far as both go: the `**`
    of each takes up what the other has left.
    """
    parsed = [parse_glob(glob) for glob in globs]
    return [
        glob.parts[: glob.parts.index(ANY_DEPTH)]
        for glob in parsed
        if glob.parts and not glob.is_negated
    ]


def outside_scope(paths: Sequence[str], globs: Sequence[str]) -> list[str]:
    """Return the paths that a write scope does not allow; an empty scope allows all."""
    if not any(glob.strip() for glob in globs):
        return []
    known = [parse_glob(glob) for glob in reversed(globs)]
    outside = []
    for path in paths:
        last = next((glob for glob in known if glob.matches(path)), None)
        if last is None or last.is_negated:
            outside.append(path)
    return outside


def _meet(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    return all(segments_meet(a, b) for a, b in zip(first, second, strict=False))


def segments_meet(first: str, second: str) -> bool:
    """Tell whether two segments may match one name, by their fixed ends."""
    if not is_pattern(first) and not is_pattern(second):
        return first == second
    head_a, tail_a = fixed_ends(first)
    head_b, tail_b = fixed_ends(second)
    heads = head_a.startswith(head_b) or head_b.startswith(head_a)
    tails = tail_a.endswith(tail_b) or tail_b.endswith(tail_a)
    return heads and tails


def is_pattern(segment: str) -> bool:
    """Tell whether a segment may match more than one name."""
    return any(sign in segment for sign in "*?[\\")


def fixed_ends(segment: str) -> tuple[str, str]:
    """Return what every name that a segment matches begins and ends with."""
    if not is_pattern(segment):
        return segment, segment
    signs = [n for n, letter in enumerate(segment) if letter in "*?[]\\"]
    return segment[: signs[0]], segment[signs[-1] + 1 :]
