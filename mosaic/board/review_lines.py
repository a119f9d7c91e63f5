"""A review as lines for the screen, in the order in which a person decides."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rich.text import Text

from mosaic.board.markdown import markdown_lines
from mosaic.board.words import joined, plain
from mosaic.errors import UsageError
from mosaic.review.patch import parse_patch
from mosaic.text.decisions import place_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mosaic.app.task_work import ReviewPage
    from mosaic.review.matching import JudgedClaim
    from mosaic.review.verdict import Review
    from mosaic.text.decisions import Decision

MARKS = {
    "confirmed": ("ok", "green"),
    "contradicted": ("NO", "bold red"),
    "unseen": ("??", "yellow"),
}
DIFF_SIGNS = {
    "hunk": ("", "cyan"),
    "same": (" ", ""),
    "added": ("+", "green"),
    "removed": ("-", "red"),
    "note": ("", "dim"),
}
MOST_LISTED = 100
MOST_DIFF_LINES = 20_000
CLAIMED = ("files_changed", "commands_run")
"""Sections of a handoff whose claims are shown one by one."""


def review_lines(review: Review) -> Iterator[Text]:
    """Return what a handoff claims beside what happened, a line each."""
    objections, judged, evidence = review.objections, review.judged, review.evidence
    if not objections:
        yield plain("no objections", "bold green")
    yield from _listed("objections to approving it", objections, "bold red")
    if review.goal:
        yield from _titled("goal", markdown_lines(review.goal))
    yield from _titled("acceptance criteria", _criteria(review))
    yield from _listed("decisions", review.decision_words(), "bold")
    for gate in review.gates:
        yield Text()
        words = plain(gate.words, "green" if gate.is_green else "bold red")
        yield joined([plain(f"gate {gate.name}", "bold"), words, plain(gate.run_id, "dim")])
        yield from (plain(f"    {line}", "dim") for line in gate.tail.splitlines()[-20:])
    since = f"since {evidence.since}" if evidence.changed is not None else ""
    yield from _titled("files claimed", _claims(judged.files), since)
    yield from _titled("commands claimed", _claims(judged.commands))
    unclaimed = [f"{change.kind.value}  {change.path}" for change in judged.unclaimed_files]
    yield from _listed("changed without being claimed", unclaimed)
    ran = [f"{'failed' if e.failed else 'ran'}  {e.command}" for e in judged.unclaimed_commands]
    yield from _listed("ran without being claimed", ran)
    yield from _listed("outside of the write scope", review.out_of_scope, "bold red")
    yield from _listed("changed while it worked, not seen to be the agent's", evidence.beside)
    yield from _listed("worth a look", review.warnings)
    yield from _listed("what cannot be known", evidence.caveats)
    for name, text in review.sections.items():
        if name not in CLAIMED and text.strip():
            yield from _titled(name, markdown_lines(text.strip()))
    if review.missing:
        yield from _listed("missing in the handoff", review.missing)
    yield Text()
    yield joined([plain("changes", "bold"), plain(review.stat or "not known")])
    work = [f"{each.kind.value}  {each.path}" for each in review.work]
    yield from (plain(f"  {each}") for each in _cut(work))


def diff_lines(page: ReviewPage, named: Callable[[str], str]) -> list[tuple[Text, str]]:
    """Return the change line by line, each with the place that a remark on it names.

    Remarks stand below their lines. `named` turns git's name of a file into the project's.
    """
    remarks: dict[str, list[Decision]] = {}
    for each in page.review.decisions:
        with suppress(UsageError):  # a place that somebody wrote by hand
            path, _, last = place_parts(each.place)
            remarks.setdefault(f"{path}:{last}", []).append(each)
    found: list[tuple[Text, str]] = []
    for file in parse_patch(page.diff or ""):
        counts = joined([plain(f"+{file.added}", "green"), plain(f"-{file.removed}", "red")], " ")
        head = joined([plain(named(file.path), "bold reverse"), counts])
        found += [(Text(), ""), (head, "")] if found else [(head, "")]
        for line in file.lines:
            if len(found) >= MOST_DIFF_LINES:
                cut = f"[… cut here after {MOST_DIFF_LINES} lines]"
                return [*found, (plain(cut, "dim"), "")]
            sign, style = DIFF_SIGNS[line.kind]
            place = file.place(line)
            path, _, number = place.rpartition(":")
            place = f"{named(path)}:{number}" if place else ""
            found.append((plain(f"{sign}{line.text}", style), place))
            for each in remarks.get(place, ()) if place else ():
                found += [(text, place) for text in _remark(each)]
    return found


def place_of(places: Sequence[str]) -> str:
    """Return the place that a remark on lines has, each with its own; empty where none can be."""
    named = [each.rpartition(":") for each in places if each]
    paths, numbers = {path for path, _, _ in named}, [int(number) for _, _, number in named]
    if len(paths) != 1:
        return ""
    first, last = min(numbers), max(numbers)
    return f"{paths.pop()}:{first}" + (f"-{last}" if last > first else "")


def _remark(remark: Decision) -> Iterator[Text]:
    state = "open" if remark.is_open else "settled"
    head = f"  ▌ remark {remark.number} by {remark.by}, {state}: "
    yield plain(head + " ".join(remark.text.split()), "bold yellow")
    for answer in remark.notes_of("answered"):
        yield plain(f"  ▌ answered: {answer}", "yellow")


def _titled(title: str, lines: Iterable[Text], more: str = "") -> Iterator[Text]:
    shown = list(lines)
    if shown:
        yield Text()
        yield joined([plain(title, "bold"), plain(more, "dim")])
        for line in shown:
            yield Text("  ", no_wrap=True, end="") + line


def _listed(title: str, items: Sequence[str], style: str = "bold yellow") -> Iterator[Text]:
    if items:
        yield Text()
        yield plain(title, style)
        yield from (plain(f"  {item}") for item in _cut(items))


def _cut(items: Sequence[str]) -> list[str]:
    more = len(items) - MOST_LISTED
    return [*items[:MOST_LISTED], *([f"and {more} more"] if more > 0 else [])]


def _criteria(review: Review) -> Iterator[Text]:
    for each in review.criteria:
        criterion = each.criterion
        if each.standing is not None:
            (mark, style), why = MARKS[each.standing.value], each.why
        elif criterion.is_open:
            mark, style, why = "--", "yellow", "not ticked"
        else:
            mark, style, why = "  ", "dim", "dropped"
        yield joined([plain(mark, style), plain(criterion.text), plain(why, "dim")])


def _claims(claims: Sequence[JudgedClaim[Any]]) -> Iterator[Text]:
    for each in claims[:MOST_LISTED]:
        mark, style = MARKS[each.standing.value]
        kind = getattr(each.claim, "kind", None)
        words = getattr(each.claim, "path", each.claim.text) + (f" ({kind.value})" if kind else "")
        yield joined([plain(mark, style), plain(words), plain(each.why, "dim")])
    if not claims:
        yield plain("none", "dim")
