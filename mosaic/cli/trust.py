"""`mission trust`: what a person allows a mission, and where they see it."""

import os
from collections.abc import Sequence
from pathlib import Path

from typer import Argument, Option

from mosaic.app.trust import Trust, forget_trust, read_trust, trust_mission
from mosaic.cli.consent import confirm, is_somebody_there
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean, paint
from mosaic.errors import MissionOwnerError, UsageError
from mosaic.store.allowance import name_of
from mosaic.store.consent import Command
from mosaic.store.reading import locate_mission, named_mission_file

EXAMPLES = (
    ("mission trust --list", "what this mission would run, and what is allowed"),
    ("mission trust", "allow it, after you have read it"),
)


def trust_command(
    paths: list[Path] | None = Argument(
        None,
        metavar="[PATH]...",
        help="A mission, or a folder outside of the repository that this one may use.",
        show_default=False,
    ),
    listing: bool = Option(False, "--list", help="Only show what is allowed and what is not."),
    forget: bool = Option(False, "--forget", help="Take back everything that was allowed."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Allow what a mission from elsewhere may not do by itself: run its commands, use a folder."""
    mission_file, places = _read_paths(paths or [], mission)
    if listing:
        return _show(read_trust(mission_file), as_json=as_json)
    if forget:
        forget_trust(mission_file)
        done = ["everything that was allowed is taken back"]
        return answer("trust.forgotten", {"done": done}, done, as_json=as_json)

    def agrees(unallowed: Sequence[Command]) -> bool:
        is_asked = is_somebody_there() and not as_json
        return not is_asked or confirm("these commands may run from now on:", unallowed)

    return _show(trust_mission(mission_file, places, agrees), as_json=as_json)


def _read_paths(paths: list[Path], mission: Path | None) -> tuple[Path, list[Path]]:
    """Tell the mission from the folders: a path that holds one is it, where none is named."""
    here = _find_here() if mission is None else None
    named = _find_named(paths[0]) if mission is None and len(paths) == 1 else None
    if named is not None and (here is None or os.path.realpath(here) == os.path.realpath(named)):
        return named, []
    return here or locate_mission(mission), [Path(os.path.realpath(each)) for each in paths]


def _find_named(path: Path) -> Path | None:
    try:
        return named_mission_file(path)
    except UsageError:
        return None


def _find_here() -> Path | None:
    """Return the mission that the search finds, of any owner; None where there is none."""
    try:
        return locate_mission(None)
    except MissionOwnerError as error:
        return Path(error.path) if error.path else None
    except UsageError:
        return None


def _show(trust: Trust, *, as_json: bool) -> int:
    """Say what was done, else what is allowed now."""
    lines = [*map(clean, trust.done)] or _lines(trust)
    return answer("trust", trust, lines, then=["mission next"], as_json=as_json)


def _lines(trust: Trust) -> list[str]:
    lines = []
    for command in trust.commands:
        mark = paint("may run", "green") if command.allowed else paint("asks", "yellow")
        lines.append(f"{mark}  {clean(command.shown)}")
    lines += [f"may use `{clean(place)}`" for place in trust.places]
    lines += [f"may belong to {clean(name_of(owner))}" for owner in trust.owners]
    if trust.commands:
        lines.append(paint(f"MISSION_TRUST={trust.digest} allows these commands", "dim"))
    return lines or [paint("this mission asks for nothing", "dim")]
