"""`mission doctor`."""

from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean, paint
from mosaic.errors import ExitCode


def doctor_command(as_json: Json = False, mission: MissionPath = None) -> int:
    """Look at what Mosaic needs: git, tmux, agents and their versions, locks, disk."""
    from mosaic.app.doctor import State, examine

    report = examine(mission)
    width = max(len(item.name) for item in report.items)
    marks = {
        State.OK: paint("ok", "green"),
        State.MISSING: paint("--", "dim"),
        State.BAD: paint("!!", "red"),
    }
    lines = []
    for item in report.items:
        lines.append(f"{marks[item.state]}  {clean(item.name):<{width}}  {clean(item.found)}")
        if item.hint and item.state is not State.OK:
            lines.append(f"{'':<{width + 6}}{paint('hint:', 'cyan')} {clean(item.hint)}")
    code = ExitCode.FAILED if report.is_bad else ExitCode.OK
    next_commands = ["mission status"]
    return answer(
        "doctor", report, lines, exit_code=code, next_commands=next_commands, as_json=as_json
    )
