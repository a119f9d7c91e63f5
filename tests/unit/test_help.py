"""Every command has examples that its own command line takes, and says what its options take."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from mosaic.cli.app import COMMANDS, HIDDEN, PANELS
from mosaic.cli.teaching import examples_of, values_of
from mosaic.cli.topics import TOPICS, find_topic
from mosaic.model import Status
from tests.manual import MANUAL, make_manual
from tests.support.command_line import calls_in, every_command, refusal

NAMES = [name for names in PANELS.values() for name in names]
PATHS = [path for path, _ in every_command()]
WIDEST_EXAMPLE = 96
CHOICE = re.compile(r"[a-z-]+(?:\|[a-z-]+)+")


@pytest.mark.parametrize("path", PATHS)
def test_every_command_has_examples_that_its_command_line_takes(path: str) -> None:
    examples = examples_of(path)
    least = 2 if path.count(" ") == 1 else 1
    assert len(examples) >= least, (
        f"`{path}` needs {least} examples: put them into `EXAMPLES` of its module in mosaic/cli, "
        f'each as ("{path} …", "what it does")'
    )
    for example in examples:
        assert len(example.command) <= WIDEST_EXAMPLE, f"too long: {example.command}"
        assert example.meaning, example.command
        assert not example.meaning.endswith("."), f"no full stop: {example.meaning}"
        calls = calls_in(example.command)
        assert calls, f"it calls no `mission`: {example.command}"
        for words in calls:
            why = refusal(words)
            assert why is None, f"`{example.command}` is not taken: {why}"


def test_the_command_line_is_asked_in_earnest() -> None:
    assert calls_in("mission add 'a b' | mission list --all > x; git status") == [
        ["add", "a b"],
        ["list", "--all"],
    ]
    assert refusal(["list", "--all"]) is None
    assert refusal(["panel", "start", "x"]) is None
    assert refusal(["--install-completion"]) is None
    for words in (
        ["--red"],
        ["show"],
        ["list", "--red"],
        ["nonsense"],
        ["panel", "nonsense"],
        ["next", "-j"],
    ):
        assert refusal(words), words


def test_every_option_says_what_stands_behind_it() -> None:
    for path, command in every_command():
        for param in command.params:
            if param.param_type_name == "option" and not param.is_flag:
                assert param.metavar, f"give `{path} {param.opts[0]}` a metavar: what it takes"
            assert param.help or param.hidden, f"`{path}`: `{param.name}` has no help"


def test_an_option_of_few_values_completes_just_these() -> None:
    """Help and completion cannot disagree."""
    seen = 0
    for path, command in every_command():
        for param in command.params:
            if param.param_type_name == "option" and CHOICE.fullmatch(values_of(param)):
                offered = [item.value for item in param.shell_complete(None, "")]
                assert offered == values_of(param).split("|"), (
                    f"`{path} {param.opts[0]}`: use `one_of` of mosaic/cli/options.py"
                )
                seen += 1
    assert seen > 4


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_names_calls_that_exist(topic: str) -> None:
    about, make_blocks = TOPICS[topic]
    assert about
    text = ""
    for block in make_blocks():
        text += block if isinstance(block, str) else " ".join(f"`{a}` {b}" for a, b in block)
    assert text
    for call in re.findall(r"`(mission [^`]+)`", text):
        for words in calls_in(call):
            assert refusal(words) is None, call
    assert find_topic(topic.upper().replace(" ", "-")) == topic


def test_the_topics_are_made_from_the_tables() -> None:
    statuses = next(iter(TOPICS["statuses"][1]()))
    assert not isinstance(statuses, str)
    assert [name for name, _ in statuses] == [each for each in Status if each.value != "unknown"]
    assert all(meaning[0].isupper() for _, meaning in statuses)
    assert ("3", "There is nothing to do.") in next(iter(TOPICS["exit codes"][1]()))


def test_the_man_page_is_made_from_the_code_as_it_is() -> None:
    assert MANUAL.read_text(encoding="ascii") == make_manual(), "run `python -m tests.reference`"


def test_the_man_page_can_be_read() -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed")
    done = subprocess.run(
        [groff, "-man", "-ww", "-Tutf8", str(MANUAL)],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stderr == ""
    shown = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)
    for name in NAMES:
        assert f"mission {name}" in shown
    assert "EXIT STATUS" in shown


def test_help_of_one_command_imports_only_that_command() -> None:
    program = (
        "import sys\nfrom mosaic.cli import main\n"
        "try: main(['reopen', '--help'])\nexcept SystemExit: pass\n"
        "print(*sorted(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "Examples:" in done.stdout
    commands = {f"mosaic.cli.{name.replace('-', '_')}" for name in {*COMMANDS, *HIDDEN}}
    assert commands & {*done.stderr.split()} == {"mosaic.cli.reopen"}
