"""What front matter may not hold, looked for before anything is built, and how it is explained."""

from __future__ import annotations

import re
from typing import Any

from mosaic.errors import FrontMatterError

DEEPEST = 20
MOST_OPEN_BRACKETS = 1000
LONGEST_LINE = 4096
LONGEST_SHOWN = 80
SECOND_DOCUMENT = re.compile(r"^(?:---|\.\.\.)[ \t]", re.MULTILINE)
REFERENCE = re.compile(r"[&*!](?<![\w/.*+-].)")
"""What may begin an anchor, an alias or a tag."""
INDENTED = re.compile(r"[\n\r\x85\u2028\u2029][ \t\-?:]{6}")
"""What may begin a block more than a dozen levels deep."""
FEW_BRACKETS = 8
KEY_VALUE = re.compile(r"\s*((?:- +)*[\w-]+):[ \t]+(\S.*)")
ODD_BLANK = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
"""Looks like a blank, and is a letter to YAML."""
OTHER_END = re.compile(r"[\x85\u2028\u2029]")
"""Ends a line for YAML, and hardly in any editor."""
UNQUOTED_COLON = re.compile(r"[^\"'\[{|>&*!#%@`].*:(?:[ \t]|$)")
APOSTROPHE = re.compile(r"'[^']*\w'\w")
COMMENT = re.compile(r"(?<![ \t])[ \t]++#.*")
NOT_YAML = "the front matter is not YAML"
TOO_DEEP = "the front matter is nested too deeply"
TEXT_TAG = "tag:yaml.org,2002:str"
PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("str", "null", "bool", "int", "float", "timestamp", "seq", "map", "value")
)


def refuse_dangerous_text(source: str, first_line: int) -> None:
    """Refuse what libyaml must not see: nesting that crashes it, and what YAML forbids."""
    from yaml.reader import Reader  # start-up: only changed files are parsed

    def line_at(offset: int) -> int:
        return first_line + source.count("\n", 0, offset)

    depth = 0
    many = source.count("[") + source.count("{") > MOST_OPEN_BRACKETS
    for sign in re.finditer(r"[\[{\]}]", source) if many else ():
        # Brackets inside quotes count too, so the limit is generous; what is nested less
        # deeply is counted exactly by `refuse_references`, which stops in time.
        depth = depth + 1 if sign[0] in "[{" else max(0, depth - 1)
        if depth > MOST_OPEN_BRACKETS:
            raise FrontMatterError(TOO_DEEP, line=line_at(sign.start()))
    if bad := Reader.NON_PRINTABLE.search(source) or re.match("\ufeff", source):
        raise FrontMatterError(
            "the front matter holds a control character",
            line=line_at(bad.start()),
            detail=f"U+{ord(bad[0]):04X}",
            hint="remove it",
        )
    if second := SECOND_DOCUMENT.search(source):
        raise FrontMatterError(
            "a second YAML document begins in the front matter",
            line=line_at(second.start()),
            hint="end the front matter with a line that is `---` and nothing else",
        )


def may_hold_references(source: str) -> bool:
    """Tell whether a text has any sign of what `refuse_references` refuses.

    Each column begins at most two levels of a block, and each bracket one: without a token
    behind column 5, and with few brackets, a text is not nested too deeply.
    """
    brackets = source.count("[") + source.count("{")
    return (
        brackets > FEW_BRACKETS
        or REFERENCE.search(source) is not None
        or INDENTED.search(f"\n{source}") is not None
    )


def refuse_references(events: Any, first_line: int) -> None:
    """Refuse anchors, aliases, tags and depth before anything is composed from them."""
    depth = 0
    for event in events:
        name = type(event).__name__
        line = first_line + event.start_mark.line
        if name == "AliasEvent" or getattr(event, "anchor", None):
            raise FrontMatterError(
                "anchors and aliases are not read in front matter",
                line=line,
                detail=f"`{'*' if name == 'AliasEvent' else '&'}{_short(event.anchor)}`",
                hint="quote the value, or write out what it stands for",
            )
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in PLAIN_TAGS and tag != "!":
            message = f"the tag `{_short(tag)}` is not read"
            raise FrontMatterError(message, line=line, hint="quote the value")
        if name in ("MappingStartEvent", "SequenceStartEvent"):
            depth += 1
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            depth -= 1
        if depth > DEEPEST:
            raise FrontMatterError(TOO_DEEP, line=line)


def refuse_odd_keys(root: Any, first_line: int) -> None:
    """Refuse keys that stand twice, merge others in, or are nothing."""
    pending: list[Any] = [root]
    while pending:
        node = pending.pop()
        if node.id == "sequence":
            pending.extend(node.value)
        if node.id != "mapping":
            continue
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = first_line + key.start_mark.line
            if key.tag != TEXT_TAG:
                _refuse_key(key, line)
            if key.value in seen:
                raise FrontMatterError(
                    f"`{_short(key.value)}` is there twice",
                    line=line,
                    detail=f"also at line {seen[key.value]}",
                    hint="remove one of them",
                )
            seen[key.value] = line
            if value.id != "scalar":
                pending.append(value)


def _refuse_key(key: Any, line: int) -> None:
    if key.id != "scalar":
        hint = "quote a value that holds `{` or `[`"
        raise FrontMatterError("a key is not a single word", line=line, hint=hint)
    if key.tag.endswith(":merge"):
        message = "merge keys are not read in front matter"
        raise FrontMatterError(message, line=line, hint="write the keys out")
    if key.tag.endswith(":null"):  # `on:` and `2024:` are words to their writers
        shown = _short(key.value)
        raise FrontMatterError(
            f"the key `{shown}` is not text",
            line=line,
            detail="YAML reads it as nothing",
            hint=f'write `"{shown}":`',
        )


def explain(error: Any, source: str, first_line: int) -> FrontMatterError:
    """Return a YAML complaint with its line and, where it shows, its likely cause."""
    mark = getattr(error, "problem_mark", None)
    context = str(getattr(error, "context", None) or "")
    opened = getattr(error, "context_mark", None)
    if opened is not None and (mark is None or "quoted scalar" in context or "flow" in context):
        mark = opened  # where it was opened says more than where the text ended
    # YAML counts line ends that no editor knows.
    number = source.count("\n", 0, mark.index) if mark is not None else 0
    lines = source.split("\n")
    for at in (number, number - 1):
        if 0 <= at < len(lines) and (found := _cause(lines[at].rstrip("\r")[:LONGEST_LINE])):
            detail = f"`{_short(lines[at].strip())}` {found[0]}"
            return FrontMatterError(NOT_YAML, line=first_line + at, detail=detail, hint=found[1])
    shown = _short(lines[number].strip()) if number < len(lines) else ""
    problem = str(getattr(error, "problem", None) or "bad YAML")
    return FrontMatterError(
        NOT_YAML,
        line=first_line + number,
        detail=f"`{shown}`: {problem}" if shown else problem,
        hint="quote values that hold `: `, ` #` or begin with a special sign",
    )


def _cause(line: str) -> tuple[str, str] | None:
    if line.lstrip(" ").startswith("\t"):
        return "is indented with a tab", "indent with blanks"
    if OTHER_END.search(line):
        sign = f"U+{ord(OTHER_END.findall(line)[0]):04X}"
        return f"holds {sign}, which ends a line for YAML", "put a blank in its place"
    if ODD_BLANK.match(line.lstrip(" ")) or re.search(rf":{ODD_BLANK.pattern}", line):
        sign = f"U+{ord(ODD_BLANK.findall(line)[0]):04X}"
        return f"has {sign} where YAML needs a plain blank", "type the blank anew"
    pair = KEY_VALUE.match(line)
    if pair is None:
        return None
    key, value = pair[1], pair[2]
    if APOSTROPHE.match(value):
        hint = "double the apostrophe, or use double quotes"
        return "has an apostrophe inside single quotes", hint
    bare = COMMENT.sub("", value).strip()
    quoted = bare.replace("\\", "\\\\").replace('"', '\\"')
    hint = f'write `{key}: "{_short(quoted)}"`'
    if UNQUOTED_COLON.match(bare):
        return "has an unquoted colon", hint
    if bare[0] in "@`%*&!":
        return f"begins its value with `{bare[0]}`, which YAML keeps for itself", hint
    if bare[0] in "\"'" and (len(bare) == 1 or bare[-1] != bare[0]):
        if bare.count(bare[0]) == 1:
            return "has a quote that is never closed", "close it, or remove it"
        return "has text behind a closing quote", "quote the whole value"
    return None


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
