"""Several files written as one, and what `finish_intent` makes of an interrupted change."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosaic.errors import FileAccessError, FileChangedError, PathOutsideError
from mosaic.machine.disk import digest
from mosaic.machine.signature import find_signature
from mosaic.machine.staging import exchange, rename_to_free, sweep_temporaries, temporary_beside
from mosaic.machine.transaction import (
    Change,
    PlannedFile,
    Settled,
    dump_note,
    finish_intent,
    write_together,
)

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Mission:
    root: Path
    table: Path
    task: Path
    intent: Path

    def contents(self) -> tuple[bytes | None, bytes | None]:
        table, task = (
            path.read_bytes() if path.exists() else None for path in (self.table, self.task)
        )
        return table, task

    def leftovers(self) -> list[str]:
        return [name for name in os.listdir(self.root) if "mission-tmp" in name]


@pytest.fixture
def mission(tmp_path: Path) -> Mission:
    (tmp_path / "state").mkdir()
    (tmp_path / "table").write_bytes(b"table 0")
    (tmp_path / "task").write_bytes(b"task 0")
    return Mission(
        root=tmp_path,
        table=tmp_path / "table",
        task=tmp_path / "task",
        intent=tmp_path / "state" / "intent.json",
    )


def interrupt(mission: Mission, *, renamed: int, table: bytes | None = b"table 1") -> None:
    """Leave on disk what a crash after `renamed` renames leaves."""
    planned = []
    for target, data in ((mission.table, table), (mission.task, b"task 1")):
        temporary = temporary_beside(target, in_set=True) if data is not None else None
        if temporary is not None and data is not None:
            temporary.write_bytes(data)
        planned.append(
            PlannedFile(
                target=target,
                temporary=temporary,
                old_sha256=digest(target.read_bytes() if target.exists() else None),
                new_sha256=digest(data),
            )
        )
    mission.intent.write_bytes(dump_note(planned, mission.root))
    for plan in planned[:renamed]:
        plan.carry_out()


def temporary_of(mission: Mission, target: str) -> Path:
    files = json.loads(mission.intent.read_bytes())["files"]
    (name,) = (each["temporary"] for each in files if each["target"] == target)
    return mission.root / str(name)


def settle(mission: Mission) -> list[Settled]:
    settled = finish_intent(mission.intent, root=mission.root, is_own_file=lambda _: True)
    return list(settled.values())


# Writing


def test_all_files_are_written_and_nothing_else_is_left(mission: Mission) -> None:
    new = write_together(
        [Change(path=mission.table, data=b"table 1"), Change(path=mission.task, data=b"task 1")],
        intent=mission.intent,
        root=mission.root,
    )
    assert mission.contents() == (b"table 1", b"task 1")
    assert new == {path: find_signature(path) for path in (mission.table, mission.task)}
    assert mission.leftovers() == []
    assert not mission.intent.exists()


def test_files_are_created_and_removed_along_with_others(mission: Mission) -> None:
    created = mission.root / "new"
    new = write_together(
        [
            Change(path=created, data=b"new", expect=None, mode=0o600),
            Change(path=mission.task, data=None, expect=find_signature(mission.task)),
        ],
        intent=mission.intent,
        root=mission.root,
    )
    assert created.read_bytes() == b"new"
    assert stat.S_IMODE(created.stat().st_mode) == 0o600
    assert not mission.task.exists()
    assert new == {created: find_signature(created), mission.task: None}


def test_a_file_that_would_not_change_is_left_alone(mission: Mission) -> None:
    before = find_signature(mission.table)
    write_together(
        [Change(path=mission.table, data=b"table 0"), Change(path=mission.task, data=b"task 1")],
        intent=mission.intent,
        root=mission.root,
    )
    assert find_signature(mission.table) == before
    assert mission.contents() == (b"table 0", b"task 1")


def test_one_edited_file_keeps_all_from_being_written(mission: Mission) -> None:
    read = find_signature(mission.task)
    mission.task.write_bytes(b"their edit")
    with pytest.raises(FileChangedError):
        write_together(
            [
                Change(path=mission.table, data=b"table 1"),
                Change(path=mission.task, data=b"task 1", expect=read),
            ],
            intent=mission.intent,
            root=mission.root,
        )
    assert mission.contents() == (b"table 0", b"their edit")
    assert mission.leftovers() == []
    assert not mission.intent.exists()


def test_a_file_that_must_be_new_keeps_all_from_being_written(mission: Mission) -> None:
    with pytest.raises(FileChangedError):
        write_together(
            [
                Change(path=mission.table, data=b"table 1"),
                Change(path=mission.task, data=b"task 1", expect=None),
            ],
            intent=mission.intent,
            root=mission.root,
        )
    assert mission.contents() == (b"table 0", b"task 0")
    assert mission.leftovers() == []


def test_one_target_outside_keeps_all_from_being_written(mission: Mission) -> None:
    with pytest.raises(PathOutsideError):
        write_together(
            [
                Change(path=mission.table, data=b"table 1"),
                Change(path=mission.root.parent / "outside", data=b"x"),
            ],
            intent=mission.intent,
            root=mission.root,
        )
    assert mission.contents() == (b"table 0", b"task 0")
    assert mission.leftovers() == []


def test_two_names_of_one_file_are_refused(mission: Mission) -> None:
    mission.task.unlink()
    mission.task.symlink_to("table")
    with pytest.raises(FileAccessError, match="twice"):
        write_together(
            [
                Change(path=mission.table, data=b"table 1"),
                Change(path=mission.task, data=b"task 1"),
            ],
            intent=mission.intent,
            root=mission.root,
        )
    assert mission.table.read_bytes() == b"table 0"


def test_no_second_change_begins_while_one_waits_to_be_settled(mission: Mission) -> None:
    interrupt(mission, renamed=1)
    with pytest.raises(FileAccessError, match="not finished"):
        write_together(
            [Change(path=mission.table, data=b"table 2")],
            intent=mission.intent,
            root=mission.root,
        )
    assert settle(mission) == [Settled.ALREADY_WRITTEN, Settled.WRITTEN]


def test_nothing_to_change_writes_nothing(mission: Mission) -> None:
    assert write_together([], intent=mission.intent, root=mission.root) == {}


def test_a_symlinked_file_is_replaced_at_its_target(mission: Mission) -> None:
    (mission.root / "link").symlink_to("table")
    write_together(
        [Change(path=mission.root / "link", data=b"table 1")],
        intent=mission.intent,
        root=mission.root,
    )
    assert (mission.root / "link").is_symlink()
    assert mission.table.read_bytes() == b"table 1"


# An edit in the very moment of writing


class Editor:
    """Saves a file right before it changes places with the new one, and perhaps after."""

    def __init__(self, path: Path, *, again: bytes | None = None) -> None:
        self.path = path
        self.saves = [b"by hand", *([again] if again else [])]

    def __call__(self, one: Path, other: Path) -> bool:
        if other == self.path and self.saves:
            self.save()
        done = exchange(one, other)
        if other == self.path and self.saves:
            self.save()
        return done

    def save(self) -> None:
        beside = self.path.with_name("editor")
        beside.write_bytes(self.saves.pop(0))
        beside.rename(self.path)


def write_both(mission: Mission) -> None:
    changes = [
        Change(path=path, data=data, expect=find_signature(path))
        for path, data in ((mission.table, b"table 1"), (mission.task, b"task 1"))
    ]
    write_together(changes, intent=mission.intent, root=mission.root)


def test_an_edit_in_the_moment_of_the_first_write_keeps_all_from_being_written(
    mission: Mission, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mosaic.machine.transaction.exchange", Editor(mission.table))
    with pytest.raises(FileChangedError) as refused:
        write_both(mission)
    assert "nothing was written" in (refused.value.detail or "")
    assert mission.contents() == (b"by hand", b"task 0")
    assert mission.leftovers() == []
    assert settle(mission) == []


def test_an_edit_in_the_moment_of_a_later_write_stands_and_is_told(
    mission: Mission, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mosaic.machine.transaction.exchange", Editor(mission.task))
    with pytest.raises(FileChangedError) as refused:
        write_both(mission)
    assert "the others were written" in (refused.value.detail or "")
    assert mission.contents() == (b"table 1", b"by hand")
    assert mission.leftovers() == []


def test_what_says_what_the_others_hold_is_not_written_where_one_was_left(
    mission: Mission, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = mission.root / "base"
    base.write_bytes(b"both are 0")
    monkeypatch.setattr("mosaic.machine.transaction.exchange", Editor(mission.task))
    changes = [
        Change(path=mission.table, data=b"table 1"),
        Change(path=mission.task, data=b"task 1"),
        Change(path=base, data=b"both are 1", needs_all=True),
    ]
    with pytest.raises(FileChangedError):
        write_together(changes, intent=mission.intent, root=mission.root)
    assert mission.contents() == (b"table 1", b"by hand")
    assert base.read_bytes() == b"both are 0"
    assert mission.leftovers() == []


def test_of_two_edits_in_that_moment_the_last_stands(
    mission: Mission, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "mosaic.machine.transaction.exchange", Editor(mission.table, again=b"later")
    )
    with pytest.raises(FileChangedError):
        write_both(mission)
    assert mission.contents() == (b"later", b"task 0")


@pytest.mark.parametrize("name", ["table", "task"])
def test_an_edit_in_the_moment_of_a_crash_is_put_back(mission: Mission, name: str) -> None:
    interrupt(mission, renamed=1 if name == "table" else 2)
    temporary_of(mission, name).write_bytes(b"by hand")
    assert Settled.LEFT_EDITED in settle(mission) or name == "table"
    assert (mission.root / name).read_bytes() == b"by hand"
    assert mission.leftovers() == []


def test_a_new_file_does_not_take_the_place_of_one_that_just_appeared(
    mission: Mission, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = mission.root / "new"

    def make_first(source: Path, target: Path) -> None:
        target.write_bytes(b"by hand")
        rename_to_free(source, target)

    monkeypatch.setattr("mosaic.machine.transaction.rename_to_free", make_first)
    with pytest.raises(FileChangedError):
        write_together(
            [Change(path=new, data=b"new", expect=None)], intent=mission.intent, root=mission.root
        )
    assert new.read_bytes() == b"by hand"


def test_where_the_system_cannot_exchange_files_are_written_all_the_same(
    mission: Mission, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mosaic.machine.staging.rename_with", lambda *_: False)
    new = mission.root / "new"
    write_both(mission)
    write_together(
        [Change(path=new, data=b"new", expect=None)], intent=mission.intent, root=mission.root
    )
    assert mission.contents() == (b"table 1", b"task 1")
    assert new.read_bytes() == b"new"


# Settling


def test_without_a_note_there_is_nothing_to_settle(mission: Mission) -> None:
    assert settle(mission) == []


@pytest.mark.parametrize(
    ("renamed", "settled"),
    [
        (0, [Settled.WRITTEN, Settled.WRITTEN]),
        (1, [Settled.ALREADY_WRITTEN, Settled.WRITTEN]),
        (2, [Settled.ALREADY_WRITTEN, Settled.ALREADY_WRITTEN]),
    ],
)
def test_an_interrupted_change_is_carried_through(
    mission: Mission, renamed: int, settled: list[Settled]
) -> None:
    interrupt(mission, renamed=renamed)
    outcomes = finish_intent(mission.intent, root=mission.root, is_own_file=lambda _: True)
    assert list(outcomes.values()) == settled
    assert not any(outcome.needs_a_look for outcome in outcomes.values())
    assert mission.contents() == (b"table 1", b"task 1")
    assert mission.leftovers() == []
    assert settle(mission) == []


@pytest.mark.parametrize("renamed", [0, 1])
def test_an_interrupted_removal_is_carried_through(mission: Mission, renamed: int) -> None:
    interrupt(mission, renamed=renamed, table=None)
    settle(mission)
    assert mission.contents() == (None, b"task 1")


def test_an_edit_after_the_crash_is_kept_and_the_rest_carried_through(mission: Mission) -> None:
    interrupt(mission, renamed=1)
    mission.task.write_bytes(b"their edit")
    outcomes = finish_intent(mission.intent, root=mission.root, is_own_file=lambda _: True)
    assert {path.name: settled for path, settled in outcomes.items()} == {
        "table": Settled.ALREADY_WRITTEN,
        "task": Settled.LEFT_EDITED,
    }
    assert outcomes[mission.task].needs_a_look
    assert mission.contents() == (b"table 1", b"their edit")
    assert mission.leftovers() == []


def test_an_edit_before_anything_was_written_drops_the_whole_change(mission: Mission) -> None:
    interrupt(mission, renamed=0)
    mission.task.write_bytes(b"their edit")
    assert settle(mission) == [Settled.DROPPED, Settled.DROPPED]
    assert mission.contents() == (b"table 0", b"their edit")
    assert mission.leftovers() == []
    assert settle(mission) == []


@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_lost_content_before_anything_was_written_drops_the_whole_change(
    mission: Mission, damage: str
) -> None:
    interrupt(mission, renamed=0)
    victim = mission.root / mission.leftovers()[0]
    if damage == "missing":
        victim.unlink()
    else:
        victim.write_bytes(b"ta")
    assert settle(mission) == [Settled.DROPPED, Settled.DROPPED]
    assert mission.contents() == (b"table 0", b"task 0")
    assert mission.leftovers() == []


def test_lost_content_after_a_part_was_written_is_reported(mission: Mission) -> None:
    interrupt(mission, renamed=1)
    temporary_of(mission, "task").unlink()
    assert settle(mission) == [Settled.ALREADY_WRITTEN, Settled.LOST]
    assert mission.contents() == (b"table 1", b"task 0")


def test_a_target_that_became_a_symlink_or_folder_is_left(mission: Mission) -> None:
    interrupt(mission, renamed=1)
    mission.task.unlink()
    (mission.root / "elsewhere").write_bytes(b"task 0")
    mission.task.symlink_to("elsewhere")
    assert settle(mission) == [Settled.ALREADY_WRITTEN, Settled.LEFT_EDITED]
    assert mission.task.is_symlink()


@pytest.mark.timeout(10)
def test_a_target_that_became_a_fifo_is_left(mission: Mission) -> None:
    interrupt(mission, renamed=1)
    mission.task.unlink()
    os.mkfifo(mission.task)
    assert settle(mission) == [Settled.ALREADY_WRITTEN, Settled.LEFT_EDITED]


def test_settling_works_after_the_mission_was_moved(mission: Mission, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    interrupt(mission, renamed=1)
    for name in ["table", "task", "state", *mission.leftovers()]:
        (tmp_path / name).rename(moved / name)
    finish_intent(moved / "state" / "intent.json", root=moved, is_own_file=lambda _: True)
    assert (moved / "task").read_bytes() == b"task 1"


BROKEN_NOTES = [
    b"",
    b"\0\0\0\0",
    b'{"version": 1, "files": [{"tar',
    b"[" * 100_000,
    b"[]",
    b"null",
    b'{"version": 99, "files": []}',
    b'{"version": 1, "files": 7}',
    b'{"version": 1, "files": ["x"]}',
    b'{"version": 1, "files": [{"target": 1}]}',
]


@pytest.mark.parametrize("note", BROKEN_NOTES, ids=range(len(BROKEN_NOTES)))
def test_a_broken_note_is_moved_aside_and_reported_once(mission: Mission, note: bytes) -> None:
    mission.intent.write_bytes(note)
    outcomes = finish_intent(mission.intent, root=mission.root, is_own_file=lambda _: True)
    ((path, outcome),) = outcomes.items()
    assert outcome is Settled.NOTE_UNREADABLE
    assert outcome.needs_a_look
    assert path.read_bytes() == note
    assert settle(mission) == []
    assert mission.contents() == (b"table 0", b"task 0")


def note_of(**entry: object) -> bytes:
    whole = {
        "target": "table",
        "temporary": ".0123456789abcdef-set.mission-tmp",
        "old_sha256": digest(b"table 0"),
        "new_sha256": digest(b"evil"),
    }
    return json.dumps({"version": 1, "files": [{**whole, **entry}]}).encode()


@pytest.mark.parametrize(
    "entry",
    [
        {"target": "../outside"},
        {"target": "/etc/passwd"},
        {"target": ""},
        {"target": "state/.."},
        {"target": "a\0b/c"},
        {"temporary": "task"},
        {"temporary": "../.0123456789abcdef-set.mission-tmp"},
        {"temporary": None},
        {"new_sha256": None},
        {"old_sha256": 7},
    ],
    ids=str,
)
def test_a_note_that_names_what_we_never_write_is_not_followed(
    mission: Mission, entry: dict[str, object]
) -> None:
    (mission.root / ".0123456789abcdef-set.mission-tmp").write_bytes(b"evil")
    mission.intent.write_bytes(note_of(**entry))
    assert settle(mission) == [Settled.NOTE_UNREADABLE]
    assert mission.contents() == (b"table 0", b"task 0")


def test_a_folder_in_the_place_of_the_note_does_not_block_for_ever(mission: Mission) -> None:
    mission.intent.mkdir()
    assert settle(mission) == [Settled.NOTE_UNREADABLE]
    assert settle(mission) == []


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    note=st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["version", "files", "target"]), inner, max_size=3
                )
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_no_note_whatever_it_holds_breaks_settling(mission: Mission, note: bytes) -> None:
    mission.intent.write_bytes(note)
    finish_intent(mission.intent, root=mission.root, is_own_file=lambda _: True)
    assert not mission.intent.exists()
    assert mission.contents() == (b"table 0", b"task 0")


# Leftovers


def test_only_old_leftovers_of_ours_are_swept(tmp_path: Path) -> None:
    names = {
        "old": ".0123456789abcdef.mission-tmp",
        "fresh": ".1123456789abcdef.mission-tmp",
        "theirs": ".x.mission-tmp",
        "note": "notes.mission-tmp",
    }
    for name in names.values():
        (tmp_path / name).write_bytes(b"")
    for key in ("old", "theirs", "note"):
        os.utime(tmp_path / names[key], (0, 0))
    assert sweep_temporaries(tmp_path) == [tmp_path / names["old"]]
    assert sorted(os.listdir(tmp_path)) == sorted(set(names.values()) - {names["old"]})


def test_fresh_leftovers_of_a_set_are_swept_once_its_note_is_gone(mission: Mission) -> None:
    interrupt(mission, renamed=0)
    assert sweep_temporaries(mission.root, intent=mission.intent) == []
    mission.intent.unlink()
    assert sweep_temporaries(mission.root) == []
    assert len(sweep_temporaries(mission.root, intent=mission.intent)) == 2
    assert mission.leftovers() == []


def test_a_missing_folder_has_no_leftovers(tmp_path: Path) -> None:
    assert sweep_temporaries(tmp_path / "no") == []


def test_a_symlink_or_folder_with_our_name_is_not_swept(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"")
    (tmp_path / ".0123456789abcdef.mission-tmp").symlink_to("kept")
    (tmp_path / ".1123456789abcdef.mission-tmp").mkdir()
    os.utime(tmp_path / ".0123456789abcdef.mission-tmp", (0, 0), follow_symlinks=False)
    os.utime(tmp_path / ".1123456789abcdef.mission-tmp", (0, 0))
    assert sweep_temporaries(tmp_path) == []
