"""Around it: demo, doctor, migrate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import Result, clean, emit, paint, write
from mosaic.errors import ExitCode
from mosaic.store.reading import locate_mission


def demo_command(
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="An empty folder; else a temporary one.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Play a whole mission with a scripted agent: offline, in a temporary folder."""
    from mosaic.demo import Demo, new_folder
    from mosaic.errors import MissionExistsError

    folder = directory.absolute() if directory else new_folder()
    if folder.is_dir() and any(folder.iterdir()):
        raise MissionExistsError(folder, hint="name an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    demo = Demo(folder, (lambda _: None) if as_json else _show)
    finished = demo.play()
    result = Result(
        kind="demo",
        data={
            "folder": str(folder),
            "finished": finished,
            "steps": [
                {"say": s.say, "command": ["mission", *s.arguments], "exit_code": s.exit_code}
                for s in demo.steps
            ],
        },
        lines=["", f"The mission is left for a look in {folder}"],
        exit_code=ExitCode.OK if finished else ExitCode.FAILED,
        next_commands=[f"cd {folder} && mission status"],
        show_next=True,
    )
    return emit(result, as_json=as_json)


def _show(line: str) -> None:
    color = "bold" if line.startswith(("#", "\n#")) else "cyan" if line.startswith("$") else ""
    write(paint(line, color))


def doctor_command(as_json: Json = False, mission: MissionPath = None) -> int:
    """Look at what Mosaic needs: git, tmux, agents and their versions, locks, disk."""
    from mosaic.doctor import examine

    report = examine(mission)
    width = max(len(item.name) for item in report)
    marks = {"ok": paint("ok", "green"), "missing": paint("--", "dim"), "bad": paint("!!", "red")}
    lines = []
    for item in report:
        lines.append(f"{marks[item.state]}  {item.name:<{width}}  {clean(item.found)}")
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


def migrate_command(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Bring an older mission into today's layout and key names."""
    from mosaic.store.migrate import migrate_mission

    done = migrate_mission(locate_mission(mission), dry_run=dry_run)
    result = Result(
        kind="mission.migrate",
        data={
            "actions": list(done.actions),
            "mission_file": str(done.mission_file),
            "dry_run": dry_run,
        },
        lines=[clean(line) for line in done.actions] or [paint("nothing to migrate", "dim")],
        next_commands=["mission check"],
    )
    return emit(result, as_json=as_json)
