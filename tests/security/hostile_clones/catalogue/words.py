"""Ids, names and titles that a shell, a terminal or git would obey."""

from __future__ import annotations

from tests.security.hostile_clones.catalogue.registry import hostile
from tests.security.hostile_clones.repository import Repository

FORMS = (
    r"\$({})", "$({})", r"\`{}\`", "`{}`", r"\"; {} #", "'; {} #", "); {} #", "[$({})]",
    "$(({}))", "\"; {} #", ")); {} #", ":$({})", "\n{}\n", "\t$({})", "\\\n$({})", "$({})]",
    " --output={}", "'$({})'", "\\\\$({})", "\u2028$({})", "${{a[$({})]}}", "=({})x", "<({})",
    "*(e:'{}':)", "|{}", "&{}", "\x1b]0;{}\x07",
)  # fmt: skip
"""Ways to have a command run by what evaluates a word, once or twice; the first are the best."""


def words(repo: Repository) -> list[str]:
    """Return all forms around the command that leaves a trace, each begun by its number.

    One that is not well formed may keep a shell from all others, so that each is to be asked for.
    """
    return [f"q{number:02}{form.format(repo.payload)}" for number, form in enumerate(FORMS)]


@hostile(shells=True)
def milestones_that_are_commands(repo: Repository) -> None:
    """The ids and the names of milestones."""
    found = [{"id": word, "name": word} for word in words(repo)]
    repo.settings(milestones=[{"id": "M1", "name": "One"}, *found])


@hostile(shells=True)
def runtimes_that_are_commands(repo: Repository) -> None:
    """The names of runtimes."""
    repo.settings(runtimes={word: {"command": ["true"]} for word in words(repo)})


@hostile(shells=True)
def sessions_that_are_commands(repo: Repository) -> None:
    """The ids of sessions, what they worked on, where, and with what."""
    repo.settings(
        sessions=[
            {"sessionId": word, "runtime": word, "pid": 1, "host": word,
             "startedAt": "2026-01-01T00:00:00Z", "endedAt": "2026-01-01T00:00:00Z",
             "endedReason": "completed", "lastTaskId": word, "milestoneId": word, "runId": word,
             "runtimeSessionId": word}
            for word in words(repo)
        ]
    )  # fmt: skip


@hostile(shells=True)
def tasks_that_are_commands(repo: Repository) -> None:
    """Ids, titles and fields of tasks, in files and in the table."""
    rows = []
    for number, word in enumerate(words(repo), 50):
        plain = word.replace("\n", " ").replace("|", "/")
        quoted = "'" + word.replace("'", "''").replace("\n", "\n\n") + "'"
        repo.write(
            f"coordination/tasks/T-0{number}-x.md",
            f"---\ntask_id: T-0{number}\ntitle: {quoted}\nstatus: todo\nbranch: {quoted}\n"
            f"base_ref: {quoted}\nruntime: {quoted}\nlabels: [{quoted}]\npr: {quoted}\n"
            f"write_scope: [{quoted}]\ndepends_on: [{quoted}]\n---\n",
        )
        rows.append(f"| T-{plain} | todo | M1 | {plain} | | | |\n")
    with (repo.path / "coordination" / "TASKS.md").open("a") as file:
        file.writelines(rows)


def names() -> list[str]:
    """Return all forms as names of files, around a command without a slash."""
    return [f"q{number:02}{form.format('touch pwned')}" for number, form in enumerate(FORMS)]


@hostile(shells=True)
def files_whose_names_are_commands(repo: Repository) -> None:
    """Names of task files, of roles, and of everything that is listed from a folder."""
    for name in names():
        repo.write(f"templates/roles/{name}.md", "Look.\n")
        repo.write(f"coordination/tasks/T-{name}.md", "---\nstatus: todo\n---\n")


@hostile(shells=True, ways=("clone", "pull"))
def records_whose_names_are_commands(repo: Repository) -> None:
    """Runs, panels, locks and work trees of `.state`: what completion lists by name."""
    run, panel = repo.state("runs/T-001/*/meta.json"), repo.state("runs/panel-001/panel.json")
    tree = repo.state("worktrees/.T-003.json")
    for name in names():
        repo.bring(f"runs/T-001/r001{name}/meta.json", run)
        repo.bring(f"runs/panel-001{name}/panel.json", panel)
        repo.bring(f"worktrees/.{name}.json", tree)


@hostile
def the_mission_s_own_words_are_commands(repo: Repository) -> None:
    """Name, id, prefix, status words and everything else that is text in mission.json."""
    word = words(repo)[1]
    repo.settings(
        id=word, name=word, description=word, taskPrefix=word, runtime=word,
        statuses={word: "todo"}, runs={"checkpointBase": f"--output={repo.lab.home}/.bashrc"},
    )  # fmt: skip


@hostile
def branches_that_are_options_of_git(repo: Repository) -> None:
    """What a task names as its branch and its base is given to git."""
    option = f"--output={repo.lab.home / '.bashrc'}"
    for task_id in ("T-001", "T-003", "T-004"):
        repo.task(task_id, branch=f'"{option}"', base_ref=f'"{option}"')
    repo.settings(baseRef=option, runs={"checkpointBase": option})
