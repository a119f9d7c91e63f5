"""`.ci/release` makes a commit, a tag and two files, or leaves all as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic import __version__
from tests.package.building import copy_source

for needed in ("hatchling", "twine"):
    pytest.importorskip(needed, reason="a release is built with both")
NOTES = "- `one` does two things.\n"


class Project:
    """A repository of this project, with something new in its changelog."""

    def __init__(self, folder: Path) -> None:
        self.path = copy_source(folder)
        self.git("init", "-q", "-b", "main")
        self.changelog.write_text(f"# Changelog\n\n## Unreleased\n\n{NOTES}\n## 0.0.1\n\n- x\n")
        self.git("add", "--all")
        self.git("commit", "-qm", "All of it")

    @property
    def changelog(self) -> Path:
        return self.path / "CHANGELOG.md"

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=Somebody", "-c", "user.email=s@example.invalid")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.path, capture_output=True, text=True, check=True
        )
        return done.stdout

    def release(self, version: str) -> subprocess.CompletedProcess[str]:
        roles = ("AUTHOR", "COMMITTER")
        who = {f"GIT_{role}_NAME": "Somebody" for role in roles}
        who |= {f"GIT_{role}_EMAIL": "s@example.invalid" for role in roles}
        return subprocess.run(
            [str(self.path / ".ci" / "release"), version, "--day", "2026-11-27"],
            cwd="/",
            env={**os.environ, **who, "PYTHON": sys.executable},
            capture_output=True,
            text=True,
            check=False,
        )

    def state(self) -> tuple[str, str, str]:
        tags = self.git("tag", "--list")
        return self.git("rev-parse", "HEAD"), tags, self.git("status", "--porcelain")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("release") / "project")


def test_a_release_is_made_once_and_what_is_none_leaves_all_as_it_was(project: Project) -> None:
    before = project.state()
    for version, words in (("0.0.9", "older than"), ("9.9", "not a version")):
        refused = project.release(version)
        assert (refused.returncode, project.state()) == (1, before)
        assert words in refused.stderr

    done = project.release("9.9.9")
    assert done.returncode == 0, done.stderr
    assert project.git("log", "--format=%s").splitlines() == ["Release 9.9.9", "All of it"]
    assert project.git("tag", "--list", "--format=%(contents)").strip() == (
        f"Mosaic 9.9.9\n\n{NOTES}".strip()
    )
    assert project.git("rev-parse", "v9.9.9^{commit}") == project.git("rev-parse", "HEAD")
    assert project.changelog.read_text() == (
        f"# Changelog\n\n## Unreleased\n\n## 9.9.9 (2026-11-27)\n\n{NOTES}\n## 0.0.1\n\n- x\n"
    )
    (changed,) = project.git("diff", "-U0", "HEAD~1", "--", "mosaic").splitlines()[-1:]
    assert changed == '+__version__ = "9.9.9"'
    names = ["mosaic_mission-9.9.9-py3-none-any.whl", "mosaic_mission-9.9.9.tar.gz"]
    assert sorted(path.name for path in (project.path / "dist").iterdir()) == names
    assert all(name in done.stdout for name in names)

    before = project.state()
    for prepare, words in (
        (lambda: None, "is there already"),
        (lambda: project.git("tag", "-d", "v9.9.9"), "is empty"),
        (lambda: project.changelog.write_text("not committed"), "not committed"),
    ):
        prepare()
        before = project.state()
        refused = project.release("9.9.9")
        assert (refused.returncode, project.state()) == (1, before)
        assert words in refused.stderr
    assert f'"{__version__}"' in project.git("show", "HEAD~1:mosaic/__init__.py")
