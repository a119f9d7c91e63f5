"""`mission init`."""

from pathlib import Path

from typer import Argument, Option

from mosaic.app.merge_driver import set_up_git
from mosaic.app.mission import NewlyCreated, init_mission
from mosaic.cli.consent import is_somebody_there
from mosaic.cli.options import Json
from mosaic.cli.output import answer, clean, paint
from mosaic.cli.setup import ask_to_set_up
from mosaic.cli.tasks_view import report_problems
from mosaic.store.create import NewMission, parse_milestone
from mosaic.store.mission_file import look_at_mission
from mosaic.text.lines import counted

EXAMPLES = (
    (
        'mission init --name "Worker runner" --gates "pytest -q"',
        "a mission here, with a command that must pass",
    ),
    (
        'mission init --milestone "M1: Runs locally" --milestone "M2: Runs anywhere"',
        "the same with two milestones, in order",
    ),
    ("mission init --adopt", "take in the TASKS.md or the task files that are there"),
)


def init_command(
    directory: Path = Argument(Path(), metavar="[DIR]", help="The project."),
    name: str | None = Option(None, "--name", "-n", metavar="NAME", help="What the mission is."),
    description: str = Option("", metavar="TEXT", help="The same in a sentence."),
    prefix: str = Option("T", metavar="WORD", help="What task ids begin with."),
    gates: str | None = Option(None, metavar="COMMAND", help="A command that must pass."),
    milestone: list[str] | None = Option(
        None, metavar='"M1: NAME"', help="Repeat for more, in order."
    ),
    adopt: bool | None = Option(
        None, "--adopt/--no-adopt", help="Use a TASKS.md and task files that are there, or not."
    ),
    files: bool = Option(False, "--files", help="With --adopt: a file for each row without one."),
    agents: bool = Option(False, "--agents", help="Tell agents how to work here, in AGENTS.md."),
    as_json: Json = False,
) -> int:
    """Create a mission in a project: mission.json, TASKS.md, MISSION.md, tasks/."""
    folder = directory.absolute()
    new = NewMission(
        name=name or folder.name,
        description=description,
        prefix=prefix,
        gates=gates,
        milestones=tuple(map(parse_milestone, milestone or ())),
    )
    created = init_mission(folder, new, adopt=adopt, agents=agents, files=files)
    lines = [f"created mission {paint(clean(new.name), 'bold')} in {created.mission_file.parent}"]
    if adopt:
        lines.append(f"adopted {counted(created.tasks_adopted, 'task')}{_made(created)}")
    lines += [f"not read: {clean(line)}" for line in created.left_out]
    if created.agents_files:
        lines.append(f"wrote instructions for agents to {', '.join(created.agents_files)}")
    for source, place in created.sources:
        command = f"mission import {source}"
        lines.append(f"found {clean(place)}: `{command}` shows what it would bring")
    then = [f"mission import {source}" for source, _ in created.sources[:1]]
    then += ['mission add "The first task"', "mission list"]
    then += [f"mission setup {agent}" for agent in ("claude", "codex") if agents]
    if created.setup_command is not None:
        if is_somebody_there() and not as_json and ask_to_set_up(created.mission_file):
            layout = look_at_mission(created.mission_file).layout
            lines += [f"did: {clean(line)}" for line in set_up_git(layout, write=True).done]
        else:
            then.append(created.setup_command)
    return answer(
        "mission.init",
        created,
        lines,
        exit_code=report_problems(created.problems, as_json=as_json),
        then=then,
        show_next=True,
        as_json=as_json,
    )


def _made(created: NewlyCreated) -> str:
    parts = [(created.rows_made, "row"), (created.files_made, "file")]
    words = [counted(count, name) for count, name in parts if count]
    return f"; made {' and '.join(words)} for them" if words else ""
