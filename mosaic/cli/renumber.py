"""`mission renumber`."""

import sys

from typer import Argument, Option

from mosaic.cli.completing import complete_task
from mosaic.cli.consent import is_somebody_there
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean, paint, warn
from mosaic.store.reading import locate_to_change
from mosaic.store.renumber import Renumbered, renumber_task

EXAMPLES = (
    ("mission renumber T-005", "give it the next free id; first it is only shown"),
    ("mission renumber T-005 T-012 --write", "do it, with this id"),
)


def renumber_command(
    old: str = Argument(
        ...,
        metavar="OLD",
        autocompletion=complete_task,
        help="The task, or its file; of two tasks of one id the later.",
    ),
    new: str | None = Argument(None, metavar="[NEW]", help="Its new id; else the next free one."),
    write: bool = Option(False, "--write", help="Do it; else it is only shown, or asked."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Give a task another id, in its row, its file and whatever speaks of it."""
    path = locate_to_change(mission)
    done = renumber_task(path, old, new, write=write)
    if not write and is_somebody_there() and not as_json:
        for line in _lines(done):
            warn(line)
        sys.stderr.write("Do it? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            return 0
        done = renumber_task(path, old, done.new, write=True)
    again = f"mission renumber {old} {done.new} --write"
    then = [f"mission show {done.new}"] if done.written else [again]
    return answer("task.renumbered", done, _lines(done), then=then, show_next=True, as_json=as_json)


def _lines(done: Renumbered) -> list[str]:
    verb = "changed" if done.written else "would change"
    lines = [f"{done.old} {paint('→', 'dim')} {paint(done.new, 'bold')}"]
    if done.file:
        lines.append(f"{'file' if done.written else 'file would be'} {clean(done.file)}")
    lines += [f"{verb} {clean(place)}" for place in done.changed]
    return lines + [f"{paint('left', 'yellow')} {clean(words)}" for words in done.left]
