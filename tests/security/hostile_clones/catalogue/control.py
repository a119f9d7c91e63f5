"""Repositories that are well: what is allowed in them shows that the suite can be passed."""

from __future__ import annotations

from tests.security.hostile_clones.catalogue.registry import hostile
from tests.security.hostile_clones.repository import Repository, Way


def nothing(repo: Repository) -> None:
    """The author's mission as it is."""


WAYS: tuple[Way, ...] = ("clone", "pull", "copy")
for way in WAYS:
    hostile(name=f"nothing is hostile in a {way}", ways=(way,))(nothing)


@hostile(fresh=True)
def nothing_is_hostile_and_every_command_is_a_fresh_python(repo: Repository) -> None:
    """The author's mission as it is, looked at as people do."""
