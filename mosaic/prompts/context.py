"""Every value that a prompt template may use, free of control characters and cut to a length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, cast

from mosaic.prompts.bounded import bounded, cut_text, exact_line, one_line, plain_text
from mosaic.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosaic.model import JsonValue, Task
    from mosaic.text.fields import FieldValue
    from mosaic.text.sections import Criterion

TemplateValue: TypeAlias = (
    "str | int | float | bool | list[TemplateValue] | dict[str, TemplateValue] | None"
)
"""What a template may hold: no object with methods of ours."""

LONGEST_BODY = 400_000
"""Characters of a task's text in a prompt; the rest stands in its file."""
_LONGEST_NOTES = 4_000
_LONGEST_CRITERION = 1_000
_LONGEST_DESCRIPTION = 2_000
_LONGEST_LINE = 500
_MOST_ITEMS = 100

# How texts are kept, by field name: with their lines, or as one line of this length.
_BLOCKS = {"body": LONGEST_BODY, "notes": _LONGEST_NOTES}
_REPORTS = frozenset({"next_handoff", "risks", "failed_gates"})
_LINES = {"text": _LONGEST_CRITERION, "description": _LONGEST_DESCRIPTION}
# Paths, globs and commands, in which a second blank means something.
_EXACT = frozenset(
    {
        "path", "manifest", "scratchpad", "tasks", "task", "capsule", "run_dir", "patch", "file",
        "write_scope", "quality_gates", "command",
    }
)  # fmt: skip
_MOST_REPORTS = 30
_ALL_REPORTS = 24_000
_ONE_REPORT = 6_000
_LEAST_REPORT = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectFacts:
    """`project`: what is worked on."""

    name: str
    description: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NameFacts:
    """`mission` and `milestone`: the mission, and the milestone that counts."""

    id: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StateFacts:
    """`state`: tasks done, tasks in all, percent."""

    done: int
    total: int
    pct: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FileFacts:
    """`files`: paths as the agent can open them; `task` is None for a task of the table alone."""

    manifest: str
    scratchpad: str
    tasks: str
    task: str | None = None
    capsule: str | None = None
    run_dir: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionFacts:
    """`previous_session`: the one before this."""

    id: str
    runtime: str
    length: str
    """`7m 11s`; empty when unknown."""
    ended: str
    """When it ended; empty when unknown."""
    reason_words: str
    """How it ended, in words."""
    last_task: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WorktreeFacts:
    """`worktree`: the git worktree of its own that the agent works in."""

    path: str
    branch: str | None
    base: str
    """The commit that it began from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskFacts:
    """`task`: the task that is handed off."""

    id: str
    fields: Mapping[str, FieldValue]
    """The fields of its front matter, which a template uses by their names: `task.branch`."""
    extra: Mapping[str, JsonValue] = {}
    """Unknown front matter keys and table columns."""
    body: str = ""
    """Its text without the handoff sections."""
    missing_sections: tuple[str, ...] = ()
    """Handoff sections that are still empty."""
    acceptance_criteria: tuple[Criterion, ...] = ()
    notes: str = ""
    """What people and earlier attempts noted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointFacts:
    """`attempt.checkpoint`: the last snapshot of the work tree."""

    seq: int
    summary: str
    patch: str | None = None
    """Path of the patch, to read."""
    files: tuple[str, ...] = ()
    """The files that it changes, with how."""
    is_set_back: bool = False
    """The work tree was set back to it for this attempt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptFacts:
    """`attempt`: which try this is."""

    number: int = 1
    conversation_continued: bool = False
    """The agent still knows the conversation before."""
    why_last_ended: str | None = None
    checkpoint: CheckpointFacts | None = None
    needs_human: tuple[str, ...] = ()
    """What earlier runs wanted a person to decide."""
    followups: tuple[str, ...] = ()
    """Steps that earlier runs suggested."""
    failed_gates: tuple[str, ...] = ()
    """Quality gates that failed, each with the end of what it wrote."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DependencyReport:
    """A task that the next one depends on, and what it hands over."""

    id: str
    title: str = ""
    status: str | None = None
    """None when no task has this id."""
    next_handoff: str = ""
    risks: str = ""
    file: str | None = None
    """Where the whole handoff stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptContext:
    """Everything that `continuation.md.j2` and `resume.md.j2` may use.

    A project overrides a template by a file of the same name in its `templates/` folder. In
    it stand, as `{{ task.title }}`, `{% if branch %}` …:

        project          name, description, path
        mission          id, name
        state            done, total, pct
        files            manifest, scratchpad, tasks, task, capsule, run_dir
        runtime          the agent's name
        headless         true when nobody is at the keyboard
        quality_gates    list of commands
        milestone        id, name; none when there is no current one
        branch           the branch checked out now, or none
        worktree         path, branch, base; none in the mission's own work tree
        previous_session id, runtime, length, ended, reason_words, last_task; or none
        task             id, every field of `mosaic.text.fields` (title, status, repo, branch,
                         priority, labels, assignee, pr, …), extra (unknown keys, by name), body,
                         missing_sections, acceptance_criteria (text, checked), notes
        dependencies     list of id, title, status, next_handoff, risks, file
        attempt          number, conversation_continued, why_last_ended,
                         checkpoint (seq, summary, patch, files, is_set_back; or none),
                         needs_human, followups, failed_gates
        session_id, run_id
        command          how `mission` is called where it is not on the PATH; or none

    Text that others wrote goes through `| quote_data("what it is")`; `| fence` keeps any text
    from running into what stands around it.
    """

    project: ProjectFacts
    mission: NameFacts
    state: StateFacts
    files: FileFacts
    task: TaskFacts
    runtime: str
    headless: bool
    quality_gates: tuple[str, ...] = ()
    milestone: NameFacts | None = None
    branch: str | None = None
    worktree: WorktreeFacts | None = None
    previous_session: SessionFacts | None = None
    dependencies: tuple[DependencyReport, ...] = ()
    attempt: AttemptFacts = AttemptFacts()
    session_id: str | None = None
    run_id: str | None = None
    command: str | None = None


def dependency_report(task: Task, sections: Mapping[str, str]) -> DependencyReport:
    """Return what a task hands over."""
    return DependencyReport(
        id=task.id,
        title=task.title,
        status=task.status.value,
        next_handoff=plain_text(sections.get("next_handoff", "")).strip(),
        risks=plain_text(sections.get("risks", "")).strip(),
        file=task.file,
    )


def bounded_reports(reports: Sequence[DependencyReport]) -> tuple[DependencyReport, ...]:
    """Return reports that fit into a prompt together, each text cut to its fair share.

    At most thirty are kept; what is cut says in which file the whole stands.
    """
    kept = reports[:_MOST_REPORTS]
    share = min(_ONE_REPORT, max(_LEAST_REPORT, _ALL_REPORTS // max(1, len(kept))))
    return tuple(
        replace(
            report,
            next_handoff=cut_text(report.next_handoff, share * 2 // 3, report.file),
            risks=cut_text(report.risks, share // 3, report.file),
        )
        for report in kept
    )


def prompt_values(context: PromptContext) -> dict[str, TemplateValue]:
    """Return the context as plain, bounded values for a template."""
    fitting = replace(context, dependencies=bounded_reports(context.dependencies))
    return _record(fitting, context.files.task)


def _record(record: object, task_file: str | None) -> dict[str, TemplateValue]:
    names = getattr(record, "__dataclass_fields__", None)
    if names is None:
        raise TypeError(type(record).__name__)
    values = {name: _plain(name, getattr(record, name), task_file) for name in names}
    if isinstance(record, TaskFacts):
        del values["fields"]
        fields = {name: _plain(name, it, task_file) for name, it in record.fields.items()}
        values = {**fields, **values}
    return values


def _plain(name: str, value: object, task_file: str | None) -> TemplateValue:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _text(name, value, task_file)
    if isinstance(value, tuple):
        items = [_plain(name, item, task_file) for item in value[:_MOST_ITEMS]]
        more = len(value) - _MOST_ITEMS
        return [*items, f"… and {more} more"] if more > 0 and isinstance(value[0], str) else items
    if isinstance(value, Mapping):
        return cast("TemplateValue", bounded(value))
    return _record(value, task_file)


def _text(name: str, value: str, task_file: str | None) -> str:
    if name in _BLOCKS:
        return cut_text(plain_text(value), _BLOCKS[name], task_file)
    if name in _REPORTS:
        return plain_text(value)
    if name in _EXACT:
        return exact_line(value)
    return one_line(value, _LINES.get(name, _LONGEST_LINE))
