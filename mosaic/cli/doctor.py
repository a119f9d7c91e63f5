"""`mission doctor`."""

from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean, paint
from mosaic.errors import ExitCode


def doctor_command(as_json: Json = False, mission: MissionPath = None) -> int:
    """Look at what Mosaic needs: git, tmux, agents and their versions, locks, disk."""
    from mosaic.app.doctor import State, examine

    items = list(examine(mission))
    width = max(len(item.name) for item in items)
    marks = {
        State.OK: paint("ok", "green"),
        State.MISSING: paint("--", "dim"),
        State.BAD: paint("!!", "red"),
    }
    lines = []
    for item in items:
        lines.append(f"{marks[item.state]}  {clean(item.name):<{width}}  {clean(item.found)}")
        if item.hint and item.state is not State.OK:
            lines.append(f"{'':<{width + 6}}{paint('hint:', 'cyan')} {clean(item.hint)}")
    code = ExitCode.FAILED if any(i.state is State.BAD for i in items) else ExitCode.OK
    return answer(
        "doctor",
        {"items": items},
        lines,
        exit_code=code,
        next_commands=["mission status"],
        as_json=as_json,
    )
