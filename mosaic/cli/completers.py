"""What a shell is offered where that depends on the rest of the line, or on this machine.

What is the same wherever it stands is in `mosaic.cli.options`. A TAB reads and changes nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer

from mosaic.cli.completing import Line, Offer, Word, complete_task, find_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mosaic.model import Task
    from mosaic.store.tasks import Snapshot

FILE_IN_METAVAR = re.compile(r"\b(?:FILE|PATH|ARGV)\b")
DIR_IN_METAVAR = re.compile(r"\bDIR\b")
ZSH_FILES, ZSH_FOLDERS, ZSH_FILES_BEHIND = "_files", "_files -/", "compset -P '*='; _files"


def offer(command: Any, line: Line) -> Offer:
    """Return what Typer finds for a line, and whether a file is meant there.

    That it is says the metavar of an operand or option: it holds `FILE`, `DIR` or `PATH`.
    """
    from typer._click.shell_completion import _resolve_context, _resolve_incomplete

    words = list(line.words)
    context = _resolve_context(command, {}, "mission", words)
    thing, begun = _resolve_incomplete(context, words, line.begun)
    if line.words and line.words[-1] in getattr(thing, "opts", ()):
        # An option without its value ends the parsing: the operands would not be known.
        context = _resolve_context(command, {}, "mission", list(line.words[:-1]))
    head = line.begun.removesuffix(begun)  # `--runtime=` of `--runtime=cl`
    found = thing.shell_complete(context, begun)
    # Files are the shell's own to complete.
    plain = [(f"{head}{each.value}", each.help or "") for each in found if each.type == "plain"]
    return Offer(plain, _files_for(getattr(thing, "metavar", None) or "", begun))


def _files_for(metavar: str, begun: str) -> str:
    if "=FILE" in metavar:
        return ZSH_FILES_BEHIND if "=" in begun else ""
    if FILE_IN_METAVAR.search(metavar):
        return ZSH_FILES
    return ZSH_FOLDERS if DIR_IN_METAVAR.search(metavar) else ""


def _of(context: typer.Context, name: str) -> list[str]:
    """Return what stands in the line for an operand."""
    value = context.params.get(name)
    return [value] if isinstance(value, str) else list(value or ())


def _named_task(context: typer.Context) -> tuple[Snapshot, Task] | None:
    """Return the task that a line names by its operand."""
    snapshot, named = find_snapshot(), _of(context, "task_id")
    if snapshot is None or not named:
        return None
    return snapshot, snapshot.get_task(named[0])


def _beginning(words: Iterable[Word], incomplete: str) -> list[Word]:
    return [word for word in words if word[0].startswith(incomplete)]


def complete_tasks(incomplete: str) -> list[Word]:
    """Complete the last of several ids with commas between them, but for those before it."""
    head, comma, begun = incomplete.rpartition(",")
    named = head.split(",")
    words = [word for word in complete_task(begun) if word[0] not in named]
    return [(f"{head}{comma}{word}", help_) for word, help_ in words]


def complete_checkpoint(context: typer.Context, incomplete: str) -> list[Word]:
    """Complete what `mission checkpoint` takes: a word of its own, a task, a number."""
    match _of(context, "words"):
        case []:
            own = [("list", "what was saved"), ("restore", "rebuild one")]
            return _beginning(own, incomplete) + complete_task(incomplete)
        case ["list"] | ["restore"]:
            return complete_task(incomplete)
        case ["restore", task_id]:
            snapshot = find_snapshot()
            return _checkpoints(snapshot, task_id, incomplete) if snapshot else []
        case _:
            return []


def complete_checkpoint_number(context: typer.Context, incomplete: str) -> list[Word]:
    """Complete the number of a checkpoint of the task that is named."""
    found = _named_task(context)
    return _checkpoints(found[0], found[1].id, incomplete) if found else []


def _checkpoints(snapshot: Snapshot, task_id: str, incomplete: str) -> list[Word]:
    from mosaic.sessions.checkpoints import checkpoints_of

    found = [each.checkpoint for each in checkpoints_of(snapshot, task_id).found]
    words = ((str(each.seq), f"{each.trigger} {each.note or each.stat or ''}") for each in found)
    return _beginning(words, incomplete)


def complete_section(context: typer.Context, incomplete: str) -> list[Word]:
    """Complete a section of the file of the task that is named."""
    from mosaic.text.sections import find_sections

    found = _named_task(context)
    sections = find_sections(found[0].task_text(found[1])) if found else ()
    return _beginning(((each.name, "") for each in sections), incomplete)


def complete_criterion(context: typer.Context, incomplete: str) -> list[Word]:
    """Complete the number of a criterion that is not ticked."""
    from mosaic.app.tasks import read_handoff

    if (found := _named_task(context)) is None:
        return []
    criteria = read_handoff(found[0], found[1].id).acceptance_criteria
    open_ones = ((str(each.number), each.text) for each in criteria if each.is_open)
    return _beginning(open_ones, incomplete)


def complete_remark(context: typer.Context, incomplete: str) -> list[Word]:
    """Complete the number of a remark that is not answered."""
    from mosaic.text.decisions import Kind, read_decisions

    if (found := _named_task(context)) is None:
        return []
    decisions = read_decisions(found[0].task_text(found[1]))
    remarks = (
        (str(each.number), each.text)
        for each in decisions
        if each.kind is Kind.REMARKED and not each.notes_of("answered")
    )
    return _beginning(remarks, incomplete)


def complete_live_session(incomplete: str) -> list[Word]:
    """Complete a session that is live, or may be."""
    from mosaic.sessions.unrecorded import live_or_unknown

    snapshot = find_snapshot()
    locks = [found.lock for found in live_or_unknown(snapshot)] if snapshot else []
    return _beginning(((each.session_id, each.task_id or "") for each in locks), incomplete)


def complete_prepared_run(incomplete: str) -> list[Word]:
    """Complete a run that waits for its start."""
    from mosaic.model import RunStatus
    from mosaic.runs.folders import runs_in, task_folders

    snapshot = find_snapshot()
    folders = task_folders(snapshot.layout.runs_dir) if snapshot else []
    runs = ((run, folder.name) for folder in folders for run in runs_in(folder))
    waiting = (
        (run.id, name)
        for run, name in runs
        if (state := run.find_state()) is not None and state.status is RunStatus.PREPARED
    )
    return _beginning(waiting, incomplete)


def complete_worktree(incomplete: str) -> list[Word]:
    """Complete the name of a worker's worktree."""
    from mosaic.workspaces.record import list_workspaces

    snapshot = find_snapshot()
    trees = list_workspaces(snapshot.layout) if snapshot else []
    return _beginning(((each.name, each.branch or "") for each in trees), incomplete)
