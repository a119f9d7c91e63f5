"""The board in the browser, asked as a browser asks: who may, what changes, what is sent."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mosaic.app.change import Actor
from mosaic.app.decisions import approve
from mosaic.app.task_work import show_review
from mosaic.errors import FileChangedError
from mosaic.store.reading import read_mission
from tests.support.browsing import HOSTILE, Server, copy_scene, serving
from tests.support.mission import MissionRepo

for needed in ("starlette", "uvicorn"):
    pytest.importorskip(needed, reason=f"`mission web` needs {needed}: the extra `web`")

TOKEN = "a-token-of-this-test"
NO_TROUBLE = '<div id="trouble"></div>\n'
PAGES = (
    "/",
    "/plan",
    "/inbox",
    "/live",
    "/graph",
    "/timeline",
    "/log/T-001",
    "/task/T-001",
    "/task/T-002",
    "/task/T-004",
)


@pytest.fixture(scope="module")
def shown(board_scene: MissionRepo) -> Iterator[Server]:
    """A server for tests that change nothing."""
    with serving(board_scene) as server:
        yield server


@pytest.fixture
def repo(board_scene: MissionRepo, tmp_path: Path) -> MissionRepo:
    return copy_scene(board_scene, tmp_path / "mission")


def contents(repo: MissionRepo) -> dict[str, bytes]:
    """Return the mission's own files."""
    files = (repo.path / "coordination").rglob("*")
    return {
        str(path): path.read_bytes()
        for path in files
        if path.is_file() and ".state" not in path.parts
    }


@pytest.mark.parametrize(
    ("headers", "fields", "status"),
    [
        ({"host": "evil.example"}, {}, 403),
        ({"host": "localhost.evil.example:80"}, {}, 403),
        ({"origin": None}, {}, 403),
        ({"origin": "null"}, {}, 403),
        ({"origin": "http://evil.example"}, {}, 403),
        ({"sec-fetch-site": "cross-site"}, {}, 403),
        ({"sec-fetch-site": "same-site"}, {}, 403),
        ({}, {"token": ""}, 403),
        ({}, {"token": "a" * 32}, 403),
        ({}, {"words": "x" * 400_000}, 413),
        ({}, {"version": ""}, 409),
        ({}, {"version": "0" * 16}, 409),
        ({}, {"words": " \n"}, 400),
    ],
)
def test_a_change_is_refused_that_does_not_come_from_our_own_page_as_it_is_now(
    board_scene: MissionRepo,
    shown: Server,
    headers: dict[str, str | None],
    fields: dict[str, str],
    status: int,
) -> None:
    before = contents(board_scene)
    form = shown.form_of("/inbox", "/task/T-002/answer")
    answer = shown.ask("/task/T-002/answer", {**form, "words": "blue", **fields}, headers=headers)
    assert answer.status == status, answer.text
    assert contents(board_scene) == before


def test_other_methods_and_pages_do_not_exist(shown: Server) -> None:
    assert shown.ask("/", method="PUT").status == 405
    assert shown.ask("/task/T-002/answer").status == 405
    assert shown.ask("/nothing").status == 404
    assert shown.ask("/task/T-999").status == 404
    assert shown.ask("/static/../guard.py").status == 404
    assert shown.ask("/stream?view=nothing").status == 404


class Scripts(HTMLParser):
    """Collects whatever of a page a browser could run, but our own file."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("iframe", "object", "embed", "base", "style", "img"):
            self.found.append(tag)
        if tag == "script" and values.get("src") != "/static/board.js":
            self.found.append(tag)
        self.found += [name for name in values if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action", "formaction"):
            place = values.get(name) or ""
            if place and not place.startswith(("/", "#", "?", "http://", "https://", "mailto:")):
                self.found.append(place)


@pytest.mark.parametrize("page", PAGES)
def test_nothing_that_a_file_or_an_agent_says_can_run(shown: Server, page: str) -> None:
    answer = shown.ask(page)
    assert answer.status == 200
    reader = Scripts()
    reader.feed(answer.text)
    assert reader.found == []
    assert HOSTILE not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_hostile_words_are_shown_as_words(shown: Server) -> None:
    assert "&lt;script&gt;document.title" in shown.ask("/").text
    assert "&lt;img src=x onerror" in shown.ask("/inbox").text
    assert "javascript:alert" in shown.ask("/task/T-001").text  # spelt out, and no link


def test_who_has_no_token_sees_nothing(board_scene: MissionRepo) -> None:
    with serving(board_scene, "--token", TOKEN) as server:
        for page in PAGES:
            answer = server.ask(page)
            assert answer.status == 401
            assert "Worker runner" not in answer.text
        assert server.ask("/stream?view=board").status == 401
        assert server.ask("/enter", {"access": "wrong"}).status == 401
        assert (
            server.ask(
                "/enter", {"access": TOKEN}, headers={"origin": "http://evil.example"}
            ).status
            == 403
        )
        away = server.ask("/enter", {"access": TOKEN, "next": "//evil.example/"})
        assert away.headers["location"] == "/"
        entered = server.ask("/enter", {"access": TOKEN, "next": "/plan"})
        assert (entered.status, entered.headers["location"]) == (303, "/plan")
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert TOKEN not in cookie
        plan = server.ask("/plan", headers={"cookie": cookie.partition(";")[0]})
        assert "Write a greeting" in plan.text


def test_read_only_has_no_forms_and_takes_none(board_scene: MissionRepo) -> None:
    before = contents(board_scene)
    with serving(board_scene, "--read-only") as server:
        for page in PAGES:
            assert 'method="post"' not in server.ask(page).text
        refused = server.ask("/add", {"title": "x"})
        assert (refused.status, contents(board_scene)) == (403, before)


def test_others_can_come_only_with_a_token_and_that_is_explained(board_scene: MissionRepo) -> None:
    refused = board_scene.run("web", "--host", "0.0.0.0")
    assert refused.exit_code == 2
    assert "there is no token" in refused.stderr
    short = board_scene.run("web", "--host", "0.0.0.0", "--token", "short")
    assert "fewer than 12 characters" in short.stderr
    with serving(board_scene, "--host", "0.0.0.0", "--token", TOKEN) as server:
        port = server.place.partition(":")[2]
        local = Server(f"http://127.0.0.1:{port}/", server.process)
        assert local.ask("/").status == 401
        assert local.ask("/", headers={"host": "evil.example"}).status == 403
    process = board_scene.start("web", "--host", "0.0.0.0", "--token", TOKEN)
    assert process.stderr
    said = ""
    for line in process.stderr:
        said += line
        if "TLS" in line:
            break
    process.kill()
    process.communicate()
    assert "decides and hands off as you" in said
    assert "not encrypted" in said


def test_a_port_in_use_is_an_error_where_it_was_named_else_the_next_is_taken(
    board_scene: MissionRepo,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = board_scene.run("web", "--port", port)
        assert refused.exit_code == 1
        assert f"port {port} is in use" in refused.stderr
    with serving(board_scene) as first, serving(board_scene) as second:
        ports = {int(each.place.partition(":")[2]): each for each in (first, second)}
        assert len(ports) == 2
        assert min(ports) >= 7470
        took = max(ports)  # others may be served at the same time
        assert ports[took].notices == (f"port 7470 is in use; {took} is the next one that is free",)
        assert [each.ask("/").status for each in (first, second)] == [200, 200]


def until(events: Iterator[tuple[str, Any]], is_met: Callable[[Any], bool]) -> Any:
    """Return the first change of a page that is such; a look may come in the middle of one."""
    return next(change for name, change in events if name == "change" and is_met(change))


def test_a_change_is_made_and_every_page_hears_of_it(repo: MissionRepo) -> None:
    with serving(repo) as server, server.events("/") as events:
        assert next(events) == ("open", None)
        answer = server.send("/inbox", "/task/T-002/answer", words="blue,\r\nas the sea")
        assert (answer.status, answer.headers["location"]) == (303, "/")
        change = until(events, lambda new: "column-in-progress" in new["lists"])
        assert change["lists"]["column-in-progress"] == ["card-T-002"]
        assert "T-002" in change["parts"]["card-T-002"]
        assert "card-T-004" not in change["parts"]
        shown = repo.run("show", "T-002", "--json").json()
        assert shown["decisions"][0]["text"] == "blue,\nas the sea"
        assert repo.run("set", "T-004", "priority=high").exit_code == 0
        change = until(events, lambda new: "high" in new["parts"].get("card-T-004", ""))
        assert "card-T-001" not in change["parts"]
        assert server.stop() == 0
        assert [name for name, _ in events if name != "change"] == []


def test_what_moved_meanwhile_is_not_changed_and_what_was_typed_is_given_back(
    repo: MissionRepo,
) -> None:
    with serving(repo) as server:
        form = server.form_of("/task/T-001", "/task/T-001/approve")
        repo.run("handoff", "T-001", "--append", "notes", "--text", "one more thing")
        typed = {**form, "why": "it is <good> & done"}
        refused = server.ask("/task/T-001/approve", typed)
        assert refused.status == 409
        assert "it is &lt;good&gt; &amp; done" in refused.text
        assert repo.task_status("T-001") == "review"
        again = server.form_of("/task/T-001", "/task/T-001/approve")
        assert again["version"] in refused.text
        assert server.ask("/task/T-001/approve", {**typed, **again}).status == 303
        assert repo.task_status("T-001") == "done"


def test_all_that_a_person_decides_can_be_decided_here(repo: MissionRepo) -> None:
    with serving(repo) as server:
        page = "/task/T-001"
        for action, fields in (
            ("remark", {"place": "src/total.py:1", "words": "Say why."}),
            ("edit", {"title": "Greet", "labels": "a, b", "milestone": "M2"}),
            ("reject", {"why": "not yet"}),
            ("status", {"status": "blocked", "why": "wait"}),
            ("status", {"status": "todo", "why": "go on"}),
            ("move", {"where": "after", "beside": "T-003"}),
        ):
            form = server.form_of(page, f"{page}/edit")
            done = server.ask(f"{page}/{action}", {**form, **fields}, headers={"x-part": "1"})
            assert done.status == 200, (action, done.text)
        task = repo.run("show", "T-001", "--json").json()
        kinds = [each["kind"] for each in task["decisions"]]
        assert kinds == ["remarked", "rejected", "answered"]
        assert task["task"]["labels"] == ["a", "b"]
        assert (task["task"]["title"], task["task"]["status"]) == ("Greet", "todo")
        new = {"title": "Next", "milestone": "M1", "write_scope": "", "goal": "It is next.",
               "criteria": "one\r\ntwo"}  # fmt: skip
        assert server.send("/", "/add", **new, depends_on="T-900").status == 404
        assert server.send("/", "/add", **new, depends_on="T-001").status == 303
        added = repo.run("show", "T-005", "--json").json()
        assert [each["text"] for each in added["acceptance_criteria"]] == ["one", "two"]
        listed = repo.run("list", "--all", "--json").json()["tasks"]
        assert [each["id"] for each in listed][:3] == ["T-002", "T-003", "T-001"]


def test_a_task_is_handed_off_and_its_session_stopped(repo: MissionRepo) -> None:
    path = repo.path / "coordination" / "mission.json"
    mission = json.loads(path.read_text())
    mission["runtimes"]["sleeper"] = {
        "command": [
            sys.executable,
            "-c",
            "import time; print('begun', flush=True); time.sleep(600)",
        ],
        "prompt": "stdin",
    }
    path.write_text(json.dumps(mission))
    assert repo.run("trust").exit_code == 0
    with serving(repo) as server:
        done = server.send("/task/T-004", "/task/T-004/hand-off", runtime="sleeper", model="")
        assert done.status == 303, done.text
        session = repo.session()["sessionId"]
        assert session in server.ask("/live").text
        again = server.form_of("/task/T-004", f"/session/{session}/stop")
        assert server.ask(f"/session/{session}/stop", again).status == 303
        assert repo.session()["endedReason"] == "stopped"
        assert "No session works now" in server.ask("/live").text


def test_without_javascript_a_search_leaves_out_what_does_not_fit(shown: Server) -> None:
    found = shown.ask("/plan?q=paint").text
    assert "row-T-003" in found
    assert "row-T-001" not in found
    assert "card-T-001" not in shown.ask("/?milestone=M2").text
    asked = shown.ask("/task/T-001?remark=src/total.py%3A1").text
    assert 'name="place" value="src/total.py:1"' in asked


def test_a_broken_mission_is_said_and_what_was_there_stays_in_view(repo: MissionRepo) -> None:
    with serving(repo) as server, server.events("/") as events:
        next(events)
        path = repo.path / "coordination" / "mission.json"
        whole = path.read_text()
        path.write_text(whole[:-20])
        until(events, lambda new: "mission.json" in new["parts"].get("trouble", ""))
        assert "Write a greeting" in server.ask("/").text
        path.write_text(whole)
        until(events, lambda new: new["parts"].get("trouble") == NO_TROUBLE)


def test_without_the_extra_only_this_command_misses_it(board_scene: MissionRepo) -> None:
    blocked = "import sys; sys.modules['starlette'] = sys.modules['uvicorn'] = None; "
    call = "from mosaic.cli import main; main(sys.argv[1:])"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-c", blocked + call, *arguments]
        return subprocess.run(
            argv,
            cwd=board_scene.path,
            env=board_scene.environ,
            capture_output=True,
            text=True,
            check=False,
        )

    refused = run("web")
    assert refused.returncode == 1
    assert "pip install 'mosaic-mission[web]'" in refused.stderr
    for arguments in (("--help",), ("list",), ("review", "T-001")):
        assert run(*arguments).returncode == 0


def test_a_log_is_shown_and_followed_to_its_end(shown: Server) -> None:
    page = shown.ask("/log/T-001")
    assert "add: src/greeting.txt" in page.text
    assert HOSTILE not in page.text
    with shown.events("/log/T-001") as events:
        heard = dict(events)
    assert "add: src/greeting.txt" in heard["lines"]["text"]
    assert "over" in heard
    assert shown.ask("/log/nothing").status == 404


def test_the_graph_leads_to_tasks_and_the_timeline_shows_sessions(shown: Server) -> None:
    graph = shown.ask("/graph").text
    assert '<a href="/task/T-003" class="node' in graph
    assert "sess-001" in shown.ask("/timeline").text


def test_an_approval_is_of_the_handoff_that_was_reviewed(repo: MissionRepo) -> None:
    snapshot = read_mission(repo.path / "coordination" / "mission.json")
    review = show_review(snapshot, "T-001").review
    repo.run("handoff", "T-001", "--append", "notes", "--text", "one more thing")
    with pytest.raises(FileChangedError):
        approve(snapshot, review, actor=Actor.PERSON)
    assert repo.task_status("T-001") == "review"
