"""`mission check --format`: what editors, GitHub and SARIF readers are given."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.support.git import git, make_repo
from tests.support.mission import ROOT, MissionRepo, make_environ

LINE = re.compile(
    r"(?P<path>.+?):(?P<line>\d+): (?P<level>error|warning): (?P<words>.+) \[[A-Z_]+\]"
)


@pytest.fixture
def inner(tmp_path: Path) -> MissionRepo:
    """A mission in a subfolder of a repository, with an unknown dependency and an odd file name."""
    top = make_repo(tmp_path / "top")
    folder = top / "part one, 100%"
    folder.mkdir()
    repo = MissionRepo(folder, make_environ(tmp_path))
    assert repo.run("init", "--name", "Inner").exit_code == 0
    assert repo.run("add", "First").exit_code == 0
    (task,) = (folder / "coordination" / "tasks").glob("T-001*")
    task.write_text(task.read_text().replace("status: todo", "status: todo\ndepends_on: [T-404]"))
    git(top, "add", "--all")
    return repo


def found(repo: MissionRepo) -> list[dict[str, Any]]:
    findings: list[dict[str, Any]] = repo.run("check", "--json").json()["findings"]
    assert findings
    return findings


def test_lines_lead_an_editor_to_the_place(inner: MissionRepo) -> None:
    answer = inner.run("check", "--format", "lines")
    assert answer.exit_code == inner.run("check").exit_code == 1
    lines = answer.stdout.splitlines()
    expected = found(inner)
    assert len(lines) == len(expected)
    for line, finding in zip(lines, expected, strict=True):
        read = LINE.fullmatch(line)
        assert read is not None, line
        assert (inner.path.parent / read["path"]).is_file()
        assert (read["level"], int(read["line"])) == (finding["level"], finding["line"] or 1)
        assert finding["message"] in read["words"]


def test_github_is_given_annotations_that_it_reads_back(inner: MissionRepo) -> None:
    for line in inner.run("check", "--format", "github").stdout.splitlines():
        head, _, words = line.removeprefix("::").partition("::")
        level, _, values = head.partition(" ")
        assert level in ("error", "warning")
        assert words
        given = dict(each.split("=", 1) for each in values.split(","))
        assert set(given) == {"file", "line", "title"}
        path = given["file"].replace("%2C", ",").replace("%3A", ":").replace("%25", "%")
        assert (inner.path.parent / path).is_file()


def test_sarif_names_rules_and_places(inner: MissionRepo) -> None:
    document = json.loads(inner.run("check", "--format", "sarif").stdout)
    (run,) = document["runs"]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert document["version"] == "2.1.0"
    for result, finding in zip(run["results"], found(inner), strict=True):
        (place,) = (each["physicalLocation"] for each in result["locations"])
        assert result["ruleId"] == finding["code"] in rules
        assert (inner.path.parent / unquote(place["artifactLocation"]["uri"])).is_file()
        assert place["region"]["startLine"] >= 1


@pytest.mark.parametrize("options", [("--format", "xml"), ("--format", "sarif", "--json")])
def test_what_cannot_be_is_refused(repo: MissionRepo, options: tuple[str, ...]) -> None:
    answer = repo.run("check", *options)
    assert answer.exit_code == 2
    assert "lines, github, sarif" in answer.stderr


def test_nothing_wrong_is_nothing_to_say(repo: MissionRepo) -> None:
    assert repo.run("check", "--format", "lines").stdout == ""
    assert repo.run("check", "--format", "github").stdout == ""
    assert json.loads(repo.run("check", "--format", "sarif").stdout)["runs"][0]["results"] == []


def test_the_guide_has_the_pattern_of_a_line(inner: MissionRepo) -> None:
    guide = (ROOT / "docs" / "guide.md").read_text()
    (matcher,) = re.findall(r'"regexp": (".+"),', guide)
    for line in inner.run("check", "--format", "lines").stdout.splitlines():
        assert re.fullmatch(json.loads(matcher), line)


def test_the_hook_of_pre_commit_runs(inner: MissionRepo) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    program, *arguments = hook["entry"].split()
    assert program in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert inner.run(*arguments).exit_code == 1
    tracked = git(inner.path.parent, "ls-files", "-z").split("\0")[:-1]
    touched = {name for name in tracked if re.search(hook["files"], name)}
    assert {name.rpartition("/")[2] for name in touched} >= {"mission.json", "TASKS.md"}


def test_the_schema_of_the_guide_fits_task_files(repo: MissionRepo) -> None:
    guide = (ROOT / "docs" / "guide.md").read_text()
    blocks = re.findall(r"```json\n(.*?)```", guide, re.DOTALL)
    (text,) = (block for block in blocks if "remark-frontmatter" in block)
    ((_, options),) = (each for each in json.loads(text)["plugins"] if isinstance(each, list))
    ((place, globs),) = options["schemas"].items()
    (line,) = re.findall(rf"^mission (.+) > {re.escape(place)}$", guide, re.MULTILINE)
    schema = Draft202012Validator(json.loads(repo.run(*line.split()).stdout))
    files = [path for glob in globs for path in repo.path.glob(glob)]
    assert set(files) == set((repo.path / "coordination" / "tasks").iterdir())
    for path in files:
        fields = yaml.safe_load(path.read_text().split("---\n")[1])
        fields["updated_at"] = fields["updated_at"].isoformat()
        assert schema.is_valid(fields)
        assert not schema.is_valid({**fields, "depends_on": {"T-001": True}})


GH = """\
import json, os, pathlib, subprocess, sys

here = pathlib.Path(os.environ["RUNNER_TEMP"])
words = sys.argv[1:]
assert words.pop(0) == "api", words
path = next(word for word in words if word.startswith("repos/"))
body = [word.removeprefix("body=@") for word in words if word.startswith("body=@")]
kept = here / "comments.json"
comments = json.loads(kept.read_text()) if kept.exists() else [{"id": 4, "body": "Nice."}]
if not body:
    wanted = words[words.index("--jq") + 1]
    asked = subprocess.run(["jq", "-r", wanted], input=json.dumps(comments), text=True, check=True)
elif path == "repos/me/it/issues/7/comments":
    comments.append({"id": 5 + len(comments), "body": pathlib.Path(body[0]).read_text()})
else:
    assert "PATCH" in words
    number = int(path.removeprefix("repos/me/it/issues/comments/"))
    (old,) = (each for each in comments if each["id"] == number)
    old["body"] = pathlib.Path(body[0]).read_text()
kept.write_text(json.dumps(comments))
"""


@pytest.mark.skipif(shutil.which("jq") is None, reason="gh has jq built in; its stand-in has not")
def test_the_workflow_of_the_guide_keeps_one_comment(repo: MissionRepo, tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guide.md").read_text()
    (text,) = (
        each for each in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL) if "jobs:" in each
    )
    (job,) = yaml.safe_load(text)["jobs"].values()
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, argv in {"mission": ["-m", "mosaic"], "gh": [str(tmp_path / "gh.py")]}.items():
        call = shlex.join([sys.executable, *argv])
        (tools / name).write_text(f'#!/bin/sh\nexec {call} "$@"\n')
        (tools / name).chmod(0o755)
    (tmp_path / "gh.py").write_text(GH)
    values = {"github.token": "t", "github.repository": "me/it", "github.event.number": "7"}
    path = os.pathsep.join((str(tools), repo.environ["PATH"]))

    def run_steps() -> list[str]:
        ran = []
        for step in job["steps"]:
            if "mission " not in step.get("run", ""):
                continue
            environ = {**repo.environ, "PATH": path, "RUNNER_TEMP": str(tmp_path)}
            for name, value in step.get("env", {}).items():
                environ[name] = re.sub(r"\$\{\{ (.+?) \}\}", lambda each: values[each[1]], value)
            done = subprocess.run(
                ["bash", "-e", "-c", step["run"]], cwd=repo.path, env=environ,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            ran.append(step["run"])
        return ran

    assert len(run_steps()) == 2
    comments = json.loads((tmp_path / "comments.json").read_text())
    assert [each["body"].splitlines()[:2] for each in comments] == [
        ["Nice."],
        ["<!-- mission report -->", "## Sessions"],
    ]
    assert repo.run("block", "T-001", "--why", "needs a human: which?").exit_code == 0
    run_steps()
    again = json.loads((tmp_path / "comments.json").read_text())
    assert [each["id"] for each in again] == [each["id"] for each in comments]
    assert "which?" in again[1]["body"]
