"""What a hub carries comes out as it went in; and what a remote is called elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.errors import UsageError
from mosaic.git.remote_refs import address_of
from mosaic.remote.hub import ORDER_NAME, unpack, write_values
from mosaic.remote.record import CHUNK_BYTES
from mosaic.runs.record import Run
from mosaic.there.log_parts import LogParts
from tests.support.git import git, make_repo

FILES = {
    "files/.gitattributes": b"* text eol=crlf export-ignore\n",
    "files/a b/ä.md": b"\xff\x00one\r\ntwo\n",
    "runs/r001/empty": b"",
}


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "project", {"a": "1\n"})


def test_a_parcel_comes_out_as_it_went_in(top: Path, tmp_path: Path) -> None:
    order = {"task": "T-001", "user": {"name": "Jö"}, "setup": ["a b", "$c"], "tree": None}
    parcel = write_values(top, ORDER_NAME, order, FILES.items())
    assert unpack(top, parcel, tmp_path / "there") == order
    found = {
        path.relative_to(tmp_path / "there").as_posix(): path.read_bytes()
        for path in (tmp_path / "there").rglob("*")
        if path.is_file()
    }
    assert found == FILES
    assert git(top, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]


def test_only_the_last_part_of_a_log_is_new_as_it_grows(top: Path, tmp_path: Path) -> None:
    run = Run(dir=tmp_path / "r001-000000")
    run.dir.mkdir()
    log = run.dir / "stdout.log"
    parts = LogParts(top, run)
    seen = []
    for size in (CHUNK_BYTES + 5, 2 * CHUNK_BYTES + 7):
        log.write_bytes(bytes(number % 251 for number in range(size)))
        seen.append(parts.stored())
    first, second = seen
    names = [f"log-parts/stdout.log/{number * CHUNK_BYTES:012d}" for number in range(3)]
    assert [*first] == names[:2]
    assert [*second] == names
    assert first[names[0]] == second[names[0]]
    assert first[names[1]] != second[names[1]]


def test_a_remote_is_called_what_it_is_called_everywhere(top: Path) -> None:
    git(top, "remote", "add", "ours", "ssh://me@box/x.git")
    git(top, "remote", "add", "beside", "../hub.git")
    git(top, "remote", "add", "secret", "https://me:pw@box.example/x.git")
    assert address_of(top, "ours") == "ssh://me@box/x.git"
    assert address_of(top, "beside") == str(top.parent / "hub.git")
    assert address_of(top, "me@box:x.git") == "me@box:x.git"
    assert address_of(top, "-x").startswith("/")
    with pytest.raises(UsageError, match="password"):
        address_of(top, "secret")
