"""What hosts answer is from outside: whatever it is, it is read or refused."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosaic.errors import PullRequestError, UsageError
from mosaic.git import github, gitlab
from mosaic.git.hosting import find_place, parse_answer
from mosaic.settings import Hosting, PullRequestSettings
from tests.support.git import git, make_repo

KEYS = (
    "id body url state author authorAssociation author_association user login type path line "
    "start_line side commit_id html_url name context conclusion status detailsUrl targetUrl "
    "workflowName number iid web_url mergeCommit oid position new_path new_line line_range start "
    "resolvable resolved username stage allow_failure isMinimized head_sha bot"
).split()
leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(KEYS)
answers = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=8)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(KEYS), answers, max_size=20)


@pytest.mark.fast
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(objects)
def test_any_object_is_read(values: dict[str, Any]) -> None:
    for read in (github._comment, github._review, github._line_comment):
        comment = read(values)
        assert " " not in comment.id
        assert not comment.may_write or comment.standing in ("owner", "member", "collaborator")
    assert not gitlab._comment(values, "https://x", {}).may_write
    for check in (github._check(values), gitlab._check(values)):
        assert check.state in ("passed", "failed", "stopped", "pending")
    assert isinstance(github._request(values).number, int)
    assert isinstance(gitlab._request(values).url, str)


@pytest.mark.fast
@given(st.text(max_size=20) | st.sampled_from(["", "[" * 9_000, "[1", "nul"]))
def test_any_text_is_json_or_refused(text: str) -> None:
    with contextlib.suppress(PullRequestError):
        parse_answer(text, ["pr", "list"])


@pytest.mark.fast
@pytest.mark.parametrize("text", ["[1][2]", "[1]\n[2]\n", "[1, 2]"])
def test_pages_of_a_list_are_one_list(text: str) -> None:
    assert parse_answer(text, ["api", "x"]) == [1, 2]


@pytest.mark.parametrize(
    ("address", "program", "host", "repository"),
    [
        ("https://github.com/acme/rocket.git", "gh", "github.com", "acme/rocket"),
        ("https://user:secret@github.com/acme/rocket/", "gh", "github.com", "acme/rocket"),
        ("git@github.com:acme/rocket.git", "gh", "github.com", "acme/rocket"),
        ("ssh://git@ssh.github.com:443/acme/rocket.git", "gh", "github.com", "acme/rocket"),
        ("git@github-work:acme/rocket", "gh", "", "acme/rocket"),
        ("git@gitlab.example.org:a/b/c.git", "glab", "gitlab.example.org", "a/b/c"),
        ("https://git.example.org:8443/acme/rocket", None, "git.example.org", "acme/rocket"),
        ("/srv/rocket.git", None, None, ""),
    ],
)
def test_an_address_says_where_requests_are(
    tmp_path: Path, address: str, program: str | None, host: str | None, repository: str
) -> None:
    repo = make_repo(tmp_path / "repo", {"a": ""})
    git(repo, "remote", "add", "origin", address)
    if program is None:
        with pytest.raises(UsageError) as refused:
            find_place(repo, PullRequestSettings())
        assert "secret" not in str(refused.value.detail)
        program = "glab"
        if host is None:
            return
    place = find_place(repo, PullRequestSettings(program=Hosting(program)))
    assert (place.program, place.host, place.repository) == (program, host, repository)
    assert place.base == "main"
