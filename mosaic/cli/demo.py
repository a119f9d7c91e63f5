"""`mission demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.options import Json
from mosaic.cli.output import Result, emit, paint, write
from mosaic.errors import ExitCode, MissionExistsError


def demo_command(
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="An empty folder; else a temporary one.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Play a whole mission with a scripted agent: offline, in a temporary folder."""
    from mosaic.demo import Demo, new_folder

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
        lines=["", f"The mission stays in {folder}"],
        exit_code=ExitCode.OK if finished else ExitCode.FAILED,
        next_commands=[f"cd {folder} && mission status"],
        show_next=True,
    )
    return emit(result, as_json=as_json)


def _show(line: str) -> None:
    color = "bold" if line.startswith(("#", "\n#")) else "cyan" if line.startswith("$") else ""
    write(paint(line, color))
