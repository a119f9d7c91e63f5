"""Doctor names a file system whose locks may not work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.environments.conftest import OWN_MOUNTS, Surroundings, needs_own_mounts


def doctor(here: Surroundings, mounts: str) -> str:
    """Return what doctor says where the kernel lists these mounts."""
    listed = here.path.parent / "mountinfo"
    listed.write_text(mounts)
    # `exec` keeps the number of the process, and so the list that was laid over its own.
    answer = here.run(
        "doctor", before=f"mount --bind '{listed}' /proc/$$/mountinfo", prefix=OWN_MOUNTS
    )
    assert answer.exit_code == 0, answer.stderr
    return answer.stdout


def line(point: Path | str, kind: str, number: int = 22) -> str:
    escaped = str(point).replace(" ", "\\040")
    return f"{number} 1 0:{number} / {escaped} rw,relatime shared:{number} - {kind} source rw\n"


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_file_system_that_others_serve_is_named(here: Surroundings, kind: str) -> None:
    needs_own_mounts()
    told = doctor(here, line("/", "ext4") + line(os.path.realpath(here.path), kind, 23))
    assert f"the mission is on `{kind}`, whose locks may not work" in told


def test_a_disk_of_this_machine_is_none(here: Surroundings) -> None:
    needs_own_mounts()
    beside = os.path.realpath(here.path)[:-1]
    for kind in ("ext4", "fuseblk"):
        told = doctor(here, line("/", kind) + line(beside, "nfs4", 23) + "what nobody can read\n")
        assert "locks may not work" not in told


def test_the_uppermost_mount_of_a_folder_with_spaces_counts(here: Surroundings) -> None:
    needs_own_mounts()
    home = here.path.parent / "my files"
    here.path.rename(home)
    moved = Surroundings(type(here.repo)(home, here.repo.environ))
    point = os.path.realpath(home)
    assert "`nfs4`" in doctor(moved, line(point, "ext4", 22) + line(point, "nfs4", 23))
    assert "`nfs4`" not in doctor(moved, line(point, "nfs4", 22) + line(point, "ext4", 23))


def test_nothing_is_named_where_the_system_does_not_tell(here: Surroundings) -> None:
    assert "locks may not work" not in here.run("doctor").stdout
