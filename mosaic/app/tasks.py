"""Tasks: the list, one task as a whole, and what depends on what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mosaic.errors import UsageError
from mosaic.plan.statuses import named_status
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mosaic.app.runs import RunView
    from mosaic.model import Session, SessionLock, Status, Task
    from mosaic.plan.ready import Verdict
    from mosaic.plan.wanted import Condition
    from mosaic.store.tasks import Problem, Snapshot
    from mosaic.text.criteria import Criterion
    from mosaic.text.decisions import Decision

MOST_RUNS = 20
"""How many of a task's runs are shown: the newest."""


class TaskView(NamedTuple):
    """A task, whether it is ready and who works on it; thousands of them are made at once."""

    task: Task
    verdict: Verdict | None = None
    """None where nobody asked."""
    session: SessionLock | None = None
    """The session that works on it, or may."""

    def json_values(self) -> dict[str, Any]:
        """Return the task's own fields with the verdict beside them."""
        from mosaic.text.fields import field_values

        values = {**field_values(self.task), **self.task.json_values()}
        del values["task_id"]
        if self.verdict is not None:
            values["ready"] = self.verdict.is_ready
            values["reason"] = self.verdict.reason
            values["reason_detail"] = self.verdict.detail
            values["waits_on"] = self.verdict.on
            values["session"] = self.session.session_id if self.session else None
        return values


class ToMerge(NamedTuple):
    """A done task whose work waits in a branch."""

    id: str
    title: str
    branch: str


class TaskList(NamedTuple):
    """Tasks in the order that was asked for."""

    tasks: tuple[TaskView, ...]
    hidden: int
    """How many others there are."""
    is_any_ready: bool
    problems: tuple[Problem, ...]
    left_out: str | None
    """What looks like a task in the table and is none, in a line."""
    to_merge: tuple[ToMerge, ...]
    """All whose work waits, also where they do not match."""


class Dependency(NamedTuple):
    """A task that another one depends on; without title and status it does not exist."""

    id: str
    title: str | None = None
    status: Status | None = None
    to_merge: str | None = None
    """The branch in which its work waits."""


class TaskPage(NamedTuple):
    """Everything about one task."""

    task: TaskView
    body: str
    decisions: tuple[Decision, ...]
    """What people decided on it, the oldest first."""
    handoff_sections_missing: tuple[str, ...]
    acceptance_criteria: tuple[Criterion, ...]
    dependencies: tuple[Dependency, ...]
    sessions: tuple[Session, ...]
    runs: tuple[RunView, ...]
    """The newest, at most `MOST_RUNS`."""
    runs_total: int
    places: tuple[str, ...]
    """Where it stands: `file:line`."""
    next_command: str
    """What a person does next about it."""
    session_hosts: Mapping[str, str]
    """The other machines that sessions were handed to, by session."""


class Handoff(NamedTuple):
    """The six sections of a task's handoff."""

    task_id: str
    sections: Mapping[str, str]
    missing: tuple[str, ...]
    file: str | None
    """The task's file; None: it is in the table only and has no handoff."""
    acceptance_criteria: tuple[Criterion, ...] = ()


class TaskGraph(NamedTuple):
    """What depends on what."""

    nodes: tuple[Mapping[str, str | None], ...]
    edges: tuple[Mapping[str, str], ...]
    cycles: tuple[tuple[str, ...], ...]
    unknown: tuple[Mapping[str, str], ...]
    """Dependencies on tasks that do not exist."""
    drawing: str
    problems: tuple[Problem, ...]


def list_tasks(
    snapshot: Snapshot,
    *,
    statuses: Sequence[str] = (),
    milestone: str | None = None,
    ready: bool = False,
    blocked: bool = False,
    where: Sequence[str] = (),
    search: str = "",
    sort: str = "plan",
    every: bool = False,
) -> TaskList:
    """Return the tasks that match, in plan order unless `sort` names another.

    Args:
        snapshot: the mission.
        statuses: status words; none: all that are open.
        milestone: only of this one.
        ready: only what may be handed off now.
        blocked: only what is blocked, or todo and not ready.
        where: conditions: see `parse_condition`.
        search: words that all stand in a task's fields or in its file.
        sort: `plan`, `id`, `status`, `priority`, `milestone` or `updated`.
        every: done and cancelled ones too; so does a condition on the status.
    """
    from mosaic.sessions.at_work import sessions_at_work
    from mosaic.sessions.choice import select_from  # start-up: a change needs none

    own_words = snapshot.document.mission.statuses
    wanted = {named_status(word, own_words) for word in statuses}
    conditions: Sequence[Condition] = ()
    if where:
        from mosaic.plan.wanted import parse_condition  # start-up: few lists are filtered

        conditions = [parse_condition(text, snapshot.tasks, own_words) for text in where]
        every = every or any(each.field == "status" for each in conditions)
    live = sessions_at_work(snapshot)
    working = {found.lock.task_id: found.lock for found in live}
    selection = select_from(snapshot, live=live)
    tasks = [verdict.task for verdict in selection.ready] if ready else list(snapshot.tasks)
    if wanted:
        tasks = [task for task in tasks if task.status in wanted]
    elif not every and not ready:
        tasks = [task for task in tasks if not task.status.is_closed]
    if milestone is not None:
        from mosaic.plan.names import named_milestone  # start-up: few lists are of one

        declared = snapshot.document.mission.milestones
        milestone = named_milestone(milestone, declared, snapshot.tasks)
        tasks = [task for task in tasks if task.milestone == milestone]
    if blocked:
        tasks = [task for task in tasks if _is_held_up(selection.of(task.id))]
    tasks = [task for task in tasks if all(each.is_met_by(task) for each in conditions)]
    if words := search.casefold().split():
        tasks = [task for task in tasks if _holds(snapshot, task, words)]
    tasks = _sorted(tasks, sort)
    views = tuple(TaskView(task, selection.of(task.id), working.get(task.id)) for task in tasks)
    is_any_ready = any(view.verdict and view.verdict.is_ready for view in views)
    return TaskList(
        tasks=views,
        hidden=len(snapshot.tasks) - len(tasks),
        is_any_ready=is_any_ready or selection.chosen is not None,
        problems=snapshot.problems,
        left_out=snapshot.left_out_words,
        to_merge=list_to_merge(snapshot, selection.unlanded),
    )


def list_to_merge(snapshot: Snapshot, unlanded: Mapping[str, str]) -> tuple[ToMerge, ...]:
    """Return the done tasks whose work waits in branches, in plan order."""
    by_id = snapshot.by_id
    return tuple(ToMerge(name, by_id[name].title, branch) for name, branch in unlanded.items())


def _is_held_up(verdict: Verdict | None) -> bool:
    from mosaic.model import Status

    waiting = (Status.TODO, Status.BLOCKED, Status.UNKNOWN)
    return verdict is not None and not verdict.is_ready and verdict.task.status in waiting


def _holds(snapshot: Snapshot, task: Task, words: Sequence[str]) -> bool:
    from mosaic.plan.wanted import holds_words

    if holds_words(task, words):
        return True
    text = snapshot.task_text(task).casefold()
    return all(word in text for word in words)


def _sorted(tasks: list[Task], by: str) -> list[Task]:
    from mosaic.model import Status
    from mosaic.plan.ready import priority_rank
    from mosaic.store.tasks import natural_key

    keys = {
        "plan": None,
        "id": lambda task: natural_key(task.id),
        "status": lambda task: list(Status).index(task.status),
        "priority": lambda task: priority_rank(task.priority),
        "milestone": lambda task: task.milestone or "\uffff",
        "updated": lambda task: task.updated_at or "",
    }
    if by not in keys:
        raise UsageError(f"tasks cannot be sorted by `{by}`", hint=f"use one of {', '.join(keys)}")
    key = keys[by]
    return sorted(tasks, key=key, reverse=by == "updated") if key else tasks


def show_task(snapshot: Snapshot, task_id: str) -> TaskPage:
    """Return everything about one task, also one that git left in conflict, as ours has it."""
    from mosaic.plan.next_command import next_command
    from mosaic.runs.folders import runs_of_task
    from mosaic.sessions.at_work import hosts_of, sessions_at_work
    from mosaic.sessions.choice import select_from  # start-up: a change needs none
    from mosaic.text.criteria import acceptance_criteria
    from mosaic.text.frontmatter import find_block
    from mosaic.text.sections import missing_sections

    merging = {each.task_id for each in snapshot.problems if each.error.code == "MERGE_CONFLICT"}
    found = snapshot.find_task(snapshot.meant(task_id))
    task = found if found and found.id in merging else snapshot.get_task(task_id)
    live = sessions_at_work(snapshot)
    selection = select_from(snapshot, live=live)
    verdict = selection.of(task.id)
    assert verdict is not None  # it judges every task
    sessions = snapshot.document.mission.sessions
    worked = tuple(sessions.of_task(task.id))
    text = snapshot.task_text(task)
    block = find_block(text)
    body = text[block.body_start :] if block else text
    runs = runs_of_task(snapshot.layout.runs_dir, task.id)
    shown: tuple[RunView, ...] = ()
    if runs:
        from mosaic.app.runs import view_run  # start-up: most tasks have none

        shown = tuple(map(view_run, runs[-MOST_RUNS:]))
    table = snapshot.layout.shown(snapshot.layout.tasks_file)
    places = ((task.file, task.file_line), (table, task.table_line))
    return TaskPage(
        task=TaskView(
            task,
            verdict,
            next((found.lock for found in live if found.lock.task_id == task.id), None),
        ),
        body=body,
        decisions=_decisions(text, task.status),
        handoff_sections_missing=tuple(missing_sections(body)) if task.file else (),
        acceptance_criteria=acceptance_criteria(text),
        dependencies=tuple(
            Dependency(name, other.title, other.status, selection.unlanded.get(other.id))
            if other
            else Dependency(name)
            for name, other in zip(
                task.depends_on, map(snapshot.find_task, task.depends_on), strict=True
            )
        ),
        sessions=worked,
        session_hosts=hosts_of(snapshot, worked),
        runs=shown,
        runs_total=len(runs),
        places=tuple(f"{place}:{line}" for place, line in places if place and line),
        next_command=(
            "mission resolve"
            if task.id in merging
            else next_command(
                verdict,
                selection,
                sessions.of_task,
                is_paused=snapshot.document.mission.status == "paused",
            )
        ),
    )


def _decisions(text: str, status: Status) -> tuple[Decision, ...]:
    if "decisions" not in text.casefold():
        return ()
    from mosaic.text.decisions import read_decisions  # start-up: few tasks have any

    return read_decisions(text, status)


def show_section(snapshot: Snapshot, task_id: str, section: str) -> tuple[Task, str]:
    """Return a task, and one section of its file."""
    from mosaic.text.sections import find_sections, section_text

    task = snapshot.get_task(task_id)
    text = snapshot.task_text(task)
    content = section_text(text, section)
    if content is None:
        names = ", ".join(f"`{found.name}`" for found in find_sections(text)) or "none"
        raise UsageError(f"`{task.id}` has no section `{section}`", detail=f"it has {names}")
    return task, content


def read_handoff(snapshot: Snapshot, task_id: str) -> Handoff:
    """Return a task's handoff as its file has it."""
    from mosaic.text.criteria import acceptance_criteria
    from mosaic.text.sections import handoff_texts, missing_sections

    task = snapshot.get_task(task_id)
    text = snapshot.task_text(task)
    missing = tuple(missing_sections(text)) if text else ()
    sections = dict(handoff_texts(text))
    return Handoff(task.id, sections, missing, task.file, acceptance_criteria(text))


def graph_tasks(snapshot: Snapshot, *, form: str = "text", every: bool = True) -> TaskGraph:
    """Return what depends on what, drawn as `text`, `mermaid` or `dot`.

    With `every`, done and cancelled ones too.
    """
    from mosaic.plan import graph
    from mosaic.workspaces.landed import find_unlanded

    draw = getattr(graph, f"render_{form}")
    unlanded = find_unlanded(snapshot.layout, snapshot.tasks)
    tasks = [t for t in snapshot.tasks if every or t.id in unlanded or not t.status.is_closed]
    dangling = graph.dangling_dependencies(snapshot.tasks)
    return TaskGraph(
        nodes=tuple(
            {
                "id": task.id,
                "title": task.title,
                "status": task.status.value,
                "to_merge": unlanded.get(task.id),
            }
            for task in tasks
        ),
        edges=tuple({"from": name, "to": t.id} for t in tasks for name in t.depends_on),
        cycles=tuple(map(tuple, graph.find_cycles(tasks))),
        unknown=tuple({"task": task.id, "depends_on": name} for task, name in dangling),
        drawing=draw(tasks, unlanded),
        problems=snapshot.problems,
    )
