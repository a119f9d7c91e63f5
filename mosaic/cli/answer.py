"""`mission answer`: a person's answer to what a blocked task asks."""

from typer import Argument

from mosaic.app.decisions import answer
from mosaic.cli.options import STDIN, Json, MissionPath, TaskId, read_stdin
from mosaic.cli.review import show_decided
from mosaic.store.reading import locate_mission

EXAMPLES = (
    ('mission answer T-002 "in UTC"', "what the task asks; its agent gets the answer"),
    ("mission answer T-002 - < answer.md", "a long answer, from a file"),
)


def answer_command(
    task_id: TaskId,
    words: str = Argument(metavar='"…"', help="The answer; `-` reads it from stdin."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Answer the question of a blocked task, and set it back to where it was."""
    text = read_stdin("an answer") if words == STDIN else words
    return show_decided(answer(locate_mission(mission), task_id, text), as_json=as_json)
