"""A report: a page that needs nothing else, and markdown for a comment."""

from __future__ import annotations

import json
import re
import shutil
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_review import AGENT, HONEST, hand_off
from tests.support.in_process import call
from tests.support.mission import MissionRepo, make_environ

assert AGENT
USED = 'tell(type="usage", input_tokens=1200, output_tokens=300, cost_usd=0.42)\n'
CLAIMS_TOO_MUCH = HONEST.replace("(new)", "(new)\\n- `src/never.py` (new)")
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "nav", "section"),
    *("footer", "div", "span", "h1", "h2", "h3", "h4", "h5", "h6", "p", "b", "br", "hr", "a"),
    *("ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "blockquote"),
    *("em", "strong", "del", "details", "summary", "svg", "g", "path", "rect", "text"),
}
HOSTILE = (
    "</title></style></script><script>alert(1)</script><img src=x onerror=alert(1)>"
    "[go](javascript:alert(1)) <javascript:alert(1)> @everyone fixes #1 https://evil.example/x "
    "\x1b[31mred\x1b]0;t\x07 \u202eback `co<b>de` |a|b| *x* ~~y~~ &#106;&lt;"
)


class Page(HTMLParser):
    """A page as a browser reads it: its tags, what they lead to, and what it says."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.places: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in ("href", "src"):
                self.links.add(value or "")
            if name == "id":
                self.places.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def worked(planned: Path, tmp_path_factory: pytest.TempPathFactory) -> MissionRepo:
    """A mission with a task that is done, one that failed, one that asks, and one that waits."""
    folder = tmp_path_factory.mktemp("worked") / "project"
    shutil.copytree(planned, folder, symlinks=True)
    repo = MissionRepo(folder, make_environ(folder.parent))
    assert hand_off(repo, USED + CLAIMS_TOO_MUCH).exit_code == 0
    force = ("--approve", "--force", "--why", "good enough")
    assert repo.run("review", "T-001", *force).exit_code == 0
    repo.git("add", "--all")
    time.sleep(2.2 - time.time() % 1)  # git knows the time of a commit to the second
    repo.git("commit", "-qm", "First is done")
    assert repo.run("next", "--task", "T-002", "--runtime", "fail", "--headless").exit_code == 1
    assert repo.run("block", "T-003", "--why", "needs a human: which colour?").exit_code == 0
    assert repo.run("add", "Fourth", "-m", "M1", "-d", "T-002", "-d", "T-001").exit_code == 0
    return repo


def page_of(repo: MissionRepo, *options: str) -> tuple[str, Page]:
    answer = repo.run("report", "--html", "-", *options)
    assert answer.exit_code == 0, answer.stderr
    return answer.stdout, Page(answer.stdout)


def test_a_page_needs_nothing_else_and_tells_all(worked: MissionRepo, tmp_path: Path) -> None:
    place = tmp_path / "report.html"
    answer = worked.run("report", "--html", str(place))
    assert (answer.exit_code, answer.stdout) == (0, f"written to {place}\n")
    html = place.read_text()
    page = Page(html)
    assert page.tags <= TAGS
    assert not {name for name in page.attributes if name.startswith("on")}
    assert all(link.startswith("#") and link[1:] in page.places for link in page.links)
    assert len(page.places) == len(set(page.places))
    assert "default-src 'none'" in html
    assert not re.search(r"url\(|@import|@font-face", html)  # nor does its style ask for more
    for words in ("Sessions", "1 of 4 done (25 %)", "M1", "One", "2 wait for a person"):
        assert words in page.text
    assert "which colour?" in page.text
    assert f"{worked.session()['sessionId']} failed" in page.text
    assert 'mission answer T-003 "…"' in page.text
    assert "2 confirmed, 1 contradicted of 3 claims" in page.text
    for words in ("src/never.py", "all criteria met", "good enough", "$0.42, 1.5k tokens"):
        assert words in page.text
    assert "T-004 Fourth: waits on `T-002`" in page.text  # the graph says it too
    assert "tells" in page.text
    assert "fail" in page.text
    assert html.count("<svg") == 2


def test_markdown_is_short_and_printed_where_nothing_else_is_wanted(worked: MissionRepo) -> None:
    printed = worked.run("report").stdout
    again = worked.run("report", "--markdown", "-").stdout
    assert re.sub("As of .*", "", again) == re.sub("As of .*", "", printed)
    assert printed.startswith("## Sessions\n\nactive, 1 of 4 done (25 %), 2 wait for a person.")
    assert "| M1 One | 1/4 | ▓▓░░░░░░░░ 25 %, current |" in printed
    assert "- `T-003` Third: question: which colour?" in printed
    assert "**Next:** T-002 Second" in printed
    assert "- `T-001` approved by Somebody" in printed
    assert "**Spent:** $0.42, 1.5k tokens, 2 sessions" in printed
    assert len(printed) < 4_000


def test_the_record_has_the_keys_of_status_and_what_was_written(
    worked: MissionRepo, tmp_path: Path
) -> None:
    place = str(tmp_path / "report.md")
    found = worked.run("report", "--json", "--markdown", place).json()
    status = worked.run("status", "--json").json()
    ours = ("live_sessions", "next_commands", "kind")
    assert {key: found[key] for key in status if key not in ours} == {
        key: status[key] for key in status if key not in ours
    }
    assert found["tasks"] == worked.run("list", "--all", "--json").json()["tasks"]
    assert (found["kind"], found["written"]) == ("report", [place])
    assert Path(place).read_text().startswith("## Sessions")
    handoff = next(each for each in found["handoffs"] if each["task"]["id"] == "T-001")
    claims = {each["path"]: each["standing"] for each in handoff["claims"]["files"]}
    assert claims == {"src/a.py": "confirmed", "src/never.py": "contradicted"}
    spend = found["spend"]
    assert spend["total"]["usage"]["cost_usd"] == 0.42
    assert [each["name"] for each in spend["runtimes"]] == ["tells", "fail"]
    assert [(each["name"], each["sessions"]) for each in spend["models"]] == [("not known", 2)]
    assert [(each["name"], each["sessions"]) for each in spend["milestones"]] == [("M1", 2)]


def test_since_tells_what_happened_then(worked: MissionRepo) -> None:
    first, second = (session["sessionId"] for session in worked.mission()["sessions"])

    def told(when: str) -> Any:
        answer = worked.run("report", "--json", "--since", when)
        assert answer.exit_code == 0, answer.stderr
        found = answer.json()
        moves = {each["task_id"]: (each["before"], each["after"]) for each in found["moves"] or ()}
        sessions = [each["id"] for each in found["sessions"]]
        return moves, sessions, [each["task"]["id"] for each in found["handoffs"]]

    after_first = {
        "T-002": ("todo", "in-progress"),
        "T-003": ("todo", "blocked"),
        "T-004": ("", "todo"),
    }
    all_moves = {"T-001": ("todo", "done"), **after_first}
    assert told("HEAD")[:2] == (after_first, [second])
    assert told("HEAD~1") == (all_moves, [first, second], ["T-001"])
    assert told(second)[1] == [second]
    assert told("2d")[1:] == ([first, second], ["T-001"])
    assert told("2020-01-01")[1] == [first, second]
    words = worked.run("report", "--since", "HEAD~1").stdout
    assert "- `T-001` First: todo → done" in words
    assert "- `T-001` First: - all criteria met; 2 confirmed, 1 contradicted of 3 claims" in words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--since", "whenever"), "is not understood"),
        (("--since", "2026-13-01"), "is not understood"),
        (("--since", "--help-me"), "is not understood"),
        (("--since", "2999-01-01"), "is ahead"),
        (("--html", "-", "--markdown", "-"), "only one form can be printed"),
        (("--html", "-", "--json"), "only one form can be printed"),
        (("--html", "no/such/folder/x.html"), "no/such/folder"),
    ],
)
def test_a_wrong_call_is_told(worked: MissionRepo, options: tuple[str, ...], words: str) -> None:
    answer = worked.run("report", *options)
    assert answer.exit_code != 0
    assert words in answer.stderr
    assert answer.stdout == ""


def test_an_empty_mission_has_a_report_too(tmp_path: Path) -> None:
    repo = MissionRepo(tmp_path, make_environ(tmp_path))
    assert repo.run("init", "--name", "Empty").exit_code == 0
    html, page = page_of(repo, "--since", "2d")
    assert "There are no tasks yet." in page.text
    assert "<svg" not in html
    assert "nothing is ready: there are no tasks" in repo.run("report").stdout


def test_what_is_broken_is_named(repo: MissionRepo) -> None:
    bad = repo.path / "coordination" / "tasks" / "T-009-bad.md"
    bad.write_text("---\ntask_id: T-009\ntitle: [\n---\n")
    answer = repo.run("report", "--html", "-")
    assert answer.exit_code == repo.run("status").exit_code != 0
    assert "T-009-bad.md" in Page(answer.stdout).text


def hostile(repo: MissionRepo) -> MissionRepo:
    """Put markup, links and control sequences where files and agents have their say."""
    text = HOSTILE.replace("\x1b", "\\x1b").replace("\x07", "\\x07").replace("\u202e", "\\u202e")
    says = f'said = "{text}"\n'.replace('"t"', "t")
    body = HONEST.replace('"- all criteria met"', "said").replace('risks="none"', "risks=said")
    body = body.replace('"go on"', "said").replace("`src/a.py` (new)", '`src/a.py` " + said + "')
    assert hand_off(repo, says + body).exit_code == 0
    assert repo.run("review", "T-001", "--reject", "--why", HOSTILE).exit_code == 0
    assert hand_off(repo, says + body).exit_code == 0
    title = f"title: {json.dumps(HOSTILE)}"  # as YAML has it
    for path in sorted((repo.path / "coordination" / "tasks").glob("T-00[23]*.md")):
        path.write_text(re.sub("(?m)^title: .*", lambda _: title, path.read_text()))
    table = repo.path / "coordination" / "TASKS.md"
    table.write_text(re.sub(r"(?m)^.*\b(Second|Third)\b.*\n", "", table.read_text()))
    mission = repo.mission()
    mission["name"] = mission["description"] = HOSTILE.replace("\x1b", "").replace("\x07", "")
    mission["milestones"][0]["name"] = mission["name"]
    mission["sessions"][0] |= {"endedDetail": HOSTILE, "runtime": "<script>x"}
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    shutil.rmtree(repo.path / ".git" / "mosaic" / "sessions")
    assert repo.run("block", "T-002", "--why", f"{HOSTILE}?").exit_code == 0
    assert repo.run("set", "T-003", "depends_on=T-001,T-002").exit_code == 0
    return repo


def test_nothing_that_files_and_agents_say_can_run_or_call(repo: MissionRepo) -> None:
    hostile(repo)
    html, page = page_of(repo)
    assert page.tags <= TAGS
    assert not {name for name in page.attributes if name.startswith("on")}
    assert {link for link in page.links if not link.startswith("#")} <= {"https://evil.example/x"}
    assert page.text.count("<script>alert(1)</script>") > 5
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", html)
    printed = repo.run("report", "--since", "1d").stdout
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", printed)
    bare = re.sub(r"`[^`]*`|\\.", "", printed)
    assert not re.search(r"[<\[@]|#\d|//|\*x|&", bare.replace("**", ""))
    assert "everyone" in printed


def test_a_large_mission_has_a_page_of_bounded_size(tmp_path: Path) -> None:
    count, long = 1_200, "A long word of an agent. " * 1_000
    assert call(tmp_path, "init", "--name", "Large", "--milestone", "M1: All").exit_code == 0
    tasks = tmp_path / "coordination" / "tasks"
    for number in range(1, count + 1):
        status = ("done", "todo", "review")[number % 3]
        needs = f"[T-{number - 1:04}]" if number % 7 else "[]"
        handoff = f"## result\n\n{long}\n" if number % 4 == 0 else ""
        (tasks / f"T-{number:04}.md").write_text(
            f"---\ntask_id: T-{number:04}\ntitle: Task {number}\nstatus: {status}\n"
            f"milestone: M1\ndepends_on: {needs if number > 1 else '[]'}\n---\n\n{handoff}"
        )
    answer = call(tmp_path, "report", "--html", "-")
    assert answer.exit_code == 0, answer.stderr
    assert len(answer.stdout) < 2_000_000
    page = Page(answer.stdout)
    assert "1200 tasks, of which 1000 are here" in page.text
    assert "540 handoffs" in page.text
    assert "400 of 1200 tasks: open ones" in page.text
    assert "cut here after" in page.text
    assert len(call(tmp_path, "report").stdout) < 12_200
