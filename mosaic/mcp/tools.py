"""The tools that agents are offered, as `tools/list` says them.

Every conversation reads all of it, and it is under 1,500 tokens: words are few. Those that write
are offered with `--write` alone.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from mosaic.records import NamedTuple

Schema: TypeAlias = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
YES: Schema = {"type": "boolean"}
TEXTS: Schema = {"type": "array", "items": TEXT}
TEXT_BY_NAME: Schema = {"type": "object", "additionalProperties": TEXT}
ROW = {"id": TEXT, "title": TEXT, "status": TEXT}


class Tool(NamedTuple):
    """A tool: what it is for, what it is called with, and what it answers."""

    name: str
    description: str
    takes: Schema
    gives: Schema
    needs: tuple[str, ...] = ()
    """The arguments that must be there."""
    writes: bool = False

    @property
    def input_schema(self) -> Schema:
        """What its arguments must be; any call may name a mission."""
        mission = {"type": "string", "description": "path in the project"}
        schema = {"type": "object", "properties": {**self.takes, "mission": mission}}
        return {**schema, "required": [*self.needs]} if self.needs else schema

    @property
    def output_schema(self) -> Schema:
        """What its answer is; `truncated` is how many entries of lists were left out."""
        gives = {**self.gives, "truncated": NUMBER}
        return {"type": "object", "properties": gives, "required": [next(iter(gives))]}


def _rows(**more: Schema) -> Schema:
    return {"type": "array", "items": {"type": "object", "properties": {**ROW, **more}}}


def _said(description: str, schema: Schema = TEXT) -> Schema:
    return {**schema, "description": description}


_ID = ("id",)
_BY_ID = {"id": TEXT}
TOOLS = (
    Tool(
        "next",
        "The next ready task, or `id`, and the prompt to work on it by. Claims nothing.",
        {"id": TEXT, "milestone": TEXT},
        {**ROW, "prompt": TEXT},
    ),
    Tool(
        "list",
        "Tasks in plan order, and what each waits for. Closed ones only with `all` or `status`.",
        {
            "status": TEXT,
            "milestone": TEXT,
            "search": TEXT,
            "ready": YES,
            "all": YES,
            "limit": NUMBER,
        },
        {"tasks": _rows(why=TEXT)},
    ),
    Tool(
        "show",
        "One task: fields and text, or only a `section`, such as result.",
        {**_BY_ID, "section": TEXT},
        {**ROW, "why": TEXT, "body": TEXT},
        _ID,
    ),
    Tool(
        "review",
        "What a handoff claims beside the evidence. Only a person approves or rejects.",
        {**_BY_ID, "diff": YES},
        {**ROW, "objections": TEXTS, "claims": {"type": "array"}},
        _ID,
    ),
    Tool(
        "status",
        "Where the mission stands, who works, and what waits for a person.",
        {},
        {"name": TEXT, "done": NUMBER, "total": NUMBER, "next": TEXT, "blocked": _rows(why=TEXT)},
    ),
    Tool(
        "add",
        "Add a task at the plan's end.",
        {
            "title": TEXT,
            "goal": TEXT,
            "criteria": TEXTS,
            "milestone": TEXT,
            "priority": TEXT,
            "depends_on": TEXTS,
            "write_scope": _said("globs", TEXTS),
        },
        {**ROW, "file": TEXT},
        ("title",),
        writes=True,
    ),
    Tool(
        "set",
        "Change a task's fields. When finished, fill the handoff, then status=review. To ask: "
        "status=blocked, why=`needs a human: …`.",
        {
            **_BY_ID,
            "fields": _said(
                "values by name; of a list `labels+` adds, `labels-` takes", {"type": "object"}
            ),
            "why": TEXT,
        },
        {**ROW, "notices": TEXTS},
        ("id", "fields"),
        writes=True,
    ),
    Tool(
        "handoff",
        "Fill sections of a task's handoff: files_changed, commands_run, result, risks, "
        "next_handoff, notes.",
        {
            **_BY_ID,
            "sections": TEXT_BY_NAME,
            "append": YES,
            "tick": _said("numbers of criteria that hold", {"type": "array", "items": NUMBER}),
            "answers": _said("by number of the remark", TEXT_BY_NAME),
        },
        {"id": TEXT, "missing": TEXTS, "open_criteria": NUMBER},
        _ID,
        writes=True,
    ),
)
