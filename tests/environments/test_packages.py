"""Packages that lack a part."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environments.conftest import Surroundings


@pytest.fixture
def plain_yaml(here: Surroundings, tmp_path: Path) -> Surroundings:
    """PyYAML as it is where it was built without libyaml."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import yaml\ndel yaml.CSafeLoader\n")
    here.repo.environ["PYTHONPATH"] = f"{folder}:{here.repo.environ['PYTHONPATH']}"
    return here


def test_yaml_without_libyaml_does_and_is_named(plain_yaml: Surroundings) -> None:
    for arguments in (
        ["add", "第三 task"],
        ["set", "T-003", "labels+=ü", "priority=1"],
        ["next", "--headless", "--runtime", "demo"],
    ):
        answer = plain_yaml.run(*arguments)
        assert answer.exit_code == 0, (arguments, answer)
    assert plain_yaml.run("check").stdout == "nothing is wrong\n"
    assert "--  yaml        read without libyaml" in plain_yaml.run("doctor").stdout


def test_a_file_that_python_s_yaml_refuses_is_named_with_its_line(
    plain_yaml: Surroundings,
) -> None:
    place = plain_yaml.repo.run("show", "T-001", "--json").json()["task"]["file"]
    path = plain_yaml.path / place
    path.write_text(path.read_text().replace("status: todo", "status: todo\t# now"))
    answer = plain_yaml.run("check")
    assert answer.exit_code != 0
    assert f"{path.name}:4" in answer.stdout + answer.stderr
    assert "T-002" in plain_yaml.run("list").stdout
