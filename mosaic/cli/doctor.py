"""`mission doctor`."""

from mosaic.app.doctor import State, examine
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean, paint

EXAMPLES = (
    ("mission doctor", "what is there, what is missing, and what to do about it"),
    ("mission doctor --json", "the same for a bug report or a program"),
)


def doctor_command(as_json: Json = False, mission: MissionPath = None) -> int:
    """Look at what Mosaic needs: git, tmux, agents and their versions, locks, disk."""
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
    ok = all(item.state is not State.BAD for item in items)
    data = {"items": items}
    return answer("doctor", data, lines, ok=ok, then=["mission status"], as_json=as_json)
