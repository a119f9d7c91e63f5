"""The environment that every program we start gets: ours, without what git handed down to us.

A git hook, an alias or `git rebase --exec` runs with variables that say where *that* command
finds its repository, its index and its dates. A child that inherits them works on that
repository, wherever it is started.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# What `git rev-parse --local-env-vars` lists, and what git sets beside it for hooks and
# commands of its own. GIT_CEILING_DIRECTORIES and GIT_DISCOVERY_ACROSS_FILESYSTEM stay: a
# person sets them for all repositories. So do GIT_AUTHOR_NAME and the like: CI often knows no
# other identity.
_OF_ONE_COMMAND = frozenset((
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_AUTHOR_DATE", "GIT_CHERRY_PICK_HELP",
    "GIT_COMMITTER_DATE", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_DIR",
    "GIT_GLOB_PATHSPECS", "GIT_GRAFT_FILE", "GIT_ICASE_PATHSPECS", "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE", "GIT_LITERAL_PATHSPECS", "GIT_NAMESPACE", "GIT_NOGLOB_PATHSPECS",
    "GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_QUARANTINE_PATH",
    "GIT_REFLOG_ACTION", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE", "GIT_WORK_TREE",
))  # fmt: skip
_FAMILIES_OF_ONE_COMMAND = ("GIT_INTERNAL_", "GIT_PUSH_OPTION_")
# A person may well export these for all commands (settings of a container, a git that was moved
# from where it was built). Beside the others they are the other command's.
_OF_ITS_SURROUNDINGS = ("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_", "GIT_EXEC_PATH")
_NO_EDITOR = ":"
"""What git sets GIT_EDITOR to for hooks; a person's own editor stays."""


def child_environment(inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a program that we start, made from ours or a given one."""
    environ = os.environ if inherited is None else inherited
    names = [
        name
        for name in environ
        if name not in _OF_ONE_COMMAND and not name.startswith(_FAMILIES_OF_ONE_COMMAND)
    ]
    if len(names) < len(environ):
        names = [name for name in names if not name.startswith(_OF_ITS_SURROUNDINGS)]
    kept = {name: environ[name] for name in names}
    if kept.get("GIT_EDITOR") == _NO_EDITOR:
        del kept["GIT_EDITOR"]
    return kept


def outer_environment() -> dict[str, str]:
    """Return the environment for a program outside of the run that we may be working in."""
    return {k: v for k, v in child_environment().items() if not k.startswith("MISSION_")}
