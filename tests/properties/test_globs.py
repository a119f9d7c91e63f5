"""Write scopes match as git matches a .gitignore, but for plain names: git itself is asked."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mosaic.plan.globs import bad_glob, is_plain, outside_scope
from tests.support.git import make_repo
from tests.support.overlap import scopes_overlap

NAMES = ("a", "b", "ab", "aab", "b-a", "[a]", "a b", "!a", "B", "a\\b", "]", ".a", "1")
PATHS = tuple(
    "/".join(parts)
    for parts in (
        *((name,) for name in NAMES),
        *((name, other) for name in NAMES for other in ("a", "b", "aab")),
        *(("a", name, other) for name in NAMES for other in ("a", "b")),
        ("a", "b", "a", "b", "ab"),
    )
)
GLOBS = st.lists(
    st.sampled_from(
        [
            "a",
            "b",
            "*",
            "**",
            "/",
            "?",
            "[ab]",
            "[!a]",
            "[^b-z]",
            "[]a]",
            "[[:alpha:]]",
            "[a",
            "]",
            "\\",
            "-",
            " ",
            "[\\]]",
            "[a-",
            "/**/",
            "*a",
            "1",
            "[[:digit:]b]",
            ".",
        ]
    ),
    min_size=1,
    max_size=6,
).map("".join)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repo(tmp_path_factory.mktemp("globs"))


def git_ignores(repo: Path, glob: str) -> set[str]:
    """Return the paths that git would ignore by one glob."""
    (repo / ".gitignore").write_text(f"{glob}\n")
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin", "-z"],
        cwd=repo,
        input="\0".join(PATHS).encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return set(done.stdout.decode().split("\0")) - {""}


def is_said_alike(glob: str) -> bool:
    """Tell whether git and a write scope mean the same by a glob, and neither means nothing."""
    odd = glob != glob.strip() or glob.startswith(("!", "#")) or "//" in glob
    odd |= re.search(r"\[[^\]]*/", glob) is not None  # a set that no name can be of
    odd |= re.search(r"[^/]\*\*.*/|/.*\*\*[^/]", glob) is not None  # git is of two minds
    return not odd and bad_glob(glob) is None and "." not in glob.split("/") and glob != "/"


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.filter_too_much])
@given(glob=GLOBS.filter(is_said_alike))
@example("*a*a*b")
@example("**/a/**/b")
@example("a/**/b/")
@example("[a-")
@example("[!]a-c]*")
@example("\\[a\\]")
@example("a\\ b")
@example("**a")
def test_a_glob_allows_what_git_would_ignore(repo: Path, glob: str) -> None:
    outside = set(outside_scope(PATHS, [glob]))
    is_plain_name = "/" not in glob.rstrip("/") and is_plain(glob.rstrip("/"))
    asked = f"/{glob}" if is_plain_name else glob  # a name alone is that file at the root
    assert {path for path in PATHS if path not in outside} == git_ignores(repo, asked)


@settings(max_examples=200)
@given(first=st.lists(GLOBS, max_size=3), second=st.lists(GLOBS, max_size=3))
def test_scopes_that_allow_one_path_are_known_to_meet(first: list[str], second: list[str]) -> None:
    globs = [[glob for glob in part if bad_glob(glob) is None] for part in (first, second)]
    if all(globs):
        shared = [path for path in PATHS if not any(outside_scope([path], each) for each in globs)]
        assert not shared or scopes_overlap(*globs)


@pytest.mark.parametrize(
    ("globs", "path", "allowed"),
    [
        (["src/**", "!src/x/"], "src/x/a", False),
        (["src/**", "!src/x", "src/x/y"], "src/x/y", True),
        (["./src"], "src/a", True),
        (["src//a"], "src/a", True),
        (["."], "a/b", True),
        (["docs/\\"], "docs/a", False),
        (["a", "b" * 5000], "c", False),
        (["# a"], "# a", False),
        (["\\# a"], "# a", True),
        (["", " "], "a", True),
    ],
)
def test_what_git_has_no_word_for(globs: list[str], path: str, allowed: bool) -> None:
    assert (outside_scope([path], globs) == []) is allowed


@pytest.mark.parametrize(
    ("glob", "path", "allowed"),
    [
        ("Dockerfile", "Dockerfile", True),
        ("Dockerfile", "web/Dockerfile", False),
        ("**/Dockerfile", "web/Dockerfile", True),
        ("*.md", "docs/a.md", True),
        ("src", "src/a", True),
        ("src/", "lib/src/a", False),
        ("**", "../web/a", False),
        ("*/a", "../a", False),
        ("../web/**", "../web/a/b", True),
        ("../web/**", "web/a/b", False),
        ("../w*", "../web/a", True),
        ("../../libs", "../../libs/a", True),
        ("../../libs", "../libs/a", False),
        ("../**", "a", True),
        ("../api/a", "a", True),
        ("../../**", "../../libs/a", True),
        ("..", "../web/a", True),
        ("..", "../../libs/a", False),
        ("../../../**", "a", False),
        ("src/../lib", "lib/a", False),
        ("/../web", "../web/a", False),
    ],
)
def test_a_project_in_a_folder_of_its_repository(glob: str, path: str, allowed: bool) -> None:
    assert (outside_scope([path], [glob], "services/api") == []) is allowed
