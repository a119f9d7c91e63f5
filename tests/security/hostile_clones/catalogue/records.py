"""Records of runs, work trees and panels that the repository brings in its `.state`."""

from __future__ import annotations

from tests.security.hostile_clones.catalogue.registry import hostile
from tests.security.hostile_clones.lab import STATE
from tests.security.hostile_clones.repository import Repository, Way

BOTH: tuple[Way, ...] = ("clone", "pull")
PULLED_FIRST: tuple[Way, ...] = ("pull", "clone")
LIVING = {"status": "running", "finished_at": None, "exit_code": None, "reason": None}
META = "runs/T-001/*/meta.json"
RUN = "runs/T-001/*/state.json"


@hostile(ways=BOTH)
def everything_that_the_author_has(repo: Repository) -> None:
    """The author's whole state, with any mark that the author's machine put there."""
    repo.bring(".")


@hostile(ways=PULLED_FIRST)
def a_work_tree_of_another_repository(repo: Repository) -> None:
    """To clean it is to delete a branch of the neighbour."""
    neighbour = str(repo.lab.neighbour)
    repo.change_state(
        "worktrees/.T-003.json", home=neighbour, project=neighbour, path=neighbour,
        branch="release", is_own_branch=True, base_commit="0" * 40,
    )  # fmt: skip


@hostile(ways=BOTH, is_variant=True)
def a_work_tree_that_is_somebodys_folder(repo: Repository) -> None:
    """The record names a folder of the person's as the work tree."""
    docs = str(repo.lab.home / "docs")
    repo.change_state("worktrees/.T-003.json", home=docs, path=docs, is_added=False)
    repo.bring("worktrees/T-003/work.txt", "work")


@hostile(ways=BOTH)
def a_work_tree_that_leads_to_another_repository(repo: Repository) -> None:
    """In its place stands a folder whose `.git` is the neighbour's."""
    repo.change_state("worktrees/.T-003.json", home=str(repo.lab.neighbour), branch="release")
    place = repo.lab.clone / STATE / "worktrees" / "T-003"

    def make() -> None:
        place.mkdir(parents=True)
        (place / ".git").write_text(f"gitdir: {repo.lab.neighbour / '.git'}\n")

    repo.afterwards.append(make)


@hostile(ways=PULLED_FIRST)
def a_run_of_another_mission(repo: Repository) -> None:
    """A run that goes on, in another folder, under another mission."""
    other = repo.lab.neighbour / "coordination" / "mission.json"
    repo.change_state(META, mission_file=str(other), cwd=str(repo.lab.home / "docs"))
    repo.change_state(RUN, **LIVING)


@hostile(ways=BOTH)
def a_run_whose_command_is_the_authors(repo: Repository) -> None:
    """A run that is prepared, that only waits to be started."""
    argv = ["/bin/sh", "-c", repo.payload]
    repo.change_state(META, argv=argv, agent={"program": "sh", "path": "/bin/sh", "version": None})
    repo.change_state(RUN, **LIVING | {"status": "prepared", "agent": None})


@hostile(ways=BOTH, is_variant=True)
def a_run_that_claims_a_living_process(repo: Repository) -> None:
    """A run whose agent and supervisor are a process of the person's."""
    known = repo.stranger()
    repo.change_state(RUN, **LIVING, agent=known, supervisor_pid=known["pid"])
    repo.bring(str(repo.find_state(META)))


@hostile(ways=BOTH)
def a_run_with_words_for_git(repo: Repository) -> None:
    """Commits, trees and branches that are options of git."""
    option = f"--output={repo.lab.home / '.bashrc'}"
    repo.change_state(META, base_commit=option, branch=f"--upload-pack={repo.payload}")
    repo.change_state(RUN, begin_tree=option)
    checkpoint = "runs/T-001/*/checkpoints/0001.json"
    repo.change_state(checkpoint, tree=option, commit=option, base_ref=option, head=option)
    repo.settings(sessions=[{**each, "runId": option} for each in repo.mission()["sessions"]])


@hostile(ways=BOTH, is_variant=True)
def a_checkpoint_whose_files_are_elsewhere(repo: Repository) -> None:
    """The patch and the log of a checkpoint are files of the person's."""
    repo.change_state(
        "runs/T-001/*/checkpoints/0001.json",
        patch=str(repo.lab.home / ".ssh/config"), log="../../../../../../../../../.ssh/config",
    )  # fmt: skip


@hostile(ways=BOTH)
def a_panel_that_goes_on_elsewhere(repo: Repository) -> None:
    """A panel of another mission, with workers in the person's folders."""
    other = str(repo.lab.neighbour / "coordination" / "mission.json")
    repo.change_state("runs/panel-001/panel.json", mission_file=other, executor="tmux")
    state = repo.state("runs/panel-001/state.json")
    for worker in state["workers"].values():
        worker |= {"status": "running", "run_id": "../../../../../../docs", "branch": "release"}
        worker["worktree"] = str(repo.lab.home / "docs")
    repo.change_state("runs/panel-001/state.json", workers=state["workers"], status="running")


@hostile(ways=BOTH)
def records_of_no_known_form(repo: Repository) -> None:
    """Deep, huge and wrongly typed values where records are read."""
    repo.bring("runs/T-001/r009-000000/meta.json", "[" * 100_000)
    repo.bring("runs/T-001/r008-000000/meta.json", {"layout_version": "x", "argv": 4})
    repo.bring("runs/T-001/r008-000000/state.json", {"status": ["running"], "attempt": {}})
    repo.bring("runs/panel-002/panel.json", {"workers": {"a": 1}})
    repo.bring("runs/panel-003/state.json", b"\xff\xfe")
    repo.bring("runs/T-001/notes/mine.txt", "not a run")
