"""What a panel came to in all: where its workers agree, object, and ask. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.panels.answer import WorkerResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Voice:
    """Something said, and by which workers."""

    text: str
    workers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Aggregate:
    """All results of a panel, set beside each other."""

    agreement: tuple[Voice, ...]
    """Claims that several workers make."""
    claims: tuple[Voice, ...]
    """Claims that one worker makes."""
    objections: tuple[Voice, ...]
    open_questions: tuple[Voice, ...]
    evidence: tuple[Voice, ...]
    errors: Mapping[str, str]
    """Workers without a result, with why."""


def aggregate(results: Mapping[str, WorkerResult]) -> Aggregate:
    """Set results beside each other; the same words in other case or marks are one voice.

    Args:
        results: by worker, in the panel's order.
    """
    claims = _voices({name: result.claims for name, result in results.items()})
    return Aggregate(
        agreement=tuple(voice for voice in claims if len(voice.workers) > 1),
        claims=tuple(voice for voice in claims if len(voice.workers) == 1),
        objections=_voices({name: result.objections for name, result in results.items()}),
        open_questions=_voices({name: result.openQuestions for name, result in results.items()}),
        evidence=_voices({name: result.evidenceRefs for name, result in results.items()}),
        errors={
            name: result.error or result.summary or "it says error"
            for name, result in results.items()
            if result.status == "error"
        },
    )


def _voices(said: Mapping[str, Sequence[str]]) -> tuple[Voice, ...]:
    found: dict[str, tuple[str, list[str]]] = {}
    for worker, texts in said.items():
        for text in texts:
            _, workers = found.setdefault(_key(text), (text, []))
            if worker not in workers:
                workers.append(worker)
    return tuple(Voice(text=text, workers=tuple(workers)) for text, workers in found.values())


def _key(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower())) or text
