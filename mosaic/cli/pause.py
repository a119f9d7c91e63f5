"""`mission pause`."""

from mosaic.app.mission import pause_mission
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean
from mosaic.cli.tasks_view import report_notices
from mosaic.store.reading import locate_mission

EXAMPLES = (
    ("mission pause", "hand nothing off for now; what runs goes on"),
    ("mission pause --json", "the same for a program"),
)


def pause_command(as_json: Json = False, mission: MissionPath = None) -> int:
    """Hand nothing off until `mission unpause`; sessions that live go on to their end."""
    done = pause_mission(locate_mission(mission))
    report_notices(done.notices)
    lines = [f"{clean(done.name)} is paused: nothing is handed off"]
    if done.live:
        lines.append(f"  {', '.join(map(clean, done.live))} go on to their end")
    then = ["mission unpause"]
    return answer("mission.changed", done, lines, then=then, show_next=True, as_json=as_json)
