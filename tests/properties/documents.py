"""Documents as people write them: generated with every habit that an edit must respect."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

WORDS = st.sampled_from(
    ["plain", "two words", "日本語", "emoji 🚀 here", "עברית", "naïve", "T-001", "a/b/**", "v1.2"]
)
TRICKY = st.sampled_from(
    ["a: b", "no", "null", "1e3", "007", "2026-01-01", "# not a comment", "it's", 'say "x"',
     "- dash", "[x]", "{y}", "*star", "&amp", "!bang", "|", ">", "%", "@at", "`tick`", "x #y",
     "trailing:", "~", "true", "=", "<<", "? q", "a, b", "\\back", "tab\there"]
)  # fmt: skip
VALUES = st.one_of(WORDS, TRICKY, st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
NEWLINES = st.sampled_from(["\n", "\r\n"])
COMMENTS = st.sampled_from(["", "", "  # why", " #x", "    # 注释"])


def in_style(value: str, style: str) -> str:
    """Return a value as a YAML scalar in a style."""
    if style == "'":
        return "'" + value.replace("'", "''") + "'"
    if style == '"':
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return value


@dataclass(frozen=True)
class Document:
    """A task file, and what its front matter says."""

    text: str
    fields: dict[str, str]
    lists: dict[str, list[str]]


BODY_LINES = st.sampled_from(
    ["# Heading", "text", "---", "...", "| id | status |", "|---|---|", "| T-1 | todo |", "",
     "```", "~~~", "- [ ] criterion", "key: value", "## risks", "中文 text", "> quote", "    code"]
)  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Draw a task file."""
    newline = draw(NEWLINES)
    keys = draw(
        st.lists(
            st.sampled_from(["title", "status", "milestone", "x_own", "ключ", "pr", "branch"]),
            unique=True,
            min_size=1,
        )
    )
    lines = ["---"]
    fields: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    if draw(st.booleans()):
        lines.append("# a comment of its own")
    for key in keys:
        value = draw(WORDS)
        style = draw(st.sampled_from(["", "'", '"']))
        gap = draw(st.sampled_from([" ", "  ", "\t"])) if style else " "
        lines.append(f"{key}:{gap}{in_style(value, style)}{draw(COMMENTS)}")
        fields[key] = value
        if draw(st.integers(0, 4)) == 0:
            lines.append("")
    for key in draw(st.lists(st.sampled_from(["depends_on", "labels"]), unique=True)):
        items = draw(st.lists(WORDS, min_size=1, max_size=4, unique=True))
        if draw(st.booleans()):
            shown = ", ".join(in_style(item, "'") for item in items)
            lines.append(f"{key}: [{shown}]{draw(COMMENTS)}")
        else:
            indent = draw(st.sampled_from(["", "  ", "    "]))
            lines.append(f"{key}:{draw(COMMENTS)}")
            lines += [f"{indent}- {item}{draw(COMMENTS)}" for item in items]
        lists[key] = items
    lines.append("---")
    body = draw(st.lists(BODY_LINES, max_size=12))
    text = newline.join([*lines, *body])
    if draw(st.booleans()):
        text += newline
    if draw(st.booleans()):
        text = "\ufeff" + text
    return Document(text, fields, lists)


CELL_TEXTS = st.sampled_from(
    ["todo", "done", "", "a \\| b", "`x \\| y`", "[link](http://x/y)", "**bold**", "中文",
     "✅ done",
     "עברית", "text that is wider than the others", "🚀", "T-1, T-2", "-"]
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, int]:
    """Draw a text with a tasks table, and the number of its rows."""
    newline = draw(NEWLINES)
    columns = [
        "id",
        "status",
        *draw(st.lists(st.sampled_from(["title", "notes", "own"]), unique=True)),
    ]
    outer = draw(st.booleans())
    count = draw(st.integers(1, 5))
    rows = []
    for number in range(count):
        cells = [f"T-{number}", *[draw(CELL_TEXTS) for _ in columns[1:]]]
        if draw(st.integers(0, 4)) == 0:
            cells = cells[: draw(st.integers(2, len(cells)))] if outer else cells
        if outer and draw(st.integers(0, 4)) == 0:
            cells.append("extra")
        rows.append(cells)
    wide = draw(st.booleans())
    widths = [
        max([len(name), 3, *(len(row[n]) for row in rows if n < len(row))]) if wide else 0
        for n, name in enumerate(columns)
    ]

    def line(cells: list[str]) -> str:
        padded = [
            cell.ljust(widths[n]) if n < len(widths) else cell for n, cell in enumerate(cells)
        ]
        inner = " | ".join(padded)
        return f"| {inner} |" if outer else f"{inner} |" if not padded[-1].strip() else inner

    marks = ["-" * max(3, width) for width in widths]
    before = draw(
        st.sampled_from(
            ["", "# Tasks", "```\n| id | status |\n|---|---|\n| X | todo |\n```", "text"]
        )
    )
    parts = [*before.split("\n"), "", line(columns), line(marks), *map(line, rows)]
    if draw(st.booleans()):
        parts += ["", "after | it"]
    text = newline.join(parts)
    return (text + newline if draw(st.booleans()) else text), count
