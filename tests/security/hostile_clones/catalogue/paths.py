"""Path settings and links that lead the mission's files elsewhere."""

from __future__ import annotations

import json
import shutil

from tests.security.hostile_clones.catalogue.registry import hostile
from tests.security.hostile_clones.repository import Repository

ELSEWHERE = {
    "orchestratorDir": (
        ".git", "src", "door", "../neighbour/.git", ".git/hooks", ".git/objects", ".GIT",
        "src/../.git", ".", "coordination", "coordination/tasks", "../neighbour", "/HOME",
        "/HOME/docs",
    ),
    "projectPath": ("../neighbour", "..", "../..", "/HOME/src/neighbour", "/", ".git", "door"),
    "tasksDir": (".git", "../../docs", "/HOME/docs", "door"),
    "tasksFile": (".git/config", "/HOME/.bashrc"),
    "scratchpadFile": (".git/hooks/post-commit", "/HOME/.bashrc"),
    "manifestFile": (".git/config", "/HOME/.bashrc"),
}  # fmt: skip
"""Values of the path keys; `door` is a link of the repository that leads to `.git`."""


def add_setting(key: str, value: str, *, is_variant: bool) -> None:
    """Add a clone whose mission.json sets a path key."""

    def set_path(repo: Repository) -> None:
        repo.link("door", ".git")
        repo.settings(**{key: value.replace("/HOME", str(repo.lab.home))})

    hostile(name=f"{key} is {value}", is_variant=is_variant)(set_path)


for setting, values in ELSEWHERE.items():
    for number, each in enumerate(values):
        add_setting(setting, each, is_variant=number > (2 if setting == "orchestratorDir" else 0))


@hostile
def every_path_leads_to_a_mission_of_the_neighbour(repo: Repository) -> None:
    """All keys together name the files of another repository's mission."""

    def make() -> None:
        shutil.copytree(repo.lab.clone / "coordination", repo.lab.neighbour / "coordination")

    place = "../neighbour/coordination"
    repo.settings(
        tasksFile=f"{place}/TASKS.md", tasksDir=f"{place}/tasks",
        orchestratorDir=f"{place}/.state", scratchpadFile=f"{place}/SCRATCHPAD.md",
    )  # fmt: skip
    repo.afterwards.append(make)


@hostile
def the_tasks_folder_is_a_link(repo: Repository) -> None:
    """Task files would be written among the person's documents."""
    repo.link("coordination/tasks", "../../../docs")


@hostile
def the_mission_s_files_are_links(repo: Repository) -> None:
    """Each leads to a file of the person's that is obeyed by something."""
    repo.link("coordination/TASKS.md", "../../../.bashrc")
    repo.link("coordination/SCRATCHPAD.md", "../../../.profile")
    repo.link("coordination/MISSION.md", "../.git/config")
    repo.link("coordination/tasks/T-004-fourth.md", "../../../../.ssh/config")


@hostile(is_variant=True)
def the_mission_file_is_a_link(repo: Repository) -> None:
    """mission.json itself lies among the person's documents."""
    place = repo.lab.home / "docs" / "mission.json"
    place.write_text(json.dumps(repo.mission()))
    repo.link("coordination/mission.json", str(place))


@hostile(is_variant=True)
def the_whole_mission_is_a_link(repo: Repository) -> None:
    """`coordination` leads to a folder of the repository that is obeyed by git."""
    shutil.copytree(repo.path / "coordination", repo.path / "real")
    shutil.rmtree(repo.path / "real" / ".state")
    repo.link("coordination", "real")


@hostile
def links_that_lead_to_themselves(repo: Repository) -> None:
    """Where tasks, the manifest, templates and roles are read."""
    repo.link("coordination/tasks/T-950-self.md", "T-950-self.md")
    repo.link("coordination/MISSION.md", "MISSION.md")
    repo.link("templates/continuation.md.j2", "continuation.md.j2")
    repo.link("templates/roles", "roles")
    repo.link(".claude", ".claude")


@hostile
def links_to_devices(repo: Repository) -> None:
    """What never ends, and what waits for a person."""
    repo.link("coordination/tasks/T-951-zero.md", "/dev/zero")
    repo.link("coordination/tasks/T-952-stdin.md", "/dev/stdin")
    repo.link("coordination/MISSION.md", "/dev/zero")
    repo.link("templates/continuation.md.j2", "/dev/zero")
    repo.link("templates/roles/critic.md.j2", "/dev/tty")
    repo.link("CLAUDE.md", "/dev/zero")
