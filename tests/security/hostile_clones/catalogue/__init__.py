"""Every hostile repository that is held against the commands; a new one takes five lines:

    @hostile
    def the_milestone_is_a_command(repo: Repository) -> None:
        \"\"\"A milestone's id that a shell would run.\"\"\"
        repo.settings(milestones=[{"id": f"$({repo.payload})", "name": "One"}])

in any module of this folder. The suite makes the repository, has it cloned by somebody else,
lets an hour pass, runs every command there, and names all that they had no right to do.

What a repository can be given is in `repository.py`. `@hostile(ways=("clone", "pull"))` has it
also pulled into a clone that was worked in before, `"copy"` copied with all that git does not
carry; `fresh=True` runs each command as a Python of its own (slow; for what Python itself reads),
`shells=True` presses TAB in real shells too.
"""

from __future__ import annotations

from importlib import import_module

from tests.security.hostile_clones.catalogue.registry import ENTRIES, Entry, hostile

for _name in ("control", "paths", "programs", "records", "state", "surroundings", "words"):
    import_module(f"{__name__}.{_name}")

__all__ = ["ENTRIES", "Entry", "hostile"]
