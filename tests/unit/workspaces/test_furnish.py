"""The globs of `worktrees.copy` and `worktrees.link` are those of write scopes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.workspaces.furnish import matching


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        (".env", [".env"]),
        ("node_modules", ["node_modules"]),
        ("node_modules/", ["node_modules"]),
        ("config/*.local", ["config/a.local", "config/b.local"]),
        ("config/[!a].local", ["config/b.local"]),
        ("**/.env", [".env", "config/deep/.env"]),
        ("config/**/.env", ["config/deep/.env"]),
        ("missing/*", []),
        ("../secret", ["../secret"]),
        ("/etc/hostname", ["/etc/hostname"]),
    ],
)
def test_what_globs_stand_for(tmp_path: Path, glob: str, found: list[str]) -> None:
    for name in (".env", "node_modules/x", "config/a.local", "config/b.local", "config/deep/.env"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert matching([glob], tmp_path) == found
