"""In a hostile clone no command that looks acts, and none that changes the mission does more.

By default the first of each kind of clone is tried, with a quarter of the commands that look and an
eighth of those that change the mission; the next clone has the next part. `HOSTILE_CLONES=all`
tries every one, in every way that it may arrive, with all commands.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.security.hostile_clones.catalogue import ENTRIES, Entry
from tests.security.hostile_clones.catalogue.words import FORMS
from tests.security.hostile_clones.forms import (
    KINDS,
    LINES,
    SHELLS,
    Call,
    Shell,
    changes,
    looks,
    looks_of_each_kind,
)
from tests.security.hostile_clones.lab import STATE, Lab
from tests.security.hostile_clones.repository import Arrival, Repository, Way, arrive
from tests.security.hostile_clones.shells import press_tab, said_in
from tests.security.hostile_clones.strace import find_strace
from tests.security.hostile_clones.watching import answer, watch

EVERYTHING = os.environ.get("HOSTILE_CLONES") == "all"
CASES = [
    pytest.param(entry, way, id=f"{entry.name}-{way}".replace(" ", "_"))
    for entry in ENTRIES.values()
    for way in entry.cases(everything=EVERYTHING)
]
FORMS_TRIED = len(FORMS) if EVERYTHING else 6
WORDS = [entry for entry in ENTRIES.values() if entry.shells]


def share(entry: Entry, calls: list[Call], parts: int) -> list[Call]:
    """Return the commands that are tried in a clone: each is, in one clone of so many."""
    every = 1 if EVERYTHING else parts
    return calls[[*ENTRIES].index(entry.name) % every :: every]


def named(entries: list[Entry]) -> str:
    return entries[0].name if len(entries) == 1 else "all words at once"


@pytest.fixture
def arrival(lab: Lab, entry: Entry, way: Way) -> Iterator[Arrival]:
    if entry.as_root and os.geteuid() != 0:
        pytest.skip("only root can give files to another user")
    repository = Repository(lab)
    entry.make(repository)
    try:
        yield arrive(repository, way)
    finally:
        for process in repository.bystanders:
            process.kill()
            process.wait()


@pytest.mark.parametrize(("entry", "way"), CASES)
def test_nothing_in_a_hostile_clone_acts(arrival: Arrival, entry: Entry, way: Way) -> None:
    look = looks_of_each_kind() if entry.fresh else share(entry, looks(), 4)
    change = share(entry, changes(), 8)
    if find_strace() is None:  # two comparisons tell apart what is seen once by each call
        found = watch(arrival, look, fresh=entry.fresh) + watch(arrival, change)
    else:
        found = watch(arrival, [*look, *change], fresh=entry.fresh)
    if any(process.poll() is not None for process in arrival.bystanders):
        found.append("a process of the person's was ended")
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("entries", [WORDS, *([each] for each in WORDS if EVERYTHING)], ids=named)
def test_tab_in_a_real_shell_does_nothing(lab: Lab, shell: Shell, entries: list[Entry]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    repository = Repository(lab)
    for entry in entries:
        entry.make(repository)
    arrival = arrive(repository, "clone")
    asked = [f"{line}q{number:02}" for line in KINDS for number in range(FORMS_TRIED)]
    found = press_tab(arrival, shell, [*LINES, *(asked if shell == "zsh" else ())])
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_in_a_real_shell_completes(lab: Lab, shell: Shell) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    arrival = arrive(Repository(lab), "clone")
    assert press_tab(arrival, shell, LINES) == []
    said = said_in(lab, shell)
    for word in ("T-00", "sess-00", "M1", *(("claude", "critic") if shell != "bash" else ())):
        assert word in said, said


@pytest.mark.parametrize("command", ["check", "doctor"])
@pytest.mark.parametrize("kind", ["tracked", "link", "copied"])
def test_a_state_folder_that_is_not_ours_is_named(lab: Lab, kind: str, command: str) -> None:
    repository = Repository(lab)
    if kind == "tracked":
        repository.bring("versions.json", {})
    elif kind == "link":
        repository.link(STATE, "../src")
    arrival = arrive(repository, "copy" if kind == "copied" else "clone")
    watch(arrival, [Call((command,))])
    assert ".state" in answer(lab, 0)
