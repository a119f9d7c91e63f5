"""What a loop or pool did in all, as it is shown at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.records import dataclass, field

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import Usage


@dataclass(kw_only=True, slots=True)
class LoopReport:
    """What a loop or pool did, and why it ended."""

    why: str = ""
    needs_person: bool = False
    was_interrupted: bool = False
    sessions: list[str] = field(default_factory=list)
    moved: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Tasks whose status changed: from what to what."""
    gave_up: list[str] = field(default_factory=list)
    """Tasks that were set blocked because nothing finished them."""
    not_started: dict[str, str] = field(default_factory=dict)
    """Tasks whose worker could not be started, with why."""
    landed: dict[str, str] = field(default_factory=dict)
    """Tasks whose branches were merged, with the commit that they are in."""
    not_landed: dict[str, str] = field(default_factory=dict)
    """Tasks whose branches did not land, with why."""
    elapsed_seconds: float = 0.0
    usage: Usage | None = None
    in_review: list[str] = field(default_factory=list)
    to_merge: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    questions: dict[str, str] = field(default_factory=dict)
    """What each of the blocked tasks waits for."""
    warnings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What went wrong on the way in its sessions."""
    worktrees: dict[str, tuple[Path, str | None]] = field(default_factory=dict)
    """Where the sessions of a pool work, with the branch."""

    def json_values(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {
            "why": self.why,
            "needs_person": self.needs_person,
            "interrupted": self.was_interrupted,
            "sessions": self.sessions,
            "moved": {
                task_id: {"from": before, "to": after}
                for task_id, (before, after) in self.moved.items()
            },
            "gave_up": self.gave_up,
            "not_started": self.not_started,
            "landed": self.landed,
            "not_landed": self.not_landed,
            "elapsed_seconds": round(self.elapsed_seconds, 3),
            "usage": self.usage,
            "waiting": {
                "review": self.in_review,
                "to_merge": self.to_merge,
                "blocked": self.blocked,
            },
            "questions": self.questions,
            "warnings": self.warnings,
            "worktrees": {
                session_id: {"path": path, "branch": branch}
                for session_id, (path, branch) in sorted(self.worktrees.items())
            },
        }
