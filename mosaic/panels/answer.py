"""A worker's result: JSON held to a schema, and cleaned of everything else.

What cannot be understood is an `error` result that says so, never a crash; role and label
are the worker's own, whatever it calls itself. Texts are bounded. Keys that the schema does
not know, such as reasoning or tool traces, are dropped.
"""

from __future__ import annotations

import json
from typing import Any

from mosaic.machine.json_data import parse_json
from mosaic.records import asdict, dataclass

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
    """What a worker came to."""

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

    def values(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


def answer_schema() -> str:
    """Return the JSON schema of a worker's result, as strict as runtimes ask for.

    Every key is required and no other allowed: codex takes no other schema.
    """
    text = {"type": "string"}
    texts = {"type": "array", "items": text}
    properties: dict[str, Any] = {
        "role": text,
        "label": text,
        "status": {"type": "string", "enum": list(STATUSES)},
        "summary": text,
        **dict.fromkeys(LISTS, texts),
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

    The whole text is tried, then what stands between code fences, then every object in it
    from the last one upwards.
    """
    for values in _objects(text[:LONGEST_ANSWER]):
        if isinstance(values.get("status"), str) and "summary" in values:
            return _result(values, role, label)
    found = _text(" ".join(text[:LONGEST_TEXT].split()), 200)
    words = f"its answer is no result: {found}" if found else "it gave no answer"
    return error_result(words, role=role, label=label)


def error_result(words: str, *, role: str, label: str) -> WorkerResult:
    """Return the result of a worker that came to none."""
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
        claims=_texts(values.get("claims")),
        objections=_texts(values.get("objections")),
        openQuestions=_texts(values.get("openQuestions")),
        evidenceRefs=_texts(values.get("evidenceRefs")),
        error=error,
    )


def _objects(text: str) -> list[dict[str, Any]]:
    """Return the objects that may be meant, the likeliest first."""
    found = []
    stripped = text.strip()
    candidates = [stripped]
    parts = stripped.split("```")
    candidates += [part.partition("\n")[2] for part in reversed(parts[1::2])]
    for candidate in candidates:
        value = _parsed(candidate)
        if value is not None:
            found.append(value)
    decoder = json.JSONDecoder()
    end, looked_at = len(text), 0
    for _ in range(MOST_STARTS):
        end = text.rfind("{", 0, end)
        looked_at += len(text) - end
        if end < 0 or looked_at > 2 * LONGEST_ANSWER:
            break
        try:
            value, _after = decoder.raw_decode(text, end)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _parsed(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = parse_json(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


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
