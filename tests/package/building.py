"""The wheel and the sdist, built from what git knows here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.reference import SCRIPTS
from tests.support.mission import ROOT

EPOCH = "1700000000"
"""What every file in both is dated to, as the time of the tagged commit is in a release."""
OWNERS_ALONE = 0o077
PLACES = {
    "share/man/man1/mission.1": ROOT / "docs" / "mission.1",
    "share/bash-completion/completions/mission": SCRIPTS["bash"],
    "share/zsh/site-functions/_mission": SCRIPTS["zsh"],
    "share/fish/vendor_completions.d/mission.fish": SCRIPTS["fish"],
}
"""What lands outside of Python's packages, by where."""


def copy_source(folder: Path, *, umask: int = 0o022, second: int = 1) -> Path:
    """Copy what git knows here, as a clone made under another umask at another time has it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, copy = ROOT / name, folder / name
        if source.is_file() and not source.is_symlink():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            copy.chmod(source.stat().st_mode & ~umask)
            os.utime(copy, (second, second))
    return folder


def build(source: Path, into: Path, *targets: str) -> list[Path]:
    """Build `wheel`, `sdist` or both from a folder, and return them by name."""
    wanted = [word for target in targets for word in ("--target", target)]
    environ = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    environ.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(into), *wanted],
        cwd=source,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(path for path in into.iterdir() if path.suffix in (".whl", ".gz"))


def unpack(sdist: Path, folder: Path) -> Path:
    """Unpack an sdist, and return the folder that is in it."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (inside,) = folder.iterdir()
    return inside
