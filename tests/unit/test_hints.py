"""Every call of `mission` that a message, a prompt or a page names is taken by the command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import mosaic
from tests.support.command_line import calls_in, every_command, refusal

PACKAGE = Path(mosaic.__file__).parent
ROOT = PACKAGE.parent
PAGES = (
    "README.md", "SECURITY.md", "CONTRIBUTING.md",
    "docs/guide.md", "docs/files.md", "docs/troubleshooting.md", "docs/writing-a-runtime.md",
)  # fmt: skip
HOLE = "\0"
"""Where a value is put in."""
VALUES = ("T-001", "1", "", "status=done", "claude")
"""What may stand there; one of them must do."""
WORDS = {"COMMAND": "list", "TOPIC": "files", "SEQ": "1", "N": "4", "…": "x"}
"""What stands for a number or a text in what people read."""
IN_BACKTICKS = re.compile(r"`(mission(?: [^`]*)?)`")
FENCED = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MOST_HOLES = 4


def texts_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the texts of a module with their lines; docstrings are no messages."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
             for part in node.values}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(
                    str(part.value) if isinstance(part, ast.Constant) else HOLE
                    for part in node.values
                ),
            )
        elif id(node) in docs or id(node) in parts:
            continue
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def calls_named_in(text: str) -> Iterator[str]:
    """Yield the calls in backticks, or the text itself where it is one, as a next command is."""
    found = IN_BACKTICKS.findall(text)
    yield from found
    if not found and re.match(r"mission [a-z]", text) and not text.endswith((" ", ".", ",")):
        yield text


def named_in_code() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for line, text in texts_of(ast.parse(path.read_text(encoding="utf-8"))):
            for call in calls_named_in(text):
                yield f"{path.relative_to(ROOT)}:{line}", call


def named_in_texts() -> Iterator[tuple[str, str]]:
    for path in [ROOT / name for name in PAGES] + sorted((ROOT / "templates").rglob("*.j2")):
        text = path.read_text(encoding="utf-8")
        place = str(path.relative_to(ROOT))
        if path.suffix == ".j2":
            text = re.sub(r"\{\{.*?\}\}", HOLE, text)
        for block in FENCED.findall(text):
            for line in block.splitlines():
                call = line.removeprefix("$ ").partition("  #")[0]
                if call.startswith("mission "):
                    yield place, call
        for call in IN_BACKTICKS.findall(FENCED.sub("", text)):
            yield place, call


def why_not(call: str) -> str | None:
    """Return why the command line takes a call with none of the values; None where it does."""
    for mark, value in WORDS.items():
        call = re.sub(rf"(?<![\w-]){re.escape(mark)}(?![\w-])", value, call)
    holes = min(call.count(HOLE), MOST_HOLES)
    why: str | None = "it calls nothing"
    for values in product(VALUES, repeat=holes):
        tried = call
        for value in values:
            tried = tried.replace(HOLE, value, 1)
        tried = tried.replace(HOLE, "")
        try:
            calls = calls_in(tried)
        except ValueError as error:
            why = str(error)
            continue
        reasons = [refusal(words) for words in calls]
        if reasons and not any(reasons):
            return None
        why = next(filter(None, reasons), why)
    return why


def complaints(named: Iterator[tuple[str, str]]) -> list[str]:
    reasons = ((place, call, why_not(call)) for place, call in named)
    return [f"{place}: `{call.replace(HOLE, '{}')}`: {why}" for place, call, why in reasons if why]


def test_every_call_that_a_message_names_is_taken() -> None:
    assert len(list(named_in_code())) > 200
    assert not complaints(named_in_code())


def test_every_call_that_a_page_or_a_prompt_names_is_taken() -> None:
    commands = {path for path, _ in every_command()}
    named = [each for each in named_in_texts() if each[1] not in commands]  # its name alone
    assert len(named) > 100
    assert not complaints(iter(named))


def test_a_call_that_is_not_taken_is_found() -> None:
    assert why_not("mission show") == "Missing argument 'ID'."
    assert why_not(f"mission resume {HOLE} --from {HOLE}") is None
    assert why_not("mission list --red") is not None
    assert list(calls_named_in("see `mission list` or `git log`")) == ["mission list"]
    assert list(calls_named_in("mission next")) == ["mission next"]
    assert list(calls_named_in("mission files are broken, or cannot be read.")) == []
