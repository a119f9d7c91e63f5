"""GitHub and GitLab as their programs show them: scripted `gh` and `glab`, and a real remote.

Both programs read and write one JSON file, answer with the JSON of the real ones, and refuse what
the real ones would: flags that they do not have, fields that nobody asked for. A merge is made
for real, in the bare repository that the remote's address leads to.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.support.git import git
from tests.support.mission import MissionRepo

HOSTS = {"gh": "github.com", "glab": "gitlab.com"}
REPOSITORY = "acme/rocket"

COMMON = """\
import json, os, pathlib, re, subprocess, sys, time
from urllib.parse import parse_qs, unquote
place = pathlib.Path({place!r})
state = json.loads(place.read_text())
argv = sys.argv[1:]
state["calls"].append(argv)
place.write_text(json.dumps(state))
for name in ("GH_PROMPT_DISABLED", "NO_PROMPT"):
    assert os.environ[name] == "1"
def fail(words, code=1):
    print(words, file=sys.stderr)
    sys.exit(code)
def options(flags, switches=()):
    found, rest, words = {{}}, [], iter(argv[2:])
    for word in words:
        if word in switches:
            found[word] = True
        elif word in flags:
            found[word] = next(words)
        elif word.startswith("-"):
            fail("unknown flag: " + word)
        else:
            rest.append(word)
    return found, rest
def save():
    place.write_text(json.dumps(state))
def tip_of(branch, known):
    asked = ["git", "--git-dir", {bare!r}, "rev-parse", "--verify", "-q", "refs/heads/" + branch]
    done = subprocess.run(asked, capture_output=True, text=True)
    return known or done.stdout.strip()
if state.get("slow"):
    time.sleep(600)
logged_in = state["logged_in"]
if argv[:2] == ["auth", "status"]:
    given, _ = options(["--hostname"])
    assert given["--hostname"] == {host!r}
    sys.exit(0 if logged_in else 1)
if state.get("broken"):
    fail(state["broken"])
"""

GH = """\
if not logged_in:
    fail("To get started with GitHub CLI, please run:  gh auth login", 4)
FIELDS = set("number url state isDraft mergedAt mergeCommit headRefName headRefOid baseRefName "
    "reviewDecision statusCheckRollup reviews comments isCrossRepository title body".split())
def shown(request, fields):
    unknown = set(fields) - FIELDS
    if unknown:
        fail("Unknown JSON field: " + ", ".join(unknown))
    request["headRefOid"] = tip_of(request["headRefName"], request["headRefOid"])
    return {key: request[key] for key in fields}
if argv[:2] == ["pr", "list"]:
    given, _ = options(["-R", "--head", "--state", "--limit", "--json"])
    found = [r for r in state["requests"] if r["headRefName"] == given["--head"]]
    print(json.dumps([shown(r, given["--json"].split(",")) for r in reversed(found)]))
elif argv[:2] == ["pr", "create"]:
    given, _ = options(["-R", "--head", "--base", "--title", "--body-file"])
    assert given["-R"] == "github.com/acme/rocket" and given["--body-file"] == "-"
    number = 7 + len(state["requests"])
    url = "https://github.com/acme/rocket/pull/%d" % number
    state["requests"].append({
        "number": number, "url": url, "state": "OPEN", "isDraft": False, "mergedAt": None,
        "mergeCommit": None, "headRefName": given["--head"], "baseRefName": given["--base"],
        "headRefOid": "", "reviewDecision": "",
        "statusCheckRollup": [], "reviews": [], "comments": [], "isCrossRepository": False,
        "title": given["--title"], "body": sys.stdin.read(), "on_lines": []})
    save()
    print("\\nCreating pull request for %s into %s\\n" % (given["--head"], given["--base"]),
          file=sys.stderr)
    print(url)
elif argv[:2] == ["pr", "view"]:
    given, (number,) = options(["-R", "--json"])
    (found,) = [r for r in state["requests"] if r["number"] == int(number)]
    if state["views"]:
        found.update(state["views"].pop(0))
        save()
    print(json.dumps(shown(found, given["--json"].split(","))))
elif argv[0] == "api":
    argv.insert(1, "")
    given, (path,) = options(["--hostname"], ["--paginate"])
    number = int(re.fullmatch(r"repos/acme/rocket/pulls/(\\d+)/comments\\?per_page=100", path)[1])
    (found,) = [r for r in state["requests"] if r["number"] == number]
    # Pages of lists are printed one behind the other by older versions.
    for at in range(0, len(found["on_lines"]) or 1, 2):
        print(json.dumps(found["on_lines"][at:at + 2]), end="")
elif argv[:2] == ["run", "view"]:
    given, _ = options(["-R", "--job"], ["--log-failed"])
    print(state["logs"][given["--job"]])
else:
    fail("unknown command " + " ".join(argv))
"""

GLAB = """\
if not logged_in:
    fail("! No token found. Run `glab auth login`.")
def number_in(path):
    return int(re.search(r"merge_requests/(\\d+)", path)[1])
def find(number):
    (found,) = [r for r in state["requests"] if r["iid"] == number]
    return found
if argv[:2] == ["mr", "create"]:
    given, _ = options(
        ["-R", "--source-branch", "--target-branch", "--title", "--description"], ["--yes"])
    assert given["-R"] == "https://gitlab.com/acme/rocket" and given["--yes"]
    number = 7 + len(state["requests"])
    url = "https://gitlab.com/acme/rocket/-/merge_requests/%d" % number
    state["requests"].append({
        "iid": number, "web_url": url, "state": "opened", "merged_at": None, "sha": "",
        "merge_commit_sha": None, "squash_commit_sha": None, "draft": False, "project_id": 3,
        "source_project_id": 3, "source_branch": given["--source-branch"],
        "target_branch": given["--target-branch"], "title": given["--title"],
        "description": given["--description"], "detailed_merge_status": "mergeable",
        "head_pipeline": None, "discussions": [], "jobs": []})
    save()
    print("\\nCreating merge request for %s\\n!%d %s\\n %s" % (
        given["--source-branch"], number, given["--title"], url))
elif argv[:2] == ["mr", "view"]:
    given, (number,) = options(["-R", "--output"])
    assert given["--output"] == "json"
    found = find(int(number))
    found["sha"] = tip_of(found["source_branch"], found["sha"])
    print(json.dumps({k: v for k, v in found.items() if k not in ("discussions", "jobs")}))
elif argv[0] == "api":
    argv.insert(1, "")
    given, (path,) = options(["--hostname"], ["--paginate"])
    path = path.removeprefix("projects/acme%2Frocket/")
    if path.startswith("merge_requests?"):
        branch = parse_qs(path.partition("?")[2])["source_branch"][0]
        found = [r for r in state["requests"] if r["source_branch"] == branch]
        print(json.dumps(found[::-1]))
    elif "/discussions" in path:
        print(json.dumps(find(number_in(path))["discussions"]))
    elif path.startswith("pipelines/"):
        print(json.dumps(state["requests"][-1]["jobs"]))
    elif path.startswith("members/all?"):
        wanted = map(int, parse_qs(path.partition("?")[2])["user_ids[]"])
        print(json.dumps([m for m in state["members"] if m["id"] in wanted]))
    elif path.startswith("jobs/"):
        print(state["logs"][path.split("/")[1]])
    else:
        fail("404 Not Found")
else:
    fail("unknown command " + " ".join(argv))
"""


def check_of(name: str, conclusion: str, *, job: str = "") -> dict[str, Any]:
    """Return what a request of GitHub has of one check; without a conclusion it still runs."""
    url = f"https://github.com/acme/rocket/actions/runs/1/job/{job}" if job else ""
    run = {
        "__typename": "CheckRun", "name": name, "workflowName": "CI", "detailsUrl": url,
        "status": "COMPLETED" if conclusion else "IN_PROGRESS", "conclusion": conclusion,
        "startedAt": "2026-11-26T10:00:00Z", "completedAt": "2026-11-26T10:01:00Z",
    }  # fmt: skip
    return {"statusCheckRollup": [run]}


class Hosted:
    """A remote on a host, as the repository of a mission has it, and the host's program."""

    def __init__(self, repo: MissionRepo, program: str = "gh") -> None:
        """Make the remote `origin`, push `main` to it, and put the program on the PATH."""
        self.repo, self.program = repo, program
        self.bare = repo.path.parent / "hosted" / "rocket.git"
        self._place = repo.path.parent / "hosted" / "state.json"
        self.bare.mkdir(parents=True)
        git(self.bare, "init", "-q", "--bare", "-b", "main")
        host = HOSTS[program]
        repo.git("remote", "add", "origin", f"https://{host}/{REPOSITORY}.git")
        repo.git("config", f"url.{self.bare}.insteadOf", f"https://{host}/{REPOSITORY}.git")
        repo.git("push", "-q", "-u", "origin", "main")
        start = {"logged_in": True, "requests": [], "calls": [], "logs": {}, "members": []}
        start["views"] = []
        self._place.write_text(json.dumps(start))
        tools = repo.path.parent / "tools"
        tools.mkdir()
        place = tools / program
        common = COMMON.format(place=str(self._place), bare=str(self.bare), host=host)
        place.write_text(f"#!{sys.executable}\n{common}{GH if program == 'gh' else GLAB}")
        place.chmod(0o755)
        repo.environ["PATH"] = f"{tools}:{repo.environ['PATH']}"

    @property
    def state(self) -> Any:
        """Everything that the host has."""
        return json.loads(self._place.read_text())

    def set(self, **values: Any) -> None:
        """Change something on the host."""
        self._place.write_text(json.dumps({**self.state, **values}))

    @property
    def request(self) -> Any:
        """The newest request."""
        return self.state["requests"][-1]

    def change(self, **values: Any) -> None:
        """Change the newest request."""
        requests = self.state["requests"]
        requests[-1] |= values
        self.set(requests=requests)

    def calls(self, *words: str) -> list[list[str]]:
        """Return the calls of the program that begin with some words."""
        return [call for call in self.state["calls"] if call[: len(words)] == list(words)]

    def tip(self, branch: str) -> str:
        """Return the commit at the tip of a branch of the remote."""
        return git(self.bare, "rev-parse", f"refs/heads/{branch}")

    def comment(self, text: str, by: str = "bob", standing: str = "MEMBER") -> None:
        """Write a comment on the newest request of GitHub."""
        found = self.request["comments"]
        name = f"IC_{len(found)}"
        comment = {
            "id": name, "author": {"login": by}, "authorAssociation": standing, "body": text,
            "createdAt": "2026-11-26T10:00:00Z", "includesCreatedEdit": False,
            "isMinimized": False, "minimizedReason": "", "reactionGroups": [],
            "url": f"{self.request['url']}#issuecomment-{name}", "viewerDidAuthor": False,
        }  # fmt: skip
        self.change(comments=[*found, comment])

    def review(self, text: str, state: str = "CHANGES_REQUESTED", by: str = "bob") -> None:
        """Write a review of the newest request of GitHub."""
        found = self.request["reviews"]
        review = {
            "id": f"PRR_{len(found)}", "author": {"login": by}, "authorAssociation": "MEMBER",
            "body": text, "submittedAt": "2026-11-26T10:00:00Z", "includesCreatedEdit": False,
            "reactionGroups": [], "state": state, "commit": {"oid": ""},
        }  # fmt: skip
        self.change(reviews=[*found, review])

    def comment_on(self, path: str, line: int, text: str, standing: str = "MEMBER") -> None:
        """Write a comment on a line of the newest request of GitHub."""
        found = self.request["on_lines"]
        comment = {
            "id": 170 + len(found), "user": {"login": "carol", "type": "User"}, "body": text,
            "author_association": standing, "path": path, "line": line, "start_line": None,
            "side": "RIGHT", "commit_id": self.tip(self.request["headRefName"]),
            "diff_hunk": "@@ -0,0 +1 @@", "created_at": "2026-11-26T10:00:00Z",
            "html_url": f"{self.request['url']}#discussion_r{170 + len(found)}",
        }  # fmt: skip
        self.change(on_lines=[*found, comment])

    def check(self, name: str, conclusion: str, *, job: str = "") -> None:
        """Have one check of the newest request of GitHub."""
        self.change(**check_of(name, conclusion, job=job))

    def merge(self, *, squash: bool = False) -> str:
        """Merge the newest request's branch into the remote's `main`, and return the commit."""
        branch = self.request.get("headRefName") or self.request["source_branch"]
        tip, place = self.tip(branch), self.bare.parent / "clone"
        git(self.bare.parent, "clone", "-q", str(self.bare), str(place))
        git(place, "merge", "-q", *(["--squash"] if squash else ["--no-ff"]), f"origin/{branch}")
        if squash:
            git(place, "commit", "-q", "-m", "Squashed")
        git(place, "push", "-q", "origin", "main")
        commit = self.tip("main")
        if self.program == "gh":
            self.change(state="MERGED", mergeCommit={"oid": commit}, headRefOid=tip)
        else:
            self.change(state="merged", merge_commit_sha=commit, sha=tip)
        return commit
