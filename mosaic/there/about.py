"""What this machine is: for who wants to know whether work can be sent here."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic import __version__
from mosaic.errors import GitError, MissionError
from mosaic.git.remote_refs import list_refs
from mosaic.machine.identity import boot_id, host_name
from mosaic.machine.lock import is_folder_held
from mosaic.runtimes import BUILT_IN, get_runtime
from mosaic.there.receive import find_attempt, run_at

if TYPE_CHECKING:
    from mosaic.there import Asked

LOGINS = {
    "claude": ((".claude/.credentials.json",), ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN")),
    "codex": ((".codex/auth.json",), ("CODEX_API_KEY", "OPENAI_API_KEY")),
}
"""Where agents keep a login, below the home folder and in variables; others keep it elsewhere."""


def tell_about(asked: Asked) -> None:
    """Answer with version, clock, room on the disk, agents and the attempts that are kept here."""
    asked.answer(
        version=__version__,
        host=host_name(),
        boot=boot_id(),
        clock=time.time(),
        free_bytes=shutil.disk_usage(asked.folder).free,
        agents=[_agent(name) for name in BUILT_IN if name != "demo"],
        hub_problem=_hub_problem(asked.folder, str(asked.values.get("hub") or "")),
        attempts=[_kept(each) for each in list_attempts(asked.folder)],
    )


def list_attempts(folder: Path) -> list[Path]:
    """Return what is noted of each attempt below our folder."""
    return sorted(folder.glob("missions/*/runs/*/work.json"))


def _hub_problem(folder: Path, hub: str) -> str | None:
    """Return why a hub cannot be reached from here; None where it can, or none is asked about."""
    if not hub:
        return None
    try:
        list_refs(folder, hub, "HEAD")
    except GitError as error:
        return error.summary
    return None


def _kept(work_file: Path) -> dict[str, Any]:
    """Return what is known of an attempt: what can no longer be read still takes room."""
    place = work_file.parent
    known: dict[str, Any] = {"mission": place.parent.parent.name, "run": place.name}
    with contextlib.suppress(MissionError, OSError):
        attempt = find_attempt(place)
        if attempt is not None:
            known |= {name: getattr(attempt, name) for name in ("token", "went", "carrier")}
            known["age_seconds"] = max(0.0, time.time() - work_file.stat().st_mtime)
            known["at_work"] = attempt.went and is_folder_held(run_at(place, attempt).dir)
    return known


def _agent(name: str) -> dict[str, Any]:
    probe = get_runtime(name, {}).probe()
    files, variables = LOGINS.get(name, ((), ()))
    has_file = any((Path.home() / each).exists() for each in files)
    return {
        "name": name,
        "version": probe.version,
        "problem": probe.problem,
        "has_login": has_file or any(os.environ.get(each) for each in variables),
    }
