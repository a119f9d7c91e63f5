"""Pull requests of GitHub: what `gh pr … --json` prints, and its REST for comments on lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

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
    from collections.abc import Mapping
    from pathlib import Path

    from mosaic.git.hosting import Place

_WRITERS = ("OWNER", "MEMBER", "COLLABORATOR")


class GitHub(Program):
    """Requests of one repository of GitHub."""

    def __init__(self, place: Place, cwd: Path) -> None:
        super().__init__(place, cwd)
        self._repo = ["-R", "/".join(filter(None, (place.host, place.repository)))]

    def find(self, branch: str) -> list[PullRequest]:
        """Return the requests that there are for a branch of this repository, newest first."""
        fields = "number,url,state,headRefName,headRefOid,isCrossRepository"
        wanted = ["--head", branch, "--state", "all", "--limit", "30", "--json", fields]
        listed = self.json(["pr", "list", *self._repo, *wanted])
        return [
            _request(each)
            for each in objects_of(listed)
            if text_of(each, "headRefName") == branch and each.get("isCrossRepository") is not True
        ]

    def open(self, branch: str, title: str, body: str) -> int:
        """Open a request, and return its number."""
        asked = ["--head", branch, "--base", self.place.base, "--title", title, "--body-file", "-"]
        return number_in(self.run(["pr", "create", *self._repo, *asked], body), "pull")

    def view(self, number: int) -> PullRequest:
        """Return a request with its checks and comments."""
        fields = (
            "number,url,state,mergeCommit,headRefName,headRefOid,baseRefName,reviewDecision,"
            "statusCheckRollup,reviews,comments"
        )
        seen = object_of(self.json(["pr", "view", str(number), *self._repo, "--json", fields]))
        path = f"repos/{self.place.repository}/pulls/{number}/comments?per_page=100"
        on_lines = self.json(["api", *self.host, "--paginate", path])
        comments = [_review(each) for each in objects_of(seen.get("reviews"))]
        comments += [_comment(each) for each in objects_of(seen.get("comments"))]
        comments += [_line_comment(each) for each in objects_of(on_lines)]
        checks = [_check(each) for each in objects_of(seen.get("statusCheckRollup"))]
        found = _request(seen)
        return found._replace(checks=tuple(checks), comments=tuple(with_text(comments)))

    def log(self, check: Check) -> str:
        """Return what a failed check printed; empty where that is not known."""
        if not check.job:
            return ""
        return self.run(["run", "view", *self._repo, "--job", check.job, "--log-failed"])


def _request(seen: Mapping[str, Any]) -> PullRequest:
    return PullRequest(
        number=number_of(seen, "number"),
        url=text_of(seen, "url"),
        state=text_of(seen, "state").lower(),
        branch=text_of(seen, "headRefName"),
        base=text_of(seen, "baseRefName"),
        head=text_of(seen, "headRefOid"),
        merge_commit=text_of(object_of(seen.get("mergeCommit")), "oid"),
        decision=text_of(seen, "reviewDecision").lower().replace("_", " "),
    )


def _check(each: Mapping[str, Any]) -> Check:
    # A commit status has `context` and `state`, a check run the others.
    words = text_of(each, "conclusion") or text_of(each, "state") or text_of(each, "status")
    url = text_of(each, "detailsUrl") or text_of(each, "targetUrl")
    job = re.search(r"/actions/runs/\d+/job/(\d+)", url)
    names = (text_of(each, "workflowName"), text_of(each, "name") or text_of(each, "context"))
    name = " / ".join(filter(None, names)) or "a check"
    return Check(name, check_state(words), words.lower(), url, job[1] if job else "")


def _comment(each: Mapping[str, Any]) -> Comment:
    return Comment(
        id=comment_name(each, "c"),
        text="" if each.get("isMinimized") is True else text_of(each, "body"),
        url=text_of(each, "url"),
        **_author(text_of(author_of(each), "login"), text_of(each, "authorAssociation")),
    )


def _review(each: Mapping[str, Any]) -> Comment:
    state = text_of(each, "state")
    text = text_of(each, "body").strip()
    if state == "CHANGES_REQUESTED":
        text = text or "Changes are requested."
    asks = state in ("CHANGES_REQUESTED", "COMMENTED")
    return _comment(each)._replace(id=comment_name(each, "r"), text=text, asks=asks)


def _line_comment(each: Mapping[str, Any]) -> Comment:
    user = object_of(each.get("user"))
    login = text_of(user, "login") + ("[bot]" if text_of(user, "type") == "Bot" else "")
    line, first = number_of(each, "line"), number_of(each, "start_line")
    is_there = line and text_of(each, "side") != "LEFT"
    return Comment(
        id=comment_name(each, "l"),
        text=text_of(each, "body"),
        url=text_of(each, "html_url"),
        place=line_place(text_of(each, "path"), first or line, line) if is_there else "",
        commit=text_of(each, "commit_id"),
        **_author(login, text_of(each, "author_association")),
    )


def _author(login: str, association: str) -> dict[str, Any]:
    may_write = association in _WRITERS and not login.endswith("[bot]")
    standing = association.lower().replace("_", " ") or "unknown"
    return {"author": login or "ghost", "standing": standing, "may_write": may_write}
