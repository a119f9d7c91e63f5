"""Where the nodes of a composed YAML block stand in the text they were read from.

libyaml's marks are right for what they begin, not always for what they end: the end of a
block list or map is that of the *next* token, a `|` or `>` scalar's takes in the newlines
behind it, and a value that is not written at all may be marked on the next line.
"""

from __future__ import annotations

from typing import Any

from mosaic.records import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A text and the offset of the YAML in it."""

    text: str
    offset: int

    def start(self, node: Any) -> int:
        """Return where a node begins."""
        return self.offset + int(node.start_mark.index)

    def end(self, node: Any) -> int:
        """Return where the last thing that belongs to a node is written out."""
        if node.id == "mapping" and not node.flow_style:
            key, value = node.value[-1]
            return self._behind_colon(key) if is_nothing(value) else self.end(value)
        if node.id == "sequence" and not node.flow_style:
            item = node.value[-1]
            if not is_nothing(item):
                return self.end(item)
            return len(self.text[: self.start(item)].rstrip())  # behind its dash
        end = self.offset + int(node.end_mark.index)
        if node.id == "scalar" and node.style in ("|", ">"):
            return len(self.text[:end].rstrip())
        return end

    def _behind_colon(self, key: Any) -> int:
        end = self.end(key)
        return max(end, self.text.find(":", end) + 1)

    def source(self, node: Any) -> str:
        """Return a node as it is written."""
        return self.text[self.start(node) : self.end(node)]


def is_nothing(node: Any) -> bool:
    """Tell whether a node is a value that is not written at all."""
    return bool(node.id == "scalar" and node.start_mark.index == node.end_mark.index)
