"""`mission doctor`."""

from mosaic.app.doctor import State, examine
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer
from mosaic.cli.table import WHOLE, Column, table

MARKS = {State.OK: "ok", State.MISSING: "--", State.BAD: "!!"}
COLUMNS = (
    Column(colors={"ok": "green", "--": "dim", "!!": "red"}), Column("name"), WHOLE,
)  # fmt: skip

EXAMPLES = (
    ("mission doctor", "what is there, what is missing, and what to do about it"),
    ("mission doctor --json", "the same for a bug report or a program"),
)


def doctor_command(as_json: Json = False, mission: MissionPath = None) -> int:
    """Look at what Mosaic needs: git, tmux, agents and their versions, locks, disk."""
    items = list(examine(mission))
    rows = []
    for item in items:
        rows.append((MARKS[item.state], item.name, item.found))
        if item.hint and item.state is not State.OK:
            rows.append(("", "", f"hint: {item.hint}"))
    ok = all(item.state is not State.BAD for item in items)
    data = {"items": items}
    return answer(
        "doctor", data, table(rows, COLUMNS), ok=ok, then=["mission status"], as_json=as_json
    )
