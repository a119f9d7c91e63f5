"""The index never shows what is no longer true, and what it shows is what the files say."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic.store import reading
from mosaic.store.index import is_settled
from mosaic.store.layout import Layout
from mosaic.store.mission_file import load_mission
from mosaic.store.scan import Listing, list_files, look_at
from tests.support.in_process import Answer, call
from tests.support.mission import MissionRepo, wait_for

SETTLED_NS = 30_000_000
"""Some ticks of the kernel's clock, where it is a second elsewhere."""
LOOKS = (("list", "--all", "--json"), ("show", "T-001", "--json"), ("status", "--json"))


@pytest.fixture
def indexed(repo: MissionRepo, monkeypatch: pytest.MonkeyPatch) -> MissionRepo:
    """A mission whose index is believed."""
    monkeypatch.setattr("mosaic.store.index.SETTLED_NS", SETTLED_NS)
    believe(repo)
    return repo


def index_of(repo: MissionRepo) -> Path:
    return repo.state / "index"


def is_believed(repo: MissionRepo) -> bool:
    """Tell whether the tasks of the index are those of the files now."""
    layout = load_mission(repo.path / "coordination" / "mission.json")
    stamp = reading.make_stamp(layout, list_files(layout.layout), look_at(layout.layout.sync_file))
    return bool(stamp) and stamp in index_of(repo).read_bytes()


def believe(repo: MissionRepo) -> None:
    def does() -> bool:
        call(repo.path, "list")
        return is_believed(repo)

    wait_for(does, "a settled index")


def look(repo: MissionRepo) -> list[Answer]:
    return [call(repo.path, *arguments) for arguments in LOOKS]


def assert_true(repo: MissionRepo) -> None:
    """Compare what is shown with what is shown without an index."""
    shown = look(repo)
    copy = index_of(repo).read_bytes()
    index_of(repo).unlink()
    assert look(repo) == shown
    index_of(repo).write_bytes(copy)


def task_file(repo: MissionRepo, number: int = 1) -> Path:
    (found,) = (repo.path / "coordination" / "tasks").glob(f"T-{number:03}-*.md")
    return found


def edit_in_place_with_the_old_time(repo: MissionRepo) -> None:
    path = task_file(repo)
    before = path.stat()
    path.write_text(path.read_text().replace("title: First", "title: Worst"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def restore_a_backup(repo: MissionRepo) -> None:
    path = task_file(repo)
    backup = repo.path / "backup.md"
    shutil.copy2(path, backup)
    backup.write_text(backup.read_text().replace("title: First", "title: Worst"))
    os.utime(backup, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    backup.rename(path)


def switch_branches(repo: MissionRepo) -> None:
    repo.git("checkout", "-q", "-b", "other")
    task_file(repo).write_text(task_file(repo).read_text().replace("title: First", "title: Worst"))
    repo.git("commit", "-qam", "other")
    repo.git("checkout", "-q", "main")
    believe(repo)
    repo.git("checkout", "-q", "other")


def edit_the_table(repo: MissionRepo) -> None:
    table = repo.path / "coordination" / "TASKS.md"
    before = table.stat()
    table.write_text(table.read_text().replace("| Second ", "| Secund "))
    os.utime(table, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap_two_files(repo: MissionRepo) -> None:
    one, other = task_file(repo, 1), task_file(repo, 2)
    first, second = one.read_text(), other.read_text()
    spare = one.with_suffix(".swap")
    one.rename(spare)
    other.rename(one)
    spare.rename(other)
    assert (one.read_text(), other.read_text()) == (second, first)


def add_a_file(repo: MissionRepo) -> None:
    task_file(repo).with_name("T-009-nine.md").write_text(
        "---\ntask_id: T-009\ntitle: Nine\nstatus: todo\n---\n"
    )


def rename_a_file(repo: MissionRepo) -> None:
    task_file(repo).rename(task_file(repo).with_name("T-001-other-name.md"))


def remove_a_file(repo: MissionRepo) -> None:
    task_file(repo, 2).unlink()


def break_a_file(repo: MissionRepo) -> None:
    task_file(repo, 2).write_text("---\ntask_id: [\n---\n")


def take_rights_away(repo: MissionRepo) -> None:
    task_file(repo, 2).unlink()
    task_file(repo, 1).with_name("T-002-second.md").symlink_to("nowhere.md")


def own_status_words(repo: MissionRepo) -> None:
    mission = repo.mission()
    mission["statuses"] = {"todo": "done"}
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))


def lead_a_symlink_elsewhere(repo: MissionRepo) -> None:
    path = task_file(repo)
    kept = repo.path / "kept.md"
    path.rename(kept)
    path.symlink_to(kept)
    believe(repo)
    before = kept.stat()
    kept.write_text(kept.read_text().replace("title: First", "title: Worst"))
    os.utime(kept, ns=(before.st_atime_ns, before.st_mtime_ns))


def forget_what_was_agreed_on(repo: MissionRepo) -> None:
    edit_the_table(repo)
    (repo.path / ".git").rename(repo.path.parent / "git")  # git would know it all the same
    believe(repo)
    (repo.state / "sync.json").unlink()


CHANGES: tuple[Callable[[MissionRepo], None], ...] = (
    edit_in_place_with_the_old_time,
    restore_a_backup,
    switch_branches,
    edit_the_table,
    swap_two_files,
    add_a_file,
    rename_a_file,
    remove_a_file,
    break_a_file,
    take_rights_away,
    own_status_words,
    lead_a_symlink_elsewhere,
    forget_what_was_agreed_on,
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_is_seen_at_once(
    indexed: MissionRepo, change: Callable[[MissionRepo], None]
) -> None:
    assert_true(indexed)
    before = look(indexed)
    change(indexed)
    assert not is_believed(indexed)
    assert look(indexed) != before
    assert_true(indexed)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_changed_in_whatever_order_what_is_shown_is_true(
    indexed: MissionRepo, seed: int
) -> None:
    chance = random.Random(seed)
    words = ("First", "Worst", "Third", "Fourth")
    for _ in range(25):
        number = chance.randint(1, 3)
        path = chance.choice([task_file(indexed, number), indexed.path / "coordination/TASKS.md"])
        text = path.read_text()
        kind = chance.choice(("edit", "command", "believe", "touch", "drop"))
        if kind == "edit":
            path.write_text(text.replace(chance.choice(words), chance.choice(words)))
        elif kind == "touch":
            os.utime(path, ns=(chance.randrange(1 << 60), chance.randrange(1 << 60)))
        elif kind == "command":
            call(indexed.path, "set", f"T-{number:03}", f"pr={chance.random()}")
        elif kind == "drop":
            index_of(indexed).unlink(missing_ok=True)
            call(indexed.path, "list")
        else:
            call(indexed.path, "list")
        index_of(indexed).touch()
        assert_true(indexed)


def test_a_file_that_is_changed_between_look_and_read_is_not_believed(
    indexed: MissionRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_file(indexed).touch()  # so that files are read

    def list_then_edit(layout: Layout) -> Listing:
        listing = list_files(layout)
        edit_in_place_with_the_old_time(indexed)
        return listing

    with monkeypatch.context() as patch:
        patch.setattr(reading, "list_files", list_then_edit)
        call(indexed.path, "list")
    assert not is_believed(indexed)
    assert_true(indexed)


@pytest.mark.parametrize("ahead_ns", [0, 1, 10**9, 10**18])
def test_a_time_that_is_not_surely_past_is_not_believed(ahead_ns: int) -> None:
    now_ns = 1_700_000_000_000_000_123
    assert not is_settled(now_ns - 100_000_000 + ahead_ns, now_ns)
    assert is_settled(now_ns - 100_000_001, now_ns)


def test_whole_seconds_are_believed_when_a_second_is_over() -> None:
    whole_ns = 1_700_000_000_000_000_000
    assert not is_settled(whole_ns, whole_ns + 1_000_000_000)
    assert is_settled(whole_ns, whole_ns + 1_000_000_001)


def test_a_torn_or_foreign_index_is_as_good_as_none(indexed: MissionRepo) -> None:
    before = look(indexed)
    data = index_of(indexed).read_bytes()
    size = data.index(b'{"table":')
    for damaged in (
        b"", b"\0" * 99, data[:10], data[: size // 2], data[: size - 1], data[:size],
        data[: size + 40], data[:-9], data.replace(b"T-001", b"T-\xff\xfe1"),
        data.replace(b'"version":3', b'"version":3'), data.replace(b'["file"', b'["fail"'),
        b'{"version":3,"stamp":9%s,"tasks":1,"sums":[0,0]}\n' % (b"9" * 30) + data,
        b'{"version":3,"stamp":1e999,"tasks":1,"sums":[0,0]}\n' + data,
        b'{"version":3,"stamp":1,"tasks":99999999999999,"sums":[0,0]}\n' + data,
        data[:size] + b"\n[]\n[[]]\n7\n", b'{"version":3,"stamp":1e9,"tasks":-5}\n' + data,
    ):  # fmt: skip
        index_of(indexed).write_bytes(damaged)
        assert look(indexed) == before


def test_one_mission_is_written_by_many_and_read_by_one(indexed: MissionRepo) -> None:
    """Each answer is one that was true at some moment: titles only ever count up."""
    last = 0
    for number in range(1, 30):
        path = task_file(indexed)
        lines = path.read_text().splitlines()
        path.write_text("\n".join(["title: " + str(number) if x.startswith("title:") else x
                                   for x in lines]) + "\n")  # fmt: skip
        shown = call(indexed.path, "show", "T-001", "--section", "notes")
        assert shown.exit_code in (0, 5), shown
        told = call(indexed.path, "list", "--all", "--json").stdout
        title = next(t["title"] for t in json.loads(told)["tasks"] if t["id"] == "T-001")
        assert int(title) == number > last
        last = number


@pytest.mark.parametrize("command", ["list", "status", "show T-001", "next --print"])
def test_what_finds_its_files_in_the_index_reads_no_yaml(
    indexed: MissionRepo, command: str
) -> None:
    call(indexed.path, *command.split())
    program = (
        "import sys; from mosaic.cli import main\n"
        "import os; end = os._exit\n"
        "def tell(code):\n"
        "    loaded = {'yaml', 'frontmatter', 'mistune'} & set(sys.modules)\n"
        "    print('loaded', sorted(loaded), flush=True); end(code)\n"
        "os._exit = tell\n"
        "try: main()\n"
        "finally: tell(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command.split()],
        cwd=indexed.path,
        env=indexed.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "loaded []" in done.stdout, done.stderr
