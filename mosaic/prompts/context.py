"""Every value that a prompt template may use, free of control characters and cut to a length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from mosaic.prompts.bounded import bounded, cut_text, exact_line, one_line, plain_text
from mosaic.records import dataclass, replace

if TYPE_CHECKING:
    from mosaic.model import JsonValue, Task
    from mosaic.text.criteria import Criterion
    from mosaic.text.fields import FieldValue

TemplateValue: TypeAlias = (
    "str | int | float | bool | list[TemplateValue] | dict[str, TemplateValue] | None"
)
"""What a template may hold: no object with methods of ours."""

_LONGEST_LINE = 500
_MOST_ITEMS = 100

# How texts are kept, by field name: with their lines, or as one line of this length. What is
# cut off a task's text stands in its file.
_BLOCKS = {"body": 400_000, "notes": 4_000, "words": 20_000, "around": 8_000}
_REPORTS = frozenset({"next_handoff", "risks", "failed_gates"})
_LINES = {"text": 1_000, "description": 2_000}
# Paths, globs and commands, in which a second blank means something.
_EXACT = frozenset(
    {
        "path", "manifest", "scratchpad", "tasks", "task", "capsule", "run_dir", "patch", "file",
        "write_scope", "quality_gates", "command", "place", "quoted",
    }
)  # fmt: skip
_MOST_REPORTS = 30
_ALL_REPORTS = 24_000
_ONE_REPORT = 6_000
_LEAST_REPORT = 600


# What each of these values means stands in `PromptContext`, for those who write templates.


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectFacts:
    """`project`."""

    name: str
    description: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NameFacts:
    """`mission` and `milestone`."""

    id: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StateFacts:
    """`state`."""

    done: int
    total: int
    pct: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FileFacts:
    """`files`."""

    manifest: str
    scratchpad: str
    tasks: str
    task: str | None = None
    capsule: str | None = None
    run_dir: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionFacts:
    """`previous_session`."""

    id: str
    runtime: str
    length: str
    ended: str
    reason_words: str
    last_task: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WorktreeFacts:
    """`worktree`."""

    path: str
    branch: str | None
    base: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskFacts:
    """`task`; what is in `fields` is used by its own name, as in `task.branch`."""

    id: str
    fields: Mapping[str, FieldValue]
    extra: Mapping[str, JsonValue] = {}
    body: str = ""
    missing_sections: tuple[str, ...] = ()
    acceptance_criteria: tuple[Criterion, ...] = ()
    notes: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionFacts:
    """`decisions`."""

    number: int
    kind: str
    date: str
    by: str
    words: str
    question: str = ""
    place: str = ""
    quoted: tuple[str, ...] = ()
    now_at: str = ""
    around: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointFacts:
    """`attempt.checkpoint`."""

    seq: int
    summary: str
    patch: str | None = None
    files: tuple[str, ...] = ()
    is_set_back: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptFacts:
    """`attempt`."""

    number: int = 1
    conversation_continued: bool = False
    why_last_ended: str | None = None
    checkpoint: CheckpointFacts | None = None
    needs_human: tuple[str, ...] = ()
    followups: tuple[str, ...] = ()
    failed_gates: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class DependencyReport:
    """A task that the next one depends on, and what it hands over."""

    id: str
    title: str = ""
    status: str | None = None
    next_handoff: str = ""
    risks: str = ""
    file: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptContext:
    """Everything that `continuation.md.j2` and `resume.md.j2` may use.

    A project overrides a template by a file of the same name in its `templates/` folder. In
    it stand, as `{{ task.title }}`, `{% if branch %}` …:

        project          name, description, path
        mission          id, name
        state            tasks done, total, pct
        files            manifest, scratchpad, tasks, task (none for a task of the table alone),
                         capsule, run_dir: paths as the agent can open them
        runtime          the agent's name
        headless         true when nobody is at the keyboard
        quality_gates    list of commands
        milestone        id, name; none when there is no current one
        branch           the branch checked out now, or none
        worktree         path, branch, base (the commit that it began from); none in the
                         mission's own work tree
        previous_session id, runtime, length (`7m 11s`), ended, reason_words (how it ended),
                         last_task; length and ended are empty when unknown; or none
        task             id, every field of `mosaic.text.fields` (title, status, repo, branch,
                         priority, labels, assignee, pr, …), extra (unknown keys and columns, by
                         name), body (without the handoff), missing_sections (still empty),
                         acceptance_criteria (number, text, checked, is_dropped),

    Notes:
        dependencies     list of id, title, status (none when no task has this id),
                         next_handoff, risks, file (where the whole handoff stands)
        attempt          number, conversation_continued (the agent still knows the one before),
                         why_last_ended, checkpoint (the last snapshot of the work tree: seq,
                         summary, patch to read, files that it changes, is_set_back to it for
                         this attempt; or none), needs_human (what earlier runs wanted a person
                         to decide), followups (steps that they suggested), failed_gates
        decisions        what a person decided and no handoff has answered yet, remarks last:
                         number, kind (rejected, reopened, answered, remarked, and commented: said
                         on the pull request, which is data), date, by, words, question (that was
                         answered); of a remark: place, quoted (the lines it is on), now_at (where
                         they are now), around (the code there)
        decided, commented   of them, the person's own, and what was said on the pull request
        decided_before   earlier decisions that were answered, one line each
        session_id, run_id
        command          how `mission` is called where it is not on the PATH; or none

    A template that does not include `_decisions.md.j2` is given it in front.

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
    decisions: tuple[DecisionFacts, ...] = ()
    decided_before: tuple[str, ...] = ()
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
    fitting = replace(
        context,
        dependencies=bounded_reports(context.dependencies),
        decisions=tuple(sorted(context.decisions, key=lambda each: bool(each.place))),
    )
    values = _record(fitting, context.files.task)
    facts: list[Any] = [each for each in cast("list[Any]", values["decisions"]) if each]
    values["decided"] = [each for each in facts if each["kind"] != "commented"]
    values["commented"] = [each for each in facts if each["kind"] == "commented"]
    return values


def _record(record: Any, task_file: str | None) -> dict[str, TemplateValue]:
    held = {name: getattr(record, name) for name in record.__dataclass_fields__}
    if isinstance(record, TaskFacts):
        held = {**held.pop("fields"), **held}
    return {name: _plain(name, value, task_file) for name, value in held.items()}


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
