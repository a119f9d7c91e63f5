"""Pull requests, as `gh` has them of GitHub and `glab` of GitLab.

Owns how the two programs are called: with no questions asked, no pager, and a time limit. Whom
they are logged in as is theirs; nothing of their settings is read. What they print is read in
`mosaic.git.github` and `mosaic.git.gitlab`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from mosaic.errors import (
    NotReadyError,
    ProgramNotFoundError,
    PullRequestError,
    UsageError,
)
from mosaic.git.git import answer_of, current_branch, kill_group, run_git
from mosaic.git.worktrees import BRANCHES
from mosaic.machine.environment import child_environment
from mosaic.machine.process import find_tool, spawn
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from mosaic.settings import PullRequestSettings

CALL_SECONDS = 60.0
PUSH_SECONDS = 300.0
_QUIET = {
    "GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1", "GH_PAGER": "cat",
    "GLAB_NO_PROMPT": "1", "NO_PROMPT": "1", "GLAB_CHECK_UPDATE": "false", "PAGER": "cat",
    "NO_COLOR": "1", "CLICOLOR_FORCE": "", "GH_FORCE_TTY": "",
}  # fmt: skip
_URL = re.compile(
    r"(?:[\w.+-]+://(?:[^/@\s]+@)?([^/:\s]+)(?::\d+)?/|(?:[^/@:\s]+@)?([^/:\s]+):)(.+)"
)
_OUTPUT_CHARACTERS = 2000
_PASSED = ("SUCCESS", "NEUTRAL", "SKIPPED", "MANUAL")
_FAILED = ("FAILURE", "FAILED", "ERROR", "TIMED_OUT", "STARTUP_FAILURE")
_STOPPED = ("CANCELLED", "CANCELED", "STALE", "ACTION_REQUIRED")
INSTALL = {
    "gh": "install it (https://cli.github.com), then `gh auth login`",
    "glab": "install it (https://gitlab.com/gitlab-org/cli), then `glab auth login`",
}


class Check(NamedTuple):
    """A check of a request's last commit."""

    name: str
    state: str
    """`passed`, `failed`, `stopped` (by nobody who judged the work) or `pending`."""
    words: str = ""
    """As the host has it, such as `timed_out`."""
    url: str = ""
    job: str = ""
    """What its log is asked for by; empty where there is none to ask for."""


class Comment(NamedTuple):
    """What somebody wrote on a request."""

    id: str
    author: str
    standing: str
    """What the author is to the repository, in the host's words."""
    may_write: bool
    """Whether the author is known to have write access."""
    text: str
    url: str = ""
    place: str = ""
    """`path:line` or `path:line-line` where it is on lines that are there."""
    commit: str = ""
    """The commit that these lines are in."""
    asks: bool = True
    """Whether it may ask for something: an approval asks for nothing."""


class PullRequest(NamedTuple):
    """A request as its host has it."""

    number: int
    url: str
    state: str
    """`open`, `merged` or `closed`."""
    branch: str = ""
    base: str = ""
    head: str = ""
    """The commit at its branch's tip, as the host knows it."""
    merge_commit: str = ""
    """The commit that it was merged by, where it was."""
    decision: str = ""
    """What its reviews came to, in the host's words."""
    checks: tuple[Check, ...] = ()
    comments: tuple[Comment, ...] = ()


class Place(NamedTuple):
    """Where requests are opened."""

    program: str
    """`gh` or `glab`."""
    host: str
    """Empty: the program's own default."""
    repository: str
    remote: str
    base: str
    """The branch of the remote that requests go to."""


def find_place(home: Path, settings: PullRequestSettings) -> Place:
    """Return where requests for what is checked out are opened.

    NotReadyError: no branch is checked out, or there is no remote. UsageError: its address does
    not say where requests are opened, or not by which program.
    """
    into = current_branch(home)
    if into is None:
        raise NotReadyError(
            "no branch is checked out here: a pull request would go to none",
            path=home,
            hint="`git switch BRANCH`, then run the command again",
        )
    remotes = (answer_of(["remote"], home) or "").splitlines()
    remote = settings.remote or answer_of(["config", f"branch.{into}.remote"], home)
    if remote in (None, "."):
        remote = "origin" if "origin" in remotes else next(iter(remotes), None)
    if remote is None or remote not in remotes:
        raise NotReadyError(
            f"the repository has no remote{f' `{remote}`' if remote else ''}",
            path=home,
            hint=f"`git remote add {remote or 'origin'} URL`",
        )
    upstream = answer_of(["config", f"branch.{into}.merge"], home) or ""
    base = upstream.removeprefix(BRANCHES) if upstream.startswith(BRANCHES) else into
    host, repository = _address_of(home, remote)
    named = {"gh": "github" in host, "glab": "gitlab" in host}
    program = settings.program or next((name for name, fits in named.items() if fits), None)
    if program is None:
        raise UsageError(
            f"it is not known whether `{host}` is GitHub or GitLab",
            hint='`"pullRequest": {"program": "gh"}` or `"glab"` in mission.json says it',
        )
    # Without a dot it is a name that only ssh knows.
    return Place(str(program), host if "." in host else "", repository, remote, base)


def _address_of(top: Path, remote: str) -> tuple[str, str]:
    """Return the host and the repository that a remote's address names (or raise UsageError)."""
    known = [answer_of(["remote", "get-url", "--push", remote], top) or ""]
    known.append(answer_of(["config", f"remote.{remote}.url"], top) or "")
    found = next(filter(None, map(_URL.fullmatch, known)), None)
    host, repository = (found[1] or found[2], found[3]) if found else ("", "")
    repository = repository.strip("/").removesuffix(".git")
    if found is None or "/" not in repository:
        raise UsageError(
            f"the remote `{remote}` is not a repository of GitHub or GitLab",
            detail=f"its address is `{known[0]}`",
            hint='another remote: `"pullRequest": {"remote": "…"}` in mission.json',
        )
    # The other name is for networks in which only web pages are let through.
    return "github.com" if host == "ssh.github.com" else host, repository


def push_branch(place: Place, home: Path, branch: str, tip: str) -> bool:
    """Push a branch, never by force, and tell whether the remote did not have it yet."""
    ref = f"{BRANCHES}{branch}"
    listed = answer_of(["ls-remote", place.remote, ref], home) or ""
    if listed.partition("\t")[0] == tip:
        return False
    command = ["push", "--quiet", place.remote, f"{ref}:{ref}"]
    answer = run_git(command, home, check=False, timeout_seconds=PUSH_SECONDS)
    if answer.exit_code:
        words = answer.stderr.decode("utf-8", "replace").strip()
        hint = "mend what it says, then run the command again"
        if "non-fast-forward" in words or "fetch first" in words:
            hint = (
                "it has commits that are not here, and nothing is forced: "
                f"`git pull {place.remote} {branch}` in the worktree brings them"
            )
        raise PullRequestError(
            f"the remote `{place.remote}` did not take `{branch}`",
            detail=words[-_OUTPUT_CHARACTERS:] or None,
            hint=hint,
        )
    return True


class Program:
    """`gh` or `glab`, asked about one repository."""

    def __init__(self, place: Place, cwd: Path) -> None:
        """Take where the requests are, and a folder to call the program in."""
        self.place, self._cwd = place, cwd
        self.host = ["--hostname", place.host] if place.host else []

    def run(self, args: Sequence[str], stdin: str = "") -> str:
        """Return what the program printed (or raise PullRequestError)."""
        place = self.place
        exit_code, stdout, stderr = _call(place, args, self._cwd, stdin)
        if exit_code == 0:
            return stdout
        words = (stderr or stdout).strip()[-_OUTPUT_CHARACTERS:]
        if _call(place, ["auth", "status", *self.host], self._cwd)[0]:
            raise PullRequestError(
                f"`{place.program}` is not logged in{f' to {place.host}' if place.host else ''}",
                detail=words or None,
                hint=f"`{' '.join([place.program, 'auth', 'login', *self.host])}`",
            )
        raise PullRequestError(
            f"`{place.program} {' '.join(args[:2])}` failed with exit code {exit_code}",
            detail=words or "it printed nothing",
        )

    def json(self, args: Sequence[str]) -> Any:
        """Return what the program printed as JSON (or raise PullRequestError)."""
        return parse_answer(self.run(args), args)


def _call(place: Place, args: Sequence[str], cwd: Path, stdin: str = "") -> tuple[int, str, str]:
    program = find_tool(place.program, cwd)
    if program is None:
        raise ProgramNotFoundError(
            place.program, problem="it is not on the PATH", hint=INSTALL[place.program]
        )
    import subprocess  # start-up: only what asks a host needs it

    process = spawn(
        [program, *args],
        cwd=cwd,
        env=child_environment() | _QUIET,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # No terminal to ask on, and a group that can be killed with all it started.
        new_session=True,
    )
    try:
        answers = process.communicate(stdin.encode("utf-8", "replace"), timeout=CALL_SECONDS)
    except BaseException as error:
        kill_group(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise PullRequestError(
                f"`{place.program} {' '.join(args[:2])}` took longer than {CALL_SECONDS:g} s",
                hint="look whether the network is there, then run the command again",
            ) from None
        raise
    stdout, stderr = (each.decode("utf-8", "replace") for each in answers)
    return process.returncode, stdout, stderr


def parse_answer(text: str, args: Sequence[str]) -> Any:
    """Return what stands in a program's answer; of several pages, all items of their lists."""
    decoder, at, pages = json.JSONDecoder(), 0, list[Any]()
    text = text.strip()
    try:
        while at < len(text):
            page, at = decoder.raw_decode(text, at)
            pages.append(page)
            at += len(text[at:]) - len(text[at:].lstrip())
    except (ValueError, RecursionError):
        pages = []
    if not pages:
        words = " ".join(args[:2])
        raise PullRequestError(
            f"the answer to `{words}` is not JSON",
            detail=text[:_OUTPUT_CHARACTERS] or "it is empty",
        )
    if all(isinstance(page, list) for page in pages):
        return [item for page in pages for item in page]
    return pages[0]


def number_in(text: str, word: str) -> int:
    """Return the number in the last address of a request in a text (or raise PullRequestError)."""
    found = re.findall(rf"https?://\S+/{word}/(\d+)", text)
    if not found:
        raise PullRequestError(
            "the request was made, and its address is not known", detail=text.strip()[-500:] or None
        )
    return int(found[-1])


def check_state(words: str) -> str:
    """Return what a check came to: see `Check.state`."""
    known = {"passed": _PASSED, "failed": _FAILED, "stopped": _STOPPED}
    return next((state for state, those in known.items() if words.upper() in those), "pending")


def line_place(path: str, first: int, last: int) -> str:
    """Return lines of a file as `Comment.place` has them; empty where they are none."""
    if not path or not 1 <= first <= last:
        return ""
    return f"{path}:{first}" if first == last else f"{path}:{first}-{last}"


def with_text(comments: Iterable[Comment]) -> list[Comment]:
    """Return the comments in which anything is said."""
    return [each for each in comments if each.text.strip()]


def comment_name(each: Mapping[str, Any], kind: str) -> str:
    """Return what a comment is remembered by, as one word."""
    value = each.get("id") or each.get("url") or each.get("html_url") or ""
    return f"{kind}:{re.sub(r'[^!-~]', '', str(value))[:200]}"


def author_of(each: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the author of an answer's part."""
    return object_of(each.get("author"))


def object_of(value: object) -> Mapping[str, Any]:
    """Return a value that should be an object; an empty one where it is not."""
    return value if isinstance(value, dict) else {}


def objects_of(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of a value that should be a list of them."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text_of(values: Mapping[str, Any], key: str) -> str:
    """Return a value that should be text; empty where it is not."""
    value = values.get(key)
    return value if isinstance(value, str) else ""


def number_of(values: Mapping[str, Any], key: str) -> int:
    """Return a value that should be a whole number; 0 where it is not."""
    value = values.get(key)
    return value if type(value) is int else 0
