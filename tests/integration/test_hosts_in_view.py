"""Work on other machines as every face shows it, as budgets count it, and as it lands."""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import nullcontext
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mosaic.app.board import show_board
from mosaic.mcp.calls import call_tool
from tests.integration.test_hosts import (
    ENV,
    away,
    begun,
    box,
    hand_off,
    is_empty,
    listener,
    sent_run,
    wait_for_agent,
    wait_for_end,
    waiting,
)
from tests.support.browsing import serving
from tests.support.hosting import Hosted
from tests.support.machines import Machine, add_machine, link_of
from tests.support.mission import MissionRepo, is_running, wait_for
from tests.support.shell_agent import change_mission

__all__ = ["away", "box"]

COST = """echo '{"type": "usage", "input_tokens": 7, "output_tokens": 3, "cost_usd": 0.6}'; """
WIDE = (160, 40)


def mission_file(repo: MissionRepo) -> Path:
    return repo.path / "coordination" / "mission.json"


def host_of(repo: MissionRepo) -> dict[str, Any]:
    """Return the only machine, as the status shows it."""
    (host,) = repo.run("status", "--json").json()["hosts"]
    return dict(host)


def seen_by_board(repo: MissionRepo, *words: str) -> None:
    """See words in the board's list of who works."""
    if find_spec("textual") is None:
        return
    from tests.integration.test_board import Screen, at_board

    async def look(screen: Screen) -> None:
        await screen.sees("4 live")
        await screen.press("4")
        await screen.sees(*words)

    at_board(repo, look, WIDE)


def told_everywhere(repo: MissionRepo, load: str, *words: str) -> None:
    """Hold all faces against each other, on the one machine and what is on it."""
    host = host_of(repo)
    ran = [(each["task_id"], each["session_id"]) for each in host["sessions"]]
    page = show_board(mission_file(repo))
    assert [(each.name, each.load_words) for each in page.status.hosts] == [("box", load)]
    assert [(each.host, each.session.id) for each in page.live] == [
        ("box", name) for _, name in ran
    ]
    on_host = {card.task.id for card in page.cards if card.session and card.session.judgement.host}
    assert on_host == {task_id for task_id, _ in ran}
    listed = repo.run("hosts", "list", "--json").json()["hosts"]
    assert [{key: each[key] for key in host} for each in listed] == [host]
    faces = [repo.run("status").stdout, repo.run("hosts", "list").stdout]
    faces.append(json.dumps(call_tool("status", {}, mission_file(repo))["hosts"]))
    for text in faces:
        shown = " ".join(text.split())
        for each in (load, *(f"{task_id} {name}" for task_id, name in ran), *words):
            assert each in shown, text
    seen_by_board(repo, f"{load} at work", *(name for _, name in ran), *words)


def end_listener(repo: MissionRepo) -> None:
    """Kill what listens to the machine, and wait until that is seen."""
    pid = listener(repo)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_running(pid), "its end")


def board_stops(repo: MissionRepo, *words: str) -> None:
    """Stop the only session by the board's key, and see what it answers."""
    if find_spec("textual") is None:
        repo.run("stop")
        return
    from tests.integration.test_board import Screen, at_board

    async def stop(screen: Screen) -> None:
        await screen.sees("First")
        await screen.press("4")
        await screen.sees("doing  on box")
        await screen.press("s")
        await screen.sees("which works on T-001?")
        await screen.press("y")
        await screen.sees(*words)

    at_board(repo, stop, WIDE)


def test_every_face_shows_a_machine_with_its_load_and_what_it_runs(
    away: MissionRepo, box: Machine
) -> None:
    add_machine(away, box, env=ENV, max=2, labels=["gpu"])
    assert "hosts" in away.run("status").stdout
    told_everywhere(away, "0 of 2")
    hand_off(away, COST + waiting(away))
    wait_for_agent(away)
    name = away.session_id()

    def used() -> Any:
        (live,) = away.run("sessions", "--live", "--json").json()["sessions"]
        return live["progress"]["usage"]

    assert wait_for(used, "what it has used so far")["cost_usd"] == 0.6
    told_everywhere(away, "1 of 2")
    head, row = away.run("sessions", "--live").stdout.splitlines()
    assert (head.split()[3], row.split()[3]) == ("host", "box")
    assert f"doing {name} on box" in away.run("show", "T-001").stdout
    assert f"{name}` doing on box" in away.run("report").stdout
    with serving(away) if find_spec("starlette") else nullcontext() as server:
        if server is not None:
            page = server.ask("/live").text
            assert "1 of 2" in page
            assert f">T-001 {name}</a>" in page
            assert "doing on box" in page
            assert "doing</a> on box" in server.ask("/").text
        # What follows its log finds that nothing listens any more.
        end_listener(away)
        found = away.run("check", "--json").json()["findings"]
        assert [each["fixable"] for each in found if each["code"] == "HOST_UNHEARD"] == [True]
        assert "nothing listens to 1 session there" in away.run("doctor").stdout
        mended = away.run("check", "--fix").stdout
        assert "a process listens to `box`" in mended
        end_listener(away)
        follows = away.start("logs", "T-001", "-f")
        assert listener(away)
        box.go_down()
        wait_for(lambda: link_of(away)["unreachable_since"], "the machine to be missed")
        told_everywhere(away, "1 of 2", "unreachable since")
        if server is not None:
            assert "unreachable since" in server.ask("/live").text
            refused = server.send("/live", f"/session/{name}/stop")
            assert refused.status == 422, refused.text
            assert "is stopped as soon as" in refused.text
        board_stops(away, "is stopped as", "--forget")
        box.start()
        wait_for_end(away)
    assert "what it says" in follows.communicate(timeout=60)[0]
    assert away.session()["endedReason"] == "stopped"
    assert begun(away) == 1
    as_page = ("report", "--html", "-")
    for command in (("sessions",), ("show", "T-001"), ("review", "T-001"), as_page):
        assert "box" in away.run(*command).stdout
    wait_for(partial(is_empty, box), "what is kept there to go")
    told_everywhere(away, "0 of 2")


def test_what_is_left_there_is_named_and_removed(away: MissionRepo, box: Machine) -> None:
    """Also what nobody has on record: its processes end, its worktree and its refs go."""
    hand_off(away, 'echo $$ >"$HOME/agent"; ' + waiting(away))
    wait_for_agent(away)
    agent = int((box.home / "agent").read_text())
    (place,) = box.attempts()
    mission = place.parent.parent.name
    box.go_down()
    wait_for(lambda: link_of(away)["unreachable_since"], "the machine to be missed")
    assert away.run("sessions", "--forget", away.session_id()).exit_code == 0
    (left,) = [
        each
        for each in away.run("check", "--json").json()["findings"]
        if each["code"] == "HOST_LEFTOVERS"
    ]
    assert left["hint"] == "`mission hosts clean box` removes what is over"
    assert host_of(away)["left_over"] == 1
    box.start()
    shutil.rmtree(sent_run(away))
    assert not [e for e in away.run("check", "--json").json()["findings"] if "HOST" in e["code"]]
    (runs,) = [each for each in checked(away) if each["name"] == "runs"]
    assert runs["state"] == "missing"
    assert f"1 kept there, 1 at work; not on record here: `{place.name}`" in runs["found"]
    assert f"--of {mission}" in runs["hint"]
    assert away.run("hosts", "clean").exit_code == 0
    assert box.attempts() == [place]
    assert away.run("hosts", "clean", "--of", mission).exit_code == 2
    cleaned = away.run("hosts", "clean", "box", "--of", mission, "--json").json()
    assert [each["kept_because"] for each in cleaned["attempts"]] == [""]
    assert not is_running(agent)
    assert not (box.works / "missions" / mission).exists()
    assert "0 kept there" in json.dumps(checked(away))


def checked(repo: MissionRepo) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = repo.run("hosts", "check", "--json").json()["hosts"]["box"]
    return found


def test_what_sessions_cost_there_stops_a_loop_and_green_work_lands(
    away: MissionRepo, box: Machine
) -> None:
    change_mission(
        away,
        budget={"maxCostUsd": 0.5},
        landing="green",
        review={"greenIsDone": True},
        qualityGates="true",
    )
    away.git("commit", "-qam", "A budget")
    does = f'{COST}echo x >"$MISSION_TASK.txt"; '
    answer = away.run("next", "-j", "1", "--loop", "--on", "box", "--json", DOES=does)
    report = answer.json()
    assert report["why"] == "limit met: $0.60 spent, the mission's budget", answer.stderr
    assert [each["usage"]["costUsd"] for each in away.mission()["sessions"]] == [0.6]
    assert [*report["landed"]] == ["T-001"]
    assert (away.path / "T-001.txt").exists()
    assert away.task_status("T-002") == "todo"
    wait_for(partial(is_empty, box), "what is kept there to go")


def test_work_from_there_lands_when_approved_and_as_a_pull_request(
    away: MissionRepo, box: Machine
) -> None:
    change_mission(away, landing="approved", qualityGates="true")
    away.git("commit", "-qam", "Landing")
    hand_off(away)
    wait_for_end(away)
    approved = away.run("review", "T-001", "--approve", "--json")
    assert approved.json()["merged"]["branch"] == "mission/T-001/work", approved.stderr
    assert (away.path / "made.txt").read_text() == "more\n"
    hosted = Hosted(away)
    change_mission(away, landing="pull-request", pullRequest={})
    away.git("commit", "-qam", "Requests")
    hand_off(away, "echo two >two.txt; ")
    wait_for(lambda: len(away.mission()["sessions"]) == 2, "the second session")
    wait_for(lambda: away.task_status("T-002") == "review", "its end")
    assert away.run("review", "T-002", "--approve").exit_code == 0
    asked = away.run("pr", "T-002")
    assert asked.exit_code == 0, asked.stderr
    assert hosted.tip("mission/T-002/work") == away.git("rev-parse", "mission/T-002/work").strip()
    assert "evidence" in hosted.request["body"]
    wait_for(partial(is_empty, box), "what is kept there to go")
