"""Acceptance criteria from the plan to the approval, and the same guard on every way to done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.test_review import hand_off, review
from tests.support.mission import MissionRepo

CRITERIA = """\
## Goal

It greets whoever asks.

## Acceptance criteria

- [ ] `python3 -c "print(1)"` prints one
* [ ] the greeting is friendly,
  also on Mondays
1. [ ] it is documented
> - [~] it sings

```
- [ ] not this one
```
"""
TICKS = """\
def tick(*numbers):
    for number in numbers:
        subprocess.run([sys.executable, "-m", "mosaic", "handoff", task, f"--tick={number}"],
                       check=True, stdout=2)
"""


def with_criteria(repo: MissionRepo, text: str = CRITERIA) -> Path:
    """Put a text before the handoff of T-001, with line ends as on Windows; return its file."""
    (file,) = (repo.path / "coordination" / "tasks").glob("T-001*.md")
    head, title, rest = file.read_text().partition("## Goal")
    handoff = rest[rest.index("## files_changed") :]
    assert title
    file.write_bytes((head + text + "\n" + handoff).replace("\n", "\r\n").encode())
    repo.git("commit", "-qam", "Criteria")
    return file


def test_an_empty_box_asks_for_nothing(repo: MissionRepo) -> None:
    assert repo.run("add", "Fourth").exit_code == 0
    (file,) = (repo.path / "coordination" / "tasks").glob("T-004*.md")
    assert "\n- [ ]\n" in file.read_text()  # for a person to write into
    assert repo.run("split", "T-004", "Half").exit_code == 0
    for name in ("T-004", "T-005"):
        task = repo.run("show", name, "--json").json()
        assert task["acceptance_criteria"] == []
        prompt = repo.run("next", "--task", name, "--force", "--runtime", "quick", "--print").stdout
        assert "[ ]" not in prompt
        assert "criteria" not in prompt.partition("## The task")[2].partition("## How to")[0]
    listed = {each["id"]: each for each in repo.run("list", "--json").json()["tasks"]}
    assert listed["T-005"]["criteria_total"] == 0
    file.write_text(file.read_text().replace("## Goal\n", "## Goal\n\nIt flies.\n"))
    prompt = repo.run("next", "--task", "T-004", "--force", "--runtime", "quick", "--print").stdout
    assert "It flies." in prompt


def test_criteria_are_ticked_by_the_agent_and_what_is_open_is_an_objection(
    repo: MissionRepo,
) -> None:
    file = with_criteria(repo)
    before = file.read_bytes()
    assert "acceptance criteria  0 of 3 ticked" in repo.run("show", "T-001").stdout
    prompt = repo.run("next", "--task", "T-001", "--runtime", "quick", "--print").stdout
    assert "2. [ ] the greeting is friendly, also on Mondays\n" in prompt
    assert "it sings" not in prompt.partition("### Acceptance criteria")[2]
    assert "mission handoff T-001 --tick 1" in prompt
    hand_off(repo, TICKS + "ran('python3 -c \"print(1)\"')\ntick(1, 2)\nhandoff()")
    boxes = [line for line in before.splitlines() if b"[ ]" in line][:2]
    expected = before
    for box in boxes:
        expected = expected.replace(box, box.replace(b"[ ]", b"[x]"), 1)
    written = file.read_bytes()
    assert (
        written[: written.index(b"## files_changed")].splitlines()[8:]
        == (expected[: expected.index(b"## files_changed")].splitlines()[8:])
    )
    found = review(repo)
    assert [(c["number"], c["state"], c["standing"]) for c in found["criteria"]] == [
        (1, "ticked", "confirmed"), (2, "ticked", "unseen"), (3, "open", None),
        (4, "dropped", None),
    ]  # fmt: skip
    assert found["criteria"][1]["why"] == "claimed; no command shows it"
    assert found["goal"] == "It greets whoever asks."
    assert found["objections"] == ["acceptance criteria not ticked: 1 of 3"]
    for call in (
        ("review", "T-001", "--approve"),
        ("done", "T-001"),
        ("set", "T-001", "status=done"),
    ):
        refused = repo.run(*call)
        assert (refused.exit_code, repo.task_status("T-001")) == (1, "review")
        assert "acceptance criteria not ticked: 1 of 3" in refused.stderr
    assert repo.run("handoff", "T-001", "--tick", "3").exit_code == 0
    assert review(repo)["objections"] == []
    assert repo.run("done", "T-001").exit_code == 0


def test_criteria_that_go_while_an_agent_works_are_named(repo: MissionRepo) -> None:
    file = with_criteria(repo)
    hand_off(
        repo,
        f"path = pathlib.Path({str(file)!r})\n"
        "text = path.read_bytes().replace(b'1. [ ]', b'1. [-]').replace(b'* [ ] the', b'* the')\n"
        f"path.write_bytes(text)\n{TICKS}tick(1)\nhandoff()",
    )
    assert review(repo)["objections"] == [
        f"2 acceptance criteria are gone or dropped since `{repo.session_id()}` began: "
        "the greeting is friendly, also on Mondays; it is documented"
    ]


def test_a_tick_whose_command_failed_is_contradicted(repo: MissionRepo) -> None:
    with_criteria(repo, "Say it.\n\n- [ ] `python3 -c 1/0` works\n")
    hand_off(repo, TICKS + "ran('python3 -c 1/0')\ntick(1)\nhandoff()")
    found = review(repo)
    assert found["criteria"][0]["standing"] == "contradicted"
    assert "1 tick is contradicted" in found["objections"]


@pytest.mark.parametrize("number", ["0", "4", "9"])
def test_only_a_criterion_that_is_asked_for_can_be_ticked(repo: MissionRepo, number: str) -> None:
    before = with_criteria(repo).read_bytes()
    refused = repo.run("handoff", "T-001", "--tick", number)
    assert refused.exit_code == 5
    (file,) = (repo.path / "coordination" / "tasks").glob("T-001*.md")
    assert file.read_bytes() == before


def test_done_overrules_the_evidence_only_by_force(repo: MissionRepo) -> None:
    hand_off(repo, 'handoff(files_changed="- src/never.py")')
    refused = repo.run("done", "T-001", "--json")
    assert refused.exit_code == 1
    assert json.loads(refused.stderr)["code"] == "AGAINST_EVIDENCE"
    forced = repo.run("done", "T-001", "--force", "--json")
    assert forced.json()["overruled"] == ["1 claim is contradicted"]
    assert repo.task_status("T-001") == "done"
    assert repo.run("done", "T-002").exit_code == 0  # nobody but a person worked on that


def test_a_task_that_says_only_its_title_is_warned_of(repo: MissionRepo) -> None:
    warning = "has neither a goal nor acceptance criteria"
    (file,) = (repo.path / "coordination" / "tasks").glob("T-001*.md")
    with_criteria(repo, "## Goal\n\n## Acceptance criteria\n\n- [ ]\n")
    for call in (("next", "--print"), ("next", "--headless"), ("next", "--detach")):
        asked = repo.run(*call, "--task", "T-001", "--runtime", "quick")
        assert warning in asked.stderr, call
        repo.run("stop")
        repo.run("reopen", "T-001")
    assert file.exists()
    with_criteria(repo)
    assert warning not in repo.run("next", "--print", "--task", "T-001").stderr


def test_gates_that_never_ran_are_an_objection(repo: MissionRepo) -> None:
    gates = [
        {"name": "unit", "command": "true"},
        {"name": "docs", "command": "true", "scope": "x/**"},
    ]
    hand_off(repo, "handoff()", qualityGates=gates, review={"gates": "never"})
    assert review(repo)["objections"] == []
    repo.run("reopen", "T-001")
    hand_off(repo, "sys.exit(1)", qualityGates=gates, review={"gates": "finished"})
    found = review(repo)
    assert [(gate["name"], gate["words"]) for gate in found["gates"]] == [("unit", "never ran")]
    assert "gate `unit` never ran" in found["objections"]
    assert repo.run("gates", "T-001").exit_code == 0
    assert "gate `unit` never ran" not in review(repo)["objections"]
    hand_off(repo, "sys.exit(1)", qualityGates=gates)
    words = f"gate `unit` has not run since `{repo.session_id()}` began"
    assert words in review(repo)["objections"]


def test_a_review_is_in_the_order_of_a_decision(repo: MissionRepo, tmp_path: Path) -> None:
    with_criteria(repo)
    hand_off(
        repo,
        '(here / "z.txt").write_text("1")\n'
        'ran("mission show T-001 >/dev/null; true")\n'
        "ran(f'echo none | {sys.executable} -m mosaic handoff {task} --set notes=-')\n"
        'ran("true")\nhandoff(files_changed="z.txt")',
        qualityGates="true",
    )
    shown = repo.run("review", "T-001", "--diff").stdout
    order = [
        "1 objection: acceptance criteria not ticked: 3 of 3", "\ngoal", "\nacceptance criteria",
        "\ngates", "\nresult", "\nfiles claimed", "\ncommands claimed",
        "\nran without being claimed", "\nrisks", "\nnext_handoff", "\nchanges",
        "\ndiff", "b/z.txt", "b/coordination/",
    ]  # fmt: skip
    places = [shown.find(part) for part in order]
    assert places == sorted(places), shown
    assert -1 not in places, shown
    assert [each["command"] for each in review(repo)["unclaimed"]["commands"]] == ["true"]
    page = tmp_path / "page.html"
    assert repo.run("review", "T-001", "--html", str(page)).exit_code == 0
    parts = ["Verdict</h2>", "Goal</h2>", "Acceptance criteria</h2>", "Gates</h2>",
             "Files claimed</h2>", "Ran without", "risks</h2>", "Changes</h2>"]  # fmt: skip
    places = [page.read_text().rindex(part) for part in parts]
    assert places == sorted(places)
