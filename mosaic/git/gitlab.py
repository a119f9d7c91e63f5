"""Merge requests of GitLab: its REST API (v4) as `glab` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mosaic.git.hosting import (
    Check,
    Comment,
    Program,
    PullRequest,
    author_of,
    check_state,
    comment_name,
    line_place,
    number_in,
    number_of,
    object_of,
    objects_of,
    text_of,
    with_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mosaic.git.hosting import Place

_DEVELOPER = 30
"""The access level from which on somebody may push to a project."""


class GitLab(Program):
    """Merge requests of one project of GitLab."""

    def __init__(self, place: Place, cwd: Path) -> None:
        super().__init__(place, cwd)
        whole = f"https://{place.host}/{place.repository}" if place.host else place.repository
        self._repo = ["-R", whole]
        self._project = f"projects/{quote(place.repository, safe='')}"

    def find(self, branch: str) -> list[PullRequest]:
        """Return the requests that there are for a branch of this project, newest first."""
        wanted = f"source_branch={quote(branch, safe='')}&state=all&per_page=30"
        listed = objects_of(self._api(f"merge_requests?{wanted}"))
        own = [each for each in listed if each.get("source_project_id") == each.get("project_id")]
        return [_request(each) for each in own]

    def open(self, branch: str, title: str, body: str) -> int:
        """Open a request, and return its number."""
        asked = ["--source-branch", branch, "--target-branch", self.place.base, "--title", title]
        answer = self.run(["mr", "create", *self._repo, *asked, "--description", body, "--yes"])
        return number_in(answer, "merge_requests")

    def view(self, number: int) -> PullRequest:
        """Return a request with its checks and comments."""
        asked = ["mr", "view", str(number), *self._repo, "--output", "json"]
        seen = object_of(self.json(asked))
        talks = self._api(f"merge_requests/{number}/discussions?per_page=100", "--paginate")
        notes = [each for talk in objects_of(talks) for each in objects_of(talk.get("notes"))]
        notes = [each for each in notes if each.get("system") is not True]
        levels = self._levels({number_of(author_of(each), "id") for each in notes})
        pipeline = object_of(seen.get("head_pipeline"))
        jobs: Any = []
        if pipeline.get("id"):
            jobs = self._api(f"pipelines/{pipeline['id']}/jobs?per_page=100", "--paginate")
        found = _request(seen)
        comments = [_comment(each, found.url, levels) for each in notes]
        checks = [_check(each) for each in objects_of(jobs)]
        return found._replace(checks=tuple(checks), comments=tuple(with_text(comments)))

    def log(self, check: Check) -> str:
        """Return what a failed job printed; empty where that is not known."""
        if not check.job:
            return ""
        return self.run(["api", *self.host, f"{self._project}/jobs/{check.job}/trace"])

    def _levels(self, users: Iterable[int]) -> dict[int, int]:
        """Return the access levels of some users, as far as they are members."""
        wanted = "&".join(f"user_ids[]={each}" for each in users if each)
        if not wanted:
            return {}
        members = self._api(f"members/all?per_page=100&{wanted}", "--paginate")
        return {
            number_of(each, "id"): number_of(each, "access_level") for each in objects_of(members)
        }

    def _api(self, path: str, *options: str) -> Any:
        return self.json(["api", *self.host, *options, f"{self._project}/{path}"])


def _request(seen: Mapping[str, Any]) -> PullRequest:
    state = text_of(seen, "state")
    merges = ("merge_commit_sha", "squash_commit_sha", "sha")
    merge = next(filter(None, (text_of(seen, key) for key in merges)), "")
    return PullRequest(
        number=number_of(seen, "iid"),
        url=text_of(seen, "web_url"),
        state="open" if state in ("opened", "locked") else state,
        branch=text_of(seen, "source_branch"),
        base=text_of(seen, "target_branch"),
        head=text_of(seen, "sha"),
        merge_commit=merge if state == "merged" else "",
        decision=text_of(seen, "detailed_merge_status").replace("_", " "),
    )


def _check(each: Mapping[str, Any]) -> Check:
    words = text_of(each, "status")
    state = "passed" if each.get("allow_failure") is True else check_state(words)
    names = (text_of(each, "stage"), text_of(each, "name"))
    name = " / ".join(filter(None, names)) or "a job"
    return Check(name, state, words, text_of(each, "web_url"), str(number_of(each, "id") or ""))


def _comment(each: Mapping[str, Any], request_url: str, levels: Mapping[int, int]) -> Comment:
    author, where = author_of(each), object_of(each.get("position"))
    level = levels.get(number_of(author, "id"), 0)
    line = number_of(where, "new_line")
    ends = object_of(where.get("line_range"))
    first = number_of(object_of(ends.get("start")), "new_line") or line
    is_resolved = each.get("resolvable") is True and each.get("resolved") is True
    name = comment_name(each, "n")
    return Comment(
        id=name,
        author=text_of(author, "username") or "ghost",
        standing=f"access level {level}" if level else "not a member",
        may_write=level >= _DEVELOPER and author.get("bot") is not True,
        text=text_of(each, "body"),
        url=f"{request_url}#note_{name.removeprefix('n:')}",
        place=line_place(text_of(where, "new_path"), first, line) if line else "",
        commit=text_of(where, "head_sha"),
        asks=not is_resolved,
    )
