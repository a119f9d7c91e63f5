"""`mission resolve`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from typer import Argument, Option

from mosaic.app.resolve import Resolution, resolve_conflicts
from mosaic.cli.consent import is_somebody_there
from mosaic.cli.options import Json, MissionPath
from mosaic.cli.output import answer, clean, clean_block, paint, warn
from mosaic.cli.tasks_view import report_notices
from mosaic.errors import UsageError
from mosaic.store.reading import locate_to_change
from mosaic.text.lines import counted
from mosaic.text.merge3 import OURS, THEIRS, Disagreement

EXAMPLES = (
    ("mission resolve", "merge what git left in conflict, and ask about the rest"),
    ("mission resolve T-003.status=done", "say what counts where both sides disagree"),
    ("mission resolve --theirs", "their side counts wherever both disagree"),
)
SHORT = {"o": OURS, "t": THEIRS, OURS: OURS, THEIRS: THEIRS}
MOST_LINES = 12
"""Lines of a side that are shown."""


def resolve_command(
    words: list[str] | None = Argument(
        None,
        metavar="[FILE|FIELD=VALUE]...",
        help="Only these files; what counts where both sides disagree: `T-003.status=done`.",
        show_default=False,
    ),
    ours: bool = Option(False, "--ours", help="Where they disagree, our side counts."),
    theirs: bool = Option(False, "--theirs", help="Where they disagree, their side counts."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Merge by task and field what git left in conflict, and ask what both sides changed."""
    if ours and theirs:
        raise UsageError("`--ours` and `--theirs` are two answers")
    files = [Path(word) for word in words or () if "=" not in word or Path(word).exists()]
    answers = dict(
        word.split("=", 1) for word in words or () if "=" in word and not Path(word).exists()
    )
    is_asked = is_somebody_there() and not as_json
    done = resolve_conflicts(
        locate_to_change(mission, in_conflict=True),
        files,
        answers,
        side=OURS if ours else THEIRS if theirs else None,
        ask=_ask if is_asked else None,
    )
    report_notices(done.notices)
    then = [f"mission renumber {task_id}" for task_id in done.twins]
    then += [done.go_on] if done.go_on else []
    if done.open:
        then = [f"mission resolve {done.open[0].name}={THEIRS}", "mission resolve --ours"]
    return answer(
        "mission.resolve",
        done,
        _lines(done),
        ok=all(file.resolved for file in done.files),
        then=then,
        show_next=True,
        as_json=as_json,
    )


def _lines(done: Resolution) -> list[str]:
    lines = []
    for file in done.files:
        word = "removed" if file.removed else "merged"
        if not file.resolved:
            lines.append(f"{paint('open', 'yellow')}    {clean(file.path)}: {clean(file.why)}")
        else:
            lines.append(f"{paint(word, 'green')}  {clean(file.path)}")
    for each in done.open:
        lines += ["", *disagreement_lines(each)]
    for task_id in done.twins:
        words = f"two tasks are `{task_id}` now: `mission renumber {task_id}` gives the later one"
        lines.append(clean(f"{words} the next free id"))
    return lines or [paint("nothing waits for a merge", "dim")]


def disagreement_lines(each: Disagreement) -> list[str]:
    """Return a disagreement as people read it."""
    lines = [paint(clean(each.name), "bold")]
    for name in ("base", OURS, THEIRS):
        value = getattr(each, name)
        block = clean_block(value) if value else ["(nothing)" if value == "" else "(not there)"]
        more = len(block) - MOST_LINES
        block = [*block[:MOST_LINES], f"… {counted(more, 'more line')}"] if more > 0 else block
        lines += [f"  {name if not at else '':<8}{line}" for at, line in enumerate(block)]
    return lines


def _ask(still_open: Sequence[Disagreement]) -> Mapping[str, str]:
    """Ask a person about each; an empty answer leaves it open."""
    answers = {}
    for each in still_open:
        for line in disagreement_lines(each):
            warn(line)
        sys.stderr.write("[o]urs, [t]heirs, another value, or nothing to leave it: ")
        sys.stderr.flush()
        if words := sys.stdin.readline().strip():
            answers[each.name] = SHORT.get(words, words)
    return answers
