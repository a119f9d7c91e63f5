"""Around it: demo, doctor, clean, migrate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import Result, clean, emit, paint
from mosaic.errors import ExitCode

if TYPE_CHECKING:
    pass


def doctor_command(as_json: Json = False, mission: MissionPath = None) -> int:
    """Look at what Mosaic needs: git, tmux, agents and their versions, locks, disk."""
    from mosaic.doctor import examine

    report = examine(mission)
    width = max(len(item.name) for item in report)
    marks = {"ok": paint("ok", "green"), "missing": paint("--", "dim"), "bad": paint("!!", "red")}
    lines = []
    for item in report:
        lines.append(f"{marks[item.state]}  {clean(item.name):<{width}}  {clean(item.found)}")
        if item.hint and item.state != "ok":
            lines.append(f"{'':<{width + 6}}{paint('hint:', 'cyan')} {clean(item.hint)}")
    bad = any(item.state == "bad" for item in report)
    result = Result(
        kind="doctor",
        data={
            "items": [
                {"name": i.name, "state": i.state, "found": i.found, "hint": i.hint} for i in report
            ]
        },
        lines=lines,
        exit_code=ExitCode.FAILED if bad else ExitCode.OK,
        next_commands=["mission status"],
    )
    return emit(result, as_json=as_json)
