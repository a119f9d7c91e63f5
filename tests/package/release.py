"""Makes a release ready, and publishes nothing: `.ci/release 0.2.0`; see docs/releasing.md."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.support.mission import ROOT

UNRELEASED = "## Unreleased\n"
VERSION_FILE = Path("mosaic", "__init__.py")
VERSION_LINE = re.compile(r'^__version__ = "(.*)"$', re.MULTILINE)


class RefusedError(Exception):
    """Why no release is made."""


def main() -> int:
    """Make the release that is asked for."""
    parser = argparse.ArgumentParser(prog=".ci/release")
    parser.add_argument("version", help="such as 0.2.0")
    parser.add_argument("--day", default=f"{datetime.now(UTC):%Y-%m-%d}", help="else today")
    asked = parser.parse_args()
    try:
        release(asked.version, asked.day)
    except RefusedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def release(version: str, day: str) -> None:
    """Make a release in a clone, and bring it here when all of it is good."""
    look_first(version)
    branch = run("git", "symbolic-ref", "--short", "HEAD").strip()
    tag = f"v{version}"
    with tempfile.TemporaryDirectory(prefix="mission-release-") as folder:
        clone = Path(folder, "clone")
        run("git", "clone", "--quiet", "--single-branch", "--branch", branch, str(ROOT), str(clone))
        for key in ("user.name", "user.email"):
            if known := run("git", "config", "--default", "", "--get", key).strip():
                run("git", "config", key, known, cwd=clone)
        notes = write_version(clone, version, day)
        run("git", "commit", "--quiet", "--all", "-m", f"Release {version}", cwd=clone)
        message = f"Mosaic {version}\n\n{notes}"
        run("git", "tag", "--cleanup=whitespace", "-a", tag, "-m", message, cwd=clone)
        built = build_twice(clone, Path(folder))
        run(sys.executable, "-m", "twine", "check", "--strict", *map(str, built), cwd=folder)
        run("git", "fetch", "--quiet", "--no-tags", str(clone), branch)
        run("git", "merge", "--quiet", "--ff-only", "FETCH_HEAD")
        run("git", "fetch", "--quiet", str(clone), f"refs/tags/{tag}:refs/tags/{tag}")
        (ROOT / "dist").mkdir(exist_ok=True)
        for path in built:
            (ROOT / "dist" / path.name).write_bytes(path.read_bytes())
            print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  dist/{path.name}")
    print(f"\n{tag} is committed and tagged here, and nothing is published. To do that:")
    print(f"  git push REMOTE {branch} {tag}")
    print(f"  {Path(sys.executable).parent}/twine upload dist/mosaic_mission-{version}*")


def look_first(version: str) -> None:
    """Refuse what would be no release."""
    if not re.fullmatch(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?", version):
        raise RefusedError(f"`{version}` is not a version such as 0.2.0 or 0.2.0rc1")
    found = VERSION_LINE.search((ROOT / VERSION_FILE).read_text())
    assert found
    before = found[1]
    if order_of(version) < order_of(before):
        raise RefusedError(f"`{version}` is older than `{before}`")
    if run("git", "tag", "--list", f"v{version}"):
        raise RefusedError(f"the tag `v{version}` is there already")
    if changed := run("git", "status", "--porcelain"):
        raise RefusedError(f"these files are not committed:\n{changed}")
    if not notes_of((ROOT / "CHANGELOG.md").read_text())[1].strip():
        raise RefusedError("`## Unreleased` in CHANGELOG.md is empty")


def order_of(version: str) -> tuple[object, ...]:
    """Return what versions are put in order by: a whole one comes behind its candidates."""
    found = re.fullmatch(r"(\d+(?:\.\d+)*)(?:(a|b|rc)(\d+))?", version)
    assert found
    return (*map(int, found[1].split(".")), found[2] or "z", int(found[3] or 0))


def notes_of(changelog: str) -> tuple[str, str, str]:
    """Return a changelog in three parts: up to what is not released, that, and what was."""
    before, head, rest = changelog.partition(UNRELEASED)
    if not head:
        raise RefusedError(f"CHANGELOG.md has no `{UNRELEASED.strip()}`")
    found = re.search(r"^## ", rest, re.MULTILINE)
    end = found.start() if found else len(rest)
    return before + head, rest[:end], rest[end:]


def write_version(clone: Path, version: str, day: str) -> str:
    """Write the version where it stands, and return what is new in it."""
    path = clone / VERSION_FILE
    path.write_text(VERSION_LINE.sub(f'__version__ = "{version}"', path.read_text()))
    log = clone / "CHANGELOG.md"
    before, notes, released = notes_of(log.read_text())
    log.write_text(f"{before}\n## {version} ({day})\n{notes}{released}")
    return notes.strip()


def build_twice(clone: Path, folder: Path) -> list[Path]:
    """Build wheel and sdist in two places, and return them; they must be the same."""
    moment = run("git", "log", "-1", "--format=%ct", cwd=clone).strip()
    both = []
    for name in ("once", "again"):
        place = folder / name
        run("git", "clone", "--quiet", str(clone), str(place))
        run(sys.executable, "-m", "hatchling", "build", cwd=place, SOURCE_DATE_EPOCH=moment)
        both.append(sorted((place / "dist").iterdir()))
    if [path.read_bytes() for path in both[0]] != [path.read_bytes() for path in both[1]]:
        raise RefusedError("two builds of the same commit differ")
    return both[0]


def run(*argv: str, cwd: Path | str = ROOT, **environ: str) -> str:
    """Run a program that must go well, and return what it printed."""
    done = subprocess.run(
        argv, cwd=cwd, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RefusedError(f"`{' '.join(argv)}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
