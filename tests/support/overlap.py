"""Whether two write scopes may meet, glob by glob: what the index of scopes is held to."""

from __future__ import annotations

from collections.abc import Sequence

from mosaic.plan.scope_index import fixed_ends, is_pattern, scope_heads


def scopes_overlap(first: Sequence[str], second: Sequence[str]) -> bool:
    """Tell whether some path may match a glob of both."""
    left, right = scope_heads(first), scope_heads(second)
    return any(_meet(a, b) for a in left for b in right)


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
