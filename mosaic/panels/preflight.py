"""What must be so before a panel is started; everything that is not is named at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.executors import find_problem
from mosaic.git.git import find_repository
from mosaic.git.worktrees import branch_or_commit, commit_of, has_branch
from mosaic.machine.process import find_tool
from mosaic.panels.roles import role_template
from mosaic.runtimes import get_runtime
from mosaic.workspaces.provision import default_branch

if TYPE_CHECKING:
    from collections.abc import Collection

    from mosaic.model import Mission
    from mosaic.panels.words import PanelPlan
    from mosaic.store.layout import Layout


def find_obstacles(
    layout: Layout, mission: Mission, plan: PanelPlan, *, again: Collection[str] = ()
) -> list[str]:
    """Return everything that keeps a panel from being started, in words.

    Args:
        layout: where the mission is.
        mission: the mission.
        plan: the panel.
        again: workers that are started again: their branches are there already.

    Raises:
        GitRefusedError: git refuses the repository.
    """
    found = []
    home = find_repository(layout.project)
    if home is None:
        found.append(f"`{layout.project}` is in no git work tree: `git init` and commit first")
    elif find_tool("git", home) is None:
        found.append("`git` cannot be started: it is not on the PATH; install git")
    else:
        base = plan.base_ref or "HEAD"
        if commit_of(home, branch_or_commit(home, base)) is None:
            found.append(f"`{base}` is no commit of this repository")
        if plan.is_writable:
            branches = {
                worker.name: default_branch(home, plan.id, worker.name) for worker in plan.workers
            }
            found += [
                f"branch `{branch}` is there already"
                for name, branch in branches.items()
                if name not in again and has_branch(home, branch)
            ]
    if problem := find_problem(plan.executor):
        found.append(f"{problem}: install it, or use `--executor process`")
    found += _of_runtimes(mission, plan)
    found += _of_roles(layout, plan)
    return found


def _of_runtimes(mission: Mission, plan: PanelPlan) -> list[str]:
    found = []
    for name in dict.fromkeys(worker.runtime for worker in plan.workers):
        try:
            probe = get_runtime(name, mission.runtimes).probe()
        except MissionError as error:
            found.append(error.message)
            continue
        if probe.problem:
            hint = f": {probe.hint}" if probe.hint else ""
            found.append(f"`{probe.program}`: {probe.problem}{hint}")
    return found


def _of_roles(layout: Layout, plan: PanelPlan) -> list[str]:
    found = []
    for role in dict.fromkeys(worker.role for worker in plan.workers):
        try:
            role_template(role, layout)
        except MissionError as error:
            found.append("; ".join(filter(None, (error.message, error.detail, error.hint))))
    return found
