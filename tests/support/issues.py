"""GitHub's issues as a scripted `gh` has them: it answers what imports ask."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.support.mission import MissionRepo

GH = """\
#!{python}
import json, os, sys
place = {place!r}
state = json.load(open(place))
argv = sys.argv[1:]
assert os.environ["GH_PROMPT_DISABLED"] == "1"
def option(name):
    return argv[argv.index(name) + 1]
def issue(number):
    return next(each for each in state["issues"] if str(each["number"]) == number)
def save():
    json.dump(state, open(place, "w"))
if state.get("broken"):
    sys.exit(state["broken"])
if argv[:2] == ["issue", "list"]:
    fields = option("--json").split(",")
    assert option("--state") == "all" and int(option("--limit")) > 30
    known = set("number title body state stateReason labels assignees milestone createdAt "
        "closedAt url".split())
    assert set(fields) <= known, fields
    print(json.dumps([{{name: each.get(name) for name in fields}} for each in state["issues"]]))
elif argv[0] == "api":
    number = argv[-1].split("/")[-3]
    blockers = state["blocked_by"].get(number, [])
    print(json.dumps([{{"number": n, "html_url": issue(str(n))["url"]}} for n in blockers]))
elif argv[:2] == ["issue", "close"]:
    reason = {{"completed": "COMPLETED", "not planned": "NOT_PLANNED"}}[option("--reason")]
    issue(argv[2]).update(state="CLOSED", stateReason=reason)
    save()
elif argv[:2] == ["issue", "reopen"]:
    issue(argv[2]).update(state="OPEN", stateReason="REOPENED")
    save()
else:
    sys.exit("unknown command " + " ".join(argv))
"""


class Issues:
    """The issues of one repository, as `gh` on the PATH of a mission shows them."""

    def __init__(self, repo: MissionRepo, folder: Path, issues: list[dict[str, Any]]) -> None:
        self._state = folder / "issues.json"
        programs = folder / "programs"
        programs.mkdir()
        program = programs / "gh"
        program.write_text(GH.format(python=sys.executable, place=str(self._state)))
        program.chmod(0o755)
        self.write(issues=issues, blocked_by={})
        self.path = f"{programs}:{repo.environ['PATH']}"

    def read(self) -> Any:
        return json.loads(self._state.read_text())

    def write(self, **changes: Any) -> None:
        before = self.read() if self._state.exists() else {}
        self._state.write_text(json.dumps({**before, **changes}))


def make_issue(number: int, title: str, **values: Any) -> dict[str, Any]:
    """Return an issue as `gh issue list --json` has it."""
    return {
        "number": number,
        "title": title,
        "body": "",
        "state": "OPEN",
        "stateReason": "",
        "labels": [],
        "assignees": [],
        "milestone": None,
        "createdAt": "2026-01-02T03:04:05Z",
        "closedAt": None,
        "url": f"https://github.com/acme/rocket/issues/{number}",
        **values,
    }
