"""What an agent is told: gathers the mission's files into a prompt and a capsule."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mosaic.machine.disk import find_text
from mosaic.machine.git import current_branch
from mosaic.model import EndReason, Mode
from mosaic.plan.durations import format_duration
from mosaic.plan.progress import current_milestone, measure_progress
from mosaic.runs.record import find_run, format_moment
from mosaic.store.templates import Template, load_template

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mosaic.model import JsonValue, Session, Task
    from mosaic.prompts.prompt import PromptContext
    from mosaic.store.layout import Layout
    from mosaic.store.tasks import Snapshot

PARTIALS = ("_setup.md.j2", "_task.md.j2", "_handed_over.md.j2", "_instructions.md.j2")
REASON_WORDS = {
    EndReason.COMPLETED: "completed",
    EndReason.FAILED: "failed",
    EndReason.BLOCKED: "blocked",
    EndReason.TIMEOUT: "timed out",
    EndReason.STOPPED: "was stopped",
    EndReason.CRASHED: "crashed",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Briefing:
    """A rendered hand-off."""

    prompt: str
    capsule: str
    """next-task.json, whole."""
    origin: Mapping[str, JsonValue]
    """Template and digests, for the run record."""
