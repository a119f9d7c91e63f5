"""Compiled templates are kept for those that come with Mosaic, and change no prompt."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.mission import ROOT, Answer, MissionRepo


@pytest.fixture
def pycache(tmp_path: Path) -> Path:
    return tmp_path / "pycache"


def print_next(repo: MissionRepo, pycache: Path, **environ: str) -> Answer:
    """Print a prompt that is rendered anew."""
    (repo.state / "index").unlink(missing_ok=True)
    environ = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(pycache), **environ}
    answer = repo.run("next", "--print", "--runtime", "quick", **environ)
    assert answer.exit_code == 0, answer
    return answer


def kept(pycache: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in pycache.rglob("kept_templates.*.pyc")}


def test_what_is_kept_gives_the_same_prompt(repo: MissionRepo, pycache: Path) -> None:
    first = print_next(repo, pycache)
    before = kept(pycache)
    assert len(before) == 1
    second = print_next(repo, pycache)
    assert second == first
    assert kept(pycache) == before


def test_with_what_is_kept_jinja_is_not_imported(repo: MissionRepo, pycache: Path) -> None:
    print_next(repo, pycache)
    answer = print_next(repo, pycache, PYTHONPROFILEIMPORTTIME="1")
    assert "mosaic.prompts.compiled" in answer.stderr
    assert "jinja2" not in answer.stderr


@pytest.mark.parametrize("command", ["list", "status", "show T-001", "next --print"])
def test_reading_commands_never_call_the_compiler(repo: MissionRepo, command: str) -> None:
    """Its first use in a process takes 4 ms: as long as a third of what a command does itself."""
    repo.run(*command.split())  # what it imports and renders is compiled from now on
    told = "import builtins, sys; calls = []; real = builtins.compile; add = calls.append"
    told += "; builtins.compile = lambda *a, **k: add(a) or real(*a, **k)"
    told += "; import os; leave = os._exit; os._exit = lambda code: leave(99 if calls else code)"
    told += "; from mosaic.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", told, *command.split()],
        cwd=repo.path,
        env={**os.environ, **repo.environ},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_nothing_is_kept_where_python_keeps_nothing(repo: MissionRepo, pycache: Path) -> None:
    first = print_next(repo, pycache, PYTHONDONTWRITEBYTECODE="1")
    assert kept(pycache) == {}
    assert print_next(repo, pycache) == first


def test_what_cannot_be_written_is_not_kept(repo: MissionRepo, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    first = print_next(repo, tmp_path / "file" / "below")
    assert first.stdout
    others = [line for line in first.stderr.splitlines() if "neither a goal" not in line]
    assert others == []


def test_a_project_s_own_template_is_not_kept(repo: MissionRepo, pycache: Path) -> None:
    own = repo.path / "templates"
    own.mkdir()
    (own / "continuation.md.j2").write_text("Secret words for {{ task.id }}\n")
    assert "Secret words" in print_next(repo, pycache).stdout
    assert not any(b"Secret" in data for data in kept(pycache).values())
    (own / "continuation.md.j2").unlink()
    assert "Secret words" not in print_next(repo, pycache).stdout


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_one_is_as_good_as_none(repo: MissionRepo, pycache: Path, seed: int) -> None:
    first = print_next(repo, pycache)
    chance = random.Random(seed)
    for path, data in kept(pycache).items():
        # Behind its head, which says what it was made of, a file is trusted as a module's is.
        path.write_bytes(data[: chance.randrange(60)])
    assert print_next(repo, pycache) == first
    assert len(kept(pycache)) == 1


def test_another_text_is_compiled_anew(repo: MissionRepo, pycache: Path, tmp_path: Path) -> None:
    """As after an upgrade, whose templates have the names of the old ones."""
    installed = tmp_path / "installed"
    for name in ("mosaic", "templates"):
        shutil.copytree(ROOT / name, installed / name)
    here = {"PYTHONPATH": str(installed)}
    first = print_next(repo, pycache, **here)
    known = kept(pycache)
    for path in (installed / "templates").glob("*.j2"):
        path.write_text("New words.\n" + path.read_text())
    again = print_next(repo, pycache, **here)
    assert again.stdout.startswith("New words.\n")
    assert again.stdout != first.stdout
    assert kept(pycache).keys() == known.keys()
