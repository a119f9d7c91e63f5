"""Fuzz targets: each takes any bytes, and lets nothing out but a refusal for the user.

The seeds of a target are the files of `corpus/<target>/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzz import commands, documents, records, streams

if TYPE_CHECKING:
    from collections.abc import Callable

CORPUS = Path(__file__).parent / "corpus"
TARGETS: dict[str, Callable[[bytes], None]] = {
    "front_matter": documents.front_matter,
    "task_file": documents.task_file,
    "table": documents.table,
    "sections": documents.sections,
    "json_document": documents.json_document,
    "mission_file": documents.mission_file,
    "template": documents.template,
    "scopes": documents.scopes,
    "words": documents.words,
    "terminal": streams.terminal,
    "claude": streams.claude,
    "codex": streams.codex,
    "transcript": streams.transcript,
    "answer": streams.answer,
    "report": streams.report,
    "run_state": records.run_state,
    "run_meta": records.run_meta,
    "events": records.events,
    "checkpoint": records.checkpoint,
    "panel": records.panel,
    "worktree": records.worktree,
    "session_lock": records.session_lock,
    "sync_base": records.sync_base,
    "index": records.index,
    "damaged_mission": commands.damaged_mission,
}


def seeds_of(target: str) -> tuple[bytes, ...]:
    """Return the seeds of a target, in the order of their names."""
    return tuple(path.read_bytes() for path in sorted((CORPUS / target).iterdir()))
