"""How a text is written as a YAML scalar: plain where it can be, quoted where it must."""

from __future__ import annotations

import json
import re
from typing import Any

PLAIN_START = re.compile(r"[^\s\-?:,\[\]{}#&*!|>'\"%@`=<~]|-(?=\S)")
NEEDS_ESCAPES = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
FLOW_SIGNS = re.compile(r"[,\[\]{}?]|:(?=[,\[\]{}]|$)")
WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
TEXT_TAG = "tag:yaml.org,2002:str"
TIMESTAMP_TAG = "tag:yaml.org,2002:timestamp"
NULL_TAG = "tag:yaml.org,2002:null"


def quote_scalar(value: str, node: Any = None, *, flow: bool = False) -> str:
    """Return a text as a YAML scalar that reads back as the same.

    Double quotes that stand there are kept. Single quotes are kept where they were not
    needed; where they were, they say nothing about anybody's taste: a plain value that
    needs quotes gets single ones, and loses them when it needs them no more. A word that
    other programs read as a number or a truth is quoted, unless it replaces another such.
    """
    style = node.style if node is not None else ""  # a plain one has "" or None, by the loader
    if style == '"' or NEEDS_ESCAPES.search(value):
        return _double_quoted(value)
    old_kind = node.tag if node is not None and not style else None
    plain = is_plain(value, flow=flow, kind=old_kind)
    needless = style == "'" and is_plain(node.value, flow=flow)
    if plain and not needless:
        return value
    return "'" + value.replace("'", "''") + "'"


def is_plain(value: str, *, flow: bool = False, kind: str | None = None) -> bool:
    """Tell whether a text may stand without quotes and still be read as that very text."""
    if not value or value != value.strip() or not PLAIN_START.match(value):
        return False
    if ": " in value or " #" in value or value.endswith(":") or value.startswith(("---", "...")):
        return False
    if flow and FLOW_SIGNS.search(value):
        return False
    if WHOLE_NUMBER.fullmatch(value):
        return True  # read as text here, and as the same digits everywhere
    tag = _tag_of(value)
    return tag in (TEXT_TAG, TIMESTAMP_TAG) or (tag == kind and tag != NULL_TAG)


def _tag_of(value: str) -> str:
    import yaml  # start-up: only writers need it

    resolvers = yaml.SafeLoader.yaml_implicit_resolvers
    for tag, pattern in (*resolvers.get(value[:1], []), *resolvers.get(None, [])):
        if pattern.match(value):
            return str(tag)
    return TEXT_TAG


def _double_quoted(value: str) -> str:
    """JSON's escapes are YAML's too; what neither may hold raw is escaped as well."""
    quoted = json.dumps(value, ensure_ascii=False)
    return NEEDS_ESCAPES.sub(lambda sign: f"\\u{ord(sign[0]):04x}", quoted)
