"""The results of a panel's workers: read, bounded, and compared with each other. Pure.

An answer that cannot be read is an `error` result that says so, never a crash; role and label
come from the panel, not from the answer. Keys that the schema does not have, such as
reasoning, are dropped.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mosaic.codec import parse_json
from mosaic.records import NamedTuple, dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STATUSES = ("completed", "blocked", "error")
LISTS = ("claims", "objections", "openQuestions", "evidenceRefs")
LONGEST_TEXT = 4_000
LONGEST_ITEM = 1_000
MOST_ITEMS = 100
LONGEST_ANSWER = 4_000_000
MOST_STARTS = 200
"""How many places of a text are tried as the begin of an object."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerResult:
    """What a worker answered."""

    role: str
    label: str
    status: str
    """`completed`, `blocked` or `error`."""
    summary: str
    claims: tuple[str, ...] = ()
    objections: tuple[str, ...] = ()
    openQuestions: tuple[str, ...] = ()  # noqa: N815 - the result's own key
    evidenceRefs: tuple[str, ...] = ()  # noqa: N815 - the result's own key
    error: str | None = None


def answer_schema() -> str:
    """Return the JSON schema of a worker's result, as strict as runtimes ask for.

    Every key is required and no other allowed: codex takes no other schema.
    """
    text = {"type": "string"}
    properties: dict[str, Any] = {
        "role": text,
        "label": text,
        "status": {"type": "string", "enum": list(STATUSES)},
        "summary": text,
        **{name: {"type": "array", "items": text} for name in LISTS},
        "error": {"type": ["string", "null"]},
    }
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return json.dumps(schema, indent=2)


def parse_answer(text: str, *, role: str, label: str) -> WorkerResult:
    """Read a worker's last message, or the file that it wrote.

    The whole text is tried, then each code block, then every object from the last one upwards.
    """
    for values in _objects(text[:LONGEST_ANSWER]):
        if isinstance(values.get("status"), str) and "summary" in values:
            return _result(values, role, label)
    found = _text(" ".join(text[:LONGEST_TEXT].split()), 200)
    words = f"its answer is not a result: {found}" if found else "it gave no answer"
    return error_result(words, role=role, label=label)


def error_result(words: str, *, role: str, label: str) -> WorkerResult:
    """Return the result of a worker that has none."""
    return WorkerResult(role=role, label=label, status="error", summary="", error=words)


def _result(values: dict[str, Any], role: str, label: str) -> WorkerResult:
    status = str(values["status"]).strip().lower()
    error = _text(values.get("error"), LONGEST_TEXT) or None
    if status not in STATUSES:
        error = error or f"it calls its status {status[:40]!r}"
        status = "error"
    return WorkerResult(
        role=role,
        label=label,
        status=status,
        summary=_text(values.get("summary"), LONGEST_TEXT),
        **{name: _texts(values.get(name)) for name in LISTS},
        error=error,
    )


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the objects that may be meant, the likeliest first."""
    whole = text.strip()
    blocks = [part.partition("\n")[2] for part in reversed(whole.split("```")[1::2])]
    for candidate in (whole, *blocks):
        if candidate.lstrip().startswith("{"):
            with suppress(ValueError, RecursionError):
                yield parse_json(candidate)
    decoder = json.JSONDecoder()
    end, looked_at = len(text), 0
    for _ in range(MOST_STARTS):
        end = text.rfind("{", 0, end)
        looked_at += len(text) - end
        if end < 0 or looked_at > 2 * LONGEST_ANSWER:
            return
        with suppress(ValueError, RecursionError):
            yield decoder.raw_decode(text, end)[0]


def _texts(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    texts = (_text(item, LONGEST_ITEM) for item in items[:MOST_ITEMS])
    return tuple(text for text in texts if text)


def _text(value: object, limit: int) -> str:
    if isinstance(value, dict):  # some give each item a name of its own
        value = next((value[key] for key in ("text", "claim", "summary") if key in value), None)
    if not isinstance(value, str):
        return ""
    whole = value if value.isascii() else value.encode("utf-8", "replace").decode()
    kept = "".join(sign for sign in whole if sign.isprintable() or sign in "\n\t")
    return kept.strip()[:limit]


class Voice(NamedTuple):
    """Something said, and by which workers."""

    text: str
    workers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Aggregate:
    """What a panel's workers agree on, object to, and ask."""

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
    """Compare results, by worker; texts that differ only in case and punctuation are one voice."""
    claims, objections, questions, evidence = (_voices(results, name) for name in LISTS)
    return Aggregate(
        agreement=tuple(voice for voice in claims if len(voice.workers) > 1),
        claims=tuple(voice for voice in claims if len(voice.workers) == 1),
        objections=objections,
        open_questions=questions,
        evidence=evidence,
        errors={
            name: result.error or result.summary or "it reports an error"
            for name, result in results.items()
            if result.status == "error"
        },
    )


def _voices(results: Mapping[str, WorkerResult], name: str) -> tuple[Voice, ...]:
    found: dict[str, tuple[str, dict[str, None]]] = {}
    for worker, result in results.items():
        for text in getattr(result, name):
            key = " ".join(re.findall(r"\w+", text.lower())) or text
            found.setdefault(key, (text, {}))[1][worker] = None
    return tuple(Voice(text, tuple(workers)) for text, workers in found.values())
