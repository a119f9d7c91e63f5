"""What this machine is: for who wants to know whether work can be sent here."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic import __version__
from mosaic.machine.identity import boot_id, host_name
from mosaic.runtimes import BUILT_IN, get_runtime

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
        runs=[str(each.relative_to(asked.folder).parent) for each in list_attempts(asked.folder)],
    )


def list_attempts(folder: Path) -> list[Path]:
    """Return what is noted of each attempt below our folder."""
    return sorted(folder.glob("missions/*/runs/*/work.json"))


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
