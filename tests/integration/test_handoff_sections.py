"""`mission handoff`: the six sections shown and filled, every other byte as it was."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.mission import MissionRepo


def task_file(repo: MissionRepo) -> Path:
    (found,) = (repo.path / "coordination" / "tasks").glob("T-001*.md")
    return found


def test_a_section_is_filled_from_text_a_file_and_stdin(repo: MissionRepo) -> None:
    (repo.path / "said").write_text("- `a.py`\n- `b c.py`\n")
    assert repo.run("handoff", "T-001", "--set", "result", "--text", "all met").exit_code == 0
    assert repo.run("handoff", "T-001", "--set", "Files Changed=said").exit_code == 0
    piped = subprocess.run(
        repo.argv("handoff", "T-001", "--append", "risks=-", "--json"),
        cwd=repo.path,
        env=repo.environ,
        input="`$(rm -rf /)` and 'quotes' stay\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"missing"' in piped.stdout
    shown = repo.run("handoff", "T-001", "--json").json()
    assert shown["sections"]["files_changed"] == "- `a.py`\n- `b c.py`"
    assert shown["sections"]["risks"] == "`$(rm -rf /)` and 'quotes' stay"
    assert shown["missing"] == ["commands_run", "next_handoff", "notes"]
    assert "missing: commands_run, next_handoff, notes" in repo.run("handoff", "T-001").stdout


def test_every_other_byte_stays(repo: MissionRepo) -> None:
    path = task_file(repo)
    before = path.read_bytes().replace(b"\n", b"\r\n") + "尾 without newline".encode()
    path.write_bytes(b"\xef\xbb\xbf" + before)
    assert repo.run("handoff", "T-001", "--set", "result", "--text", "好\nso").exit_code == 0
    after = path.read_bytes()
    filled = "好\r\nso\r\n".encode()
    assert filled in after
    begin = after.index(filled)
    rest = after[:begin] + after[begin + len(filled) :]
    assert rest.replace(b"\r\n\r\n", b"\r\n") == path.read_bytes()[:0] + (
        b"\xef\xbb\xbf" + before
    ).replace(b"\r\n\r\n", b"\r\n")


def test_what_cannot_be_filled_is_refused_and_changes_nothing(repo: MissionRepo) -> None:
    before = task_file(repo).read_bytes()
    for wrong in (
        ("--set", "summary", "--text", "x"),
        ("--set", "result"),
        ("--set", "result=-", "--set", "risks=-"),
        ("--set", "result=x", "--text", "y"),
        ("--text", "y"),
    ):
        assert repo.run("handoff", "T-001", *wrong).exit_code == 2, wrong
    assert repo.run("handoff", "T-001", "--set", "result=no-such-file").exit_code == 5
    assert repo.run("handoff", "T-099", "--set", "result", "--text", "x").exit_code == 2
    assert task_file(repo).read_bytes() == before
    repo.run("add", "In the table", "--table-only")
    alone = repo.run("handoff", "T-004", "--set", "result", "--text", "x")
    assert alone.exit_code == 5
    assert "stands in the table alone" in alone.stderr
