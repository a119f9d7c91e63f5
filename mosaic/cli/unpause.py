"""`mission unpause`."""

from mosaic.app.mission import unpause_mission
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean
from mosaic.cli.tasks_view import report_notices
from mosaic.store.reading import locate_mission

EXAMPLES = (
    ("mission unpause", "hand off again"),
    ("mission unpause --json", "the same for a program"),
)


def unpause_command(as_json: Json = False, mission: MissionPath = None) -> int:
    """Hand off again, after `mission pause`."""
    done = unpause_mission(locate_mission(mission))
    report_notices(done.notices)
    lines = [f"{clean(done.name)} is {done.status}" + ("" if done.changed else ", as before")]
    then = ["mission next"]
    return answer("mission.changed", done, lines, then=then, show_next=True, as_json=as_json)
