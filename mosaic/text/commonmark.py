"""Where mistune reads otherwise than CommonMark: rules for its block parser, and fences."""

from __future__ import annotations

import re
from typing import Any

HTML_BLOCK_TAGS = (
    "address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|"
    "dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|"
    "header|hr|html|iframe|legend|li|link|main|menu|menuitem|nav|noframes|ol|optgroup|option|p|"
    "param|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|track|ul"
)
OTHER_BLOCK = (
    r" {0,3}(?:#{1,6}(?:[ \t]|$)|>|(?:[-*+]|\d{1,9}[.)])(?:[ \t]|$)|`{3}[^`]*$|~{3}|"
    r"<(?:script|pre|style|textarea)(?:[ \t>]|$)|<!--|<\?|<![a-z]|<!\[CDATA\[|"
    rf"</?(?:{HTML_BLOCK_TAGS})(?:[ \t]|/?>|$)|</?[a-z][a-z0-9-]*(?:[ \t][^<>|]*)?/?>[ \t]*$|"
    r"(?:(?:-[ \t]*){3,}|(?:_[ \t]*){3,}|(?:\*[ \t]*){3,})$)"
    r"| {4}| {0,3}\t"
)
HTML_AFTER_LIST = (
    rf"^ {{0,3}}(?:(?i:</?(?:{HTML_BLOCK_TAGS}|script|pre|style|textarea)(?=[ \t/>\n]|\Z))|"
    r"<!--|<\?|<![A-Z]|<!\[CDATA\[)"
)
"""HTML that ends a list or quote; mistune's own rule for it does not know `<div>`."""
ENDS_LIST = re.compile(
    rf"(?: {{0,3}}(?:#{{1,6}}(?:[ \t]|$)|>|`{{3}}[^`]*$|~{{3}}|"
    rf"(?:(?:-[ \t]*){{3,}}|(?:_[ \t]*){{3,}}|(?:\*[ \t]*){{3,}})$)|{HTML_AFTER_LIST[1:]})"
)
MARKERS = re.compile(r"(?:[-*+]|\d{1,9}[.)])(?:[ \t]+|$)")
FENCE_MARK = re.compile(r"(`{3,})[^`]*$|(~{3,})")


class CommonMark:
    """Reads what mistune reads otherwise than CommonMark, or in time that grows squarely."""

    def parse_list(self, m: re.Match[str], state: Any) -> int:
        """Take a list; mistune takes a line without indent for code of a fence in an item."""
        limit, end = state.cursor_max, _end_of_item_fence(state, m.start())
        try:
            state.cursor_max = end or limit
            return int(super().parse_list(m, state))  # type: ignore[misc]
        finally:
            state.cursor_max = limit

    def parse_raw_html(self, m: re.Match[str], state: Any) -> int | None:
        """Take HTML; mistune looks for the end of `<!-->` further down."""
        if m[0].strip() == "<!--" and state.src[m.end() :].startswith((">", "->")):
            end = int(state.src.find("\n", m.end())) + 1
            state.append_token({"type": "block_html", "raw": state.src[m.start() : end]})
            return end
        found: int | None = super().parse_raw_html(m, state)  # type: ignore[misc]
        return found

    def parse_atx_heading(self, m: re.Match[str], state: Any) -> int:
        """Take a heading, and the `#` behind it away."""
        text = m["atx_2"].strip()
        bare = text.rstrip("#")
        if not bare or bare[-1].isspace():
            text = bare.rstrip()
        attrs = {"level": len(m["atx_1"])}
        state.append_token({"type": "heading", "text": text, "attrs": attrs, "style": "atx"})
        return m.end() + 1


def _end_of_item_fence(state: Any, start: int) -> int | None:
    """Return where a line without indent ends a list, as no text of its item is before it.

    That is so within a fence and right behind one; None where it is not, or nothing tells.
    """
    source = state.src
    if not hasattr(state, "mosaic_has_fence"):  # looked for once: a text may have many lists
        state.mosaic_has_fence = "```" in source or "~~~" in source
    fence, width, position = "", 0, start
    is_parted = is_closed = False
    while state.mosaic_has_fence and position < state.cursor_max:
        end = source.find("\n", position) + 1 or len(source)
        line = source[position:end].rstrip("\n").expandtabs(4)
        bare = line.lstrip(" ")
        indent = len(line) - len(bare)
        if bare:
            is_outside = indent < width
            marker = MARKERS.match(bare) if indent < max(width, 4) else None
            if is_outside and marker is None:
                if fence or is_closed:
                    return position
                if is_parted or ENDS_LIST.match(line):
                    return None
            if marker and (is_outside or not fence):
                fence, width = "", indent + marker.end() if is_outside or not width else width
                bare = _without_markers(bare)
            fence, is_closed = fence_behind(bare, fence)
        is_parted, position = not bare, end
    return None


def _without_markers(bare: str) -> str:
    at = 0
    while marker := MARKERS.match(bare, at):
        at = marker.end()
        if at == len(bare):
            break
    return bare[at:]


def fence_behind(bare: str, fence: str) -> tuple[str, bool]:
    """Return the fence that is open behind a line, and whether the line closed one."""
    mark = FENCE_MARK.match(bare)
    if mark is None:
        return fence, False
    found: str = mark[1] or mark[2]
    if not fence:
        return found, False
    is_closed = found.startswith(fence) and not bare.strip(f" {fence[0]}")
    return ("", True) if is_closed else (fence, False)
