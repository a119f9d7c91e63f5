"""Every regular expression of the package against repeated text: `python -m tests.fuzz.patterns`.

For each expression it tells the text that makes it look back most, and the processor time for
that text and for one four times as long. Those that are matched at one place are tried there,
all others at every place of the text.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import mosaic
from tests.support.programs import NEEDS_EXTRA

PACKAGE = Path(mosaic.__file__).parent
SIZE = 1_000
TIMES = 4
MOST_TIMES = TIMES**3
"""How much longer the long text takes where a cube is grown; more than that shows in the short."""
LEAST_SECONDS = 0.002
TOO_LONG_SECONDS = 1.0
UNITS = (
    "a", "A", "0", " ", "\t", "\n", "\r\n", "-", "- ", "_", "*", "`", "'", '"', "\\", "\\\\", "/",
    "|", "|a", "[", "]", "[a](", "{", "}", "(", ")", "<", "<a ", "&", ";", ":", "://", "://a:", "=",
    "#", "# ", ".", ",", "a ", "a:", "a: ", "a-", "1.", "sk-", "$?", "echo ", ";echo '", "cd '",
    "\x1b", "\x1b[", "\x1b]", "\x1b[1", "\x9b", "\ud800", "\u4e00", "：", "---", "```", "~", "!",
)  # fmt: skip
FRAMES = (
    ("", ""), ("", "\x00"), ("a", "a"), ("a", "]"), ("|", " x"), ('"', "\nx"), ("://", ""),
    ("\x1b]", ""), ("[", "a"), ("cd '", ""), ("`", "a"), ("; echo $", "x"),
)  # fmt: skip
"""What stands before and behind the repeated text."""
AT_ONE_PLACE = {"match", "fullmatch"}
METHODS = {*AT_ONE_PLACE, "search", "sub", "split", "findall", "finditer"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Expression:
    """A regular expression, and how the package looks for it."""

    pattern: re.Pattern[str]
    methods: frozenset[str]

    def seconds(self, text: str) -> float:
        """Return the processor seconds of looking for it as the package does."""
        begun = time.process_time()
        if self.methods <= AT_ONE_PLACE:
            for method in self.methods or AT_ONE_PLACE:
                getattr(self.pattern, method)(text)
        else:
            for _ in self.pattern.finditer(text):
                pass
        return time.process_time() - begun

    def slowest(self) -> tuple[str, float, float]:
        """Return the text that grows most, and the seconds for it once and four times as long."""
        worst = ("", 0.0, 0.0)
        for unit in UNITS:
            for begin, end in FRAMES:
                once = self.seconds(begin + unit * SIZE + end)
                if once * MOST_TIMES < LEAST_SECONDS:
                    continue
                long = self.seconds(begin + unit * SIZE * TIMES + end)
                if long > max(LEAST_SECONDS, worst[2]):
                    worst = (f"{begin!r} {unit!r} {end!r}", once, long)
                if long > TOO_LONG_SECONDS:
                    return worst
        return worst


def expressions() -> dict[str, Expression]:
    """Return the expressions of the package by where they stand."""
    names: dict[re.Pattern[str], str] = {}
    methods: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.stem == "__main__":
            continue
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        if module.startswith(NEEDS_EXTRA):
            continue
        for key, value in vars(importlib.import_module(module)).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                names.setdefault(value, key)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (call := call_of(node)) is not None:
                owner, method, source = call
                if owner == "re" and source is not None:
                    names.setdefault(re.compile(source), source)
                methods.setdefault(source if owner == "re" and source else owner, set()).add(method)
    return {
        f"{name} {pattern.pattern[:40]}": Expression(
            pattern=pattern, methods=frozenset(methods.get(name, ()))
        )
        for pattern, name in names.items()
    }


def call_of(node: ast.AST) -> tuple[str, str, str | None] | None:
    """Return owner, method and first argument of `re.search("a+", text)` or `NAME.sub(…)`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    if node.func.attr not in METHODS or not isinstance(node.func.value, ast.Name):
        return None
    first = node.args[0] if node.args else None
    source = first.value if isinstance(first, ast.Constant) else None
    return node.func.value.id, node.func.attr, source if isinstance(source, str) else None


if __name__ == "__main__":
    for name, expression in expressions().items():
        sys.stdout.write(f"{json.dumps([name, *expression.slowest()])}\n")
        sys.stdout.flush()
