"""How much work hostile text makes: `python -m tests.fuzz.work` measures every case.

For each case it tells the processor time for an input and for one four times as long, so
that whoever starts it can tell a straight line from a square. It is meant to be started
with a limit of processor time.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import TYPE_CHECKING

from mosaic.errors import MissionError
from mosaic.panels.answer import parse_answer
from mosaic.plan.globs import outside_scope
from mosaic.plan.statuses import parse_status
from mosaic.review.claimed_files import parse_file_claims
from mosaic.review.claims import parse_command_claims
from mosaic.review.commands import parts_of
from mosaic.review.html import render_html
from mosaic.review.terminal import render_terminal
from mosaic.runs.masking import masked_argv
from mosaic.store.parsed import ids_in_cell, parse_task_file, plain_id
from mosaic.store.rows import parse_table
from mosaic.text.frontmatter import cut_values
from mosaic.text.harmless import harmless_text
from mosaic.text.sections import set_section
from mosaic.text.strict_json import parse_json_document

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = "---\ntask_id: T-1\ntitle: x\nstatus: todo\n"
ROWS = "|id|status|\n|-|-|\n"
TIMES = 4
ROUNDS = 2


def task(text: str) -> object:
    """Read a task file."""
    return parse_task_file("T-1.md", text)


def cut(text: str) -> object:
    """Look for values that a comment cuts."""
    return list(cut_values(text))


def answer(text: str) -> object:
    """Read a worker's answer."""
    return parse_answer(text, role="critic", label="critic-1")


def notes(text: str) -> object:
    """Set a section of a task file."""
    return set_section(text, "notes", "words")


def page(text: str) -> object:
    """Show a handoff."""
    return render_html(text), render_terminal(text, width=80, color=True)


def claims(text: str) -> object:
    """Read a handoff's claims."""
    return parse_command_claims(text), parse_file_claims(text)


def path_of_stars(path: str) -> object:
    """Ask whether a glob with many stars allows a path."""
    return outside_scope([path], ["*a" * 40 + "b", "**/a/" * 40 + "b", "*?[a-z]" * 20])


Case = tuple["Callable[[str], object]", "Callable[[int], str]", int]
CASES: dict[str, Case] = {
    "a command's blanks": (parts_of, lambda n: "a" + " " * n + "b", 2_000),
    "a command's lines": (parts_of, lambda n: "a" + "\n" * n + "b", 2_000),
    "a command's filters": (parts_of, lambda n: "a | tail" + " a" * n + ";", 1_000),
    "a command's quotes": (parts_of, lambda n: "cd '" * n, 600),
    "a claim's blanks": (claims, lambda n: "x a" + " " * n + "b", 450),
    "a fenced claim's blanks": (claims, lambda n: "```\n$ a" + " " * n + "b", 450),
    "claims with many blanks": (claims, lambda n: ("x a" + " " * 1_500 + "b\n") * n, 30),
    "a claim's brackets": (claims, lambda n: "[a](b" * n, 90),
    "an id's blanks": (ids_in_cell, lambda n: "T-1" + " " * n + "x]", 1_000),
    "an id's words": (ids_in_cell, lambda n: "a " * n, 20_000),
    "an id's brackets": (plain_id, lambda n: "[" * n, 50_000),
    "an answer's objects": (answer, lambda n: '{"a":' * 200 + "[0" + ",0" * n, 25_000),
    "an answer's brackets": (answer, lambda n: "{" * n, 50_000),
    "an answer's fences": (answer, lambda n: "```{\n" * n, 20_000),
    "a path against stars": (path_of_stars, lambda n: "a" * n, 1_000),
    "a deep path against stars": (path_of_stars, lambda n: "a/" * n + "c", 500),
    "a heading's blanks": (notes, lambda n: "## a" + " " * n + "b", 4_000),
    "a heading's signs": (notes, lambda n: "## " + "# " * n + "a", 4_000),
    "quotes in quotes": (notes, lambda n: "> " * n + "a", 4_000),
    "lists in lists": (notes, lambda n: "- " * n + "a", 4_000),
    "lists, ever deeper": (notes, lambda n: "".join(f"{'  ' * i}- a\n" for i in range(n)), 60),
    "items with fences": (notes, lambda n: "- ```\n" * n, 2_000),
    "a fence and items": (notes, lambda n: "```\n```\n" + "- a\n\nb\n\n" * n, 1_000),
    "fences": (notes, lambda n: "```\n~~~\n" * n, 3_000),
    "comments": (notes, lambda n: "<!-- " * n, 4_000),
    "references": (notes, lambda n: "[a]: b '" * n, 4_000),
    "headings": (notes, lambda n: "## notes\n" * n, 1_000),
    "empty lines": (notes, lambda n: " \n" * n + "x", 5_000),
    "tables": (notes, lambda n: "a|b\n-|-\n" * n, 2_000),
    "a page's heading": (page, lambda n: "## a" + " " * n + "b", 4_000),
    "a page's ticks": (page, lambda n: "`a``" * n, 2_000),
    "a page's stars": (page, lambda n: "*a _b **" * n, 1_500),
    "a page's brackets": (page, lambda n: "![a](<b " * n, 1_500),
    "a page's tags": (page, lambda n: "<a b='" * n, 2_000),
    "a page's sequences": (page, lambda n: "\x1b]a" * n, 4_000),
    "a page's table": (page, lambda n: "a|b\n-|-\n" + "|a" * n, 4_000),
    "a row's blanks": (parse_table, lambda n: f"|id|status|\n|-|-|\n|a{' ' * n}b|c|\n", 50_000),
    "a row's backslashes": (parse_table, lambda n: f"{ROWS}|" + "\\" * n + "|b\n", 50_000),
    "a rule's dashes": (parse_table, lambda n: f"a|b\n{'-' * n}|{'- ' * n}\n", 80_000),
    "rows that are none": (parse_table, lambda n: "|id|status|\n|-|-|\n" + "- " * n, 80_000),
    "lines with pipes": (parse_table, lambda n: "a | b\n" * n, 4_000),
    "rows in no table": (parse_table, lambda n: "| a\n\nT-1 | a |\n\n" * n, 2_000),
    "a stray row's pipes": (parse_table, lambda n: "|" + "a-1" * n, 20_000),
    "a status's words": (parse_status, lambda n: "done " * n, 20_000),
    "a status's strokes": (parse_status, lambda n: "~~a" * n, 20_000),
    "ids behind a hash": (task, lambda n: f"{HEAD}depends_on: a{' #1' * n}!\n---\n", 10_000),
    "digits behind a hash": (task, lambda n: f"{HEAD}depends_on: a #{'1' * n}!\n---\n", 20_000),
    "a cut value": (cut, lambda n: f"{HEAD}a: b{' #c' * n}{' ' * n}x\n---\n", 10_000),
    "a value's blanks": (task, lambda n: f"{HEAD}a:{' ' * n}b: c\n---\n", 50_000),
    "a value's colons": (task, lambda n: f"{HEAD}{'a: ' * n}\n---\n", 2_000),
    "a value's quotes": (task, lambda n: f"{HEAD}a: '{chr(39) * 2 * n}\n---\n", 20_000),
    "a value's digits": (task, lambda n: f"{HEAD}a: {'9' * n}.\n---\n", 20_000),
    "a value's sixties": (task, lambda n: f"{HEAD}a: 1{':59' * n}\n---\n", 2_000),
    "a value's lines": (task, lambda n: f"{HEAD}a: x\n{'  x' * n}\n---\n", 10_000),
    "a list's items": (task, lambda n: f"{HEAD}a: [{'b,' * n}]\n---\n", 5_000),
    "keys": (task, lambda n: HEAD + "".join(f"k{i}: 1\n" for i in range(n)) + "---\n", 1_000),
    "a document's quotes": (parse_json_document, lambda n: '{"a": "' + '\\"' * n, 50_000),
    "a document's strings": (parse_json_document, lambda n: '"' * n, 50_000),
    "a document's blanks": (parse_json_document, lambda n: '{"a"' + " " * n + "}", 50_000),
    "a document's twins": (
        parse_json_document, lambda n: "{" + ",".join(f'"{i}":[]' for i in range(n)) + ',"0":1}',
        2_000,
    ),
    "sequences": (harmless_text, lambda n: "\x1b[1" * n + "\x1b]" * n, 10_000),
    "an endless sequence": (harmless_text, lambda n: "\x1b]" + "a" * n + "\x1b[" + "1" * n, 50_000),
    "an argument's dashes": (lambda s: masked_argv([s], ""), lambda n: "-" * n, 20_000),
    "an argument's keys": (lambda s: masked_argv([s], ""), lambda n: "sk-" * n + " ://" * n, 9_000),
    "an argument's places": (lambda s: masked_argv([s], ""), lambda n: "://a:" * n, 9_000),
}  # fmt: skip


def measure(case: Case) -> tuple[float, float]:
    """Return the least processor seconds that an input and one four times as long take."""
    function, make, size = case
    found = []
    for text in (make(size), make(TIMES * size)):
        rounds = []
        for _ in range(ROUNDS):
            begun = time.process_time()
            with contextlib.suppress(MissionError):
                function(text)
            rounds.append(time.process_time() - begun)
        found.append(min(rounds))
    return found[0], found[1]


if __name__ == "__main__":
    for name, each in CASES.items():
        sys.stdout.write(f"{json.dumps([name, *measure(each)])}\n")
        sys.stdout.flush()
