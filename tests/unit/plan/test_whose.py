"""What of a work tree an agent's calls of tools name, and what they only look at."""

from __future__ import annotations

import pytest

from mosaic.plan.whose import Named
from mosaic.ports import ToolCall

WORKTREE = "/r/state/worktrees/T-1"


def named(path: str, *commands: str | ToolCall, cwd: str = "/r", disk: str = "") -> bool:
    calls = [call if isinstance(call, ToolCall) else ToolCall(command=call) for call in commands]
    return Named(calls, top=["/r"], cwd=cwd, read=lambda _: disk).names(path)


@pytest.mark.parametrize(
    "command",
    [
        "echo y >f.md",
        "echo y>./f.md 2>&1",
        "printf y >$PWD/f.md",
        "echo y | tee f.md",
        "cd docs/.. && sed -i s/a/b/ f.md",
        "rm -rf *",
        "prettier --write '**/*.md'",
        "ruff check --fix .",
        "find . -name f.md -delete",
        "git checkout -- f.md",
        "git -C /r mv f.md g.md",
        "for f in *.md; do sed -i s/a/b/ $f; done",
        "bash -c 'echo y >f.md'",
        'x="$(echo y >f.md)"',
        "echo `echo y >f.md`",
        "python3 -c \"open('f.md', 'w')\"",
        "python3 - <<'E'\nopen('f.md', 'w')\nE",
        "cat >/tmp/s.sh <<'E'\necho y >f.md\nE\nsh /tmp/s.sh",
        "ls # nothing\ntouch f.md",
        "echo 'not closed >f.md",
        "timeout 9 sudo touch f.md",
        "A=1 touch /r/f.md",
    ],
)
def test_a_command_that_may_change_a_file_names_it(command: str) -> None:
    assert named("f.md", command)


@pytest.mark.parametrize(
    "command",
    [
        "cat f.md 2>/dev/null | head -5",
        "grep -n 'a|b' f.md || true",
        "sed -n 1,80p f.md",
        "git diff f.md; git add f.md; git log -- f.md",
        "git commit -m \"$(cat <<'E'\nChange f.md\nE\n)\"",
        "cat >notes.txt <<'E'\nsee f.md\nE",
        "python3 -m pytest f.md && ruff check . && pytest",
        "mission handoff T-1 --set notes='f.md'",
        "# touch f.md\nls",
        "echo y >docs/f.md",
        "echo y >f.md.bak",
        "python3 -c 're.sub(\"[a-z]*\", x)'",
        "make",
    ],
)
def test_a_command_that_only_looks_or_means_another_file_does_not(command: str) -> None:
    assert not named("f.md", command)


def test_an_editing_tool_names_its_file_and_what_it_writes_once_that_is_run() -> None:
    script = ToolCall(paths=("/tmp/e.py",), written="open('f.md', 'w')")
    assert named("docs/f.md", ToolCall(paths=("/r/docs/f.md",)))
    assert not named("f.md", ToolCall(paths=("docs/f.md",)))
    assert not named("f.md", script, "pytest /tmp/e.py")
    assert named("f.md", script, "python3 /tmp/e.py")
    assert named("f.md", "./tools/gen", disk="echo >f.md")
    assert not named("f.md", "cat tools/gen", disk="echo >f.md")


def test_a_tool_of_unknown_effect_names_all_that_it_was_given() -> None:
    assert named("docs/f.md", ToolCall(words='{"place": "/r/docs"}'))
    assert not named("f.md", ToolCall(words='{"place": "/r/docs"}'))


def test_a_folder_is_left_where_the_shell_left_it() -> None:
    assert named("pkg/old/x", "cd pkg", "rm -rf old")
    assert not named("old/x", "cd pkg; mkdir old; rm -rf new")
    assert named("a.txt", "echo y >>../../../a.txt", cwd=WORKTREE)
