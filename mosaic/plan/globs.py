"""Globs of a project's files, nearly as .gitignore has them.

A plain name without a slash is that file or folder at the project's root, `**/name` is any; a
leading `../` goes up from the project. Else they mean what they mean to git, and are matched in
time that grows with glob times path.

A task file may be somebody else's, so no glob may cost more than it is long: `**` is a set of
places that may be reached, and each `*` takes the first place that fits.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from functools import lru_cache

from mosaic.records import dataclass

ANY_DEPTH = "**"
LONGEST_GLOB = 1024
_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": "!-/:-@[-`{-~",
    "space": r"\t-\r ", "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_CLASSES = {name: signs.replace("[", r"\[") for name, signs in _CLASSES.items()}
_NOTHING = "(?!)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Glob:
    """A glob taken apart."""

    parts: tuple[str, ...]
    """Its segments from the project's root, or above it; none for one that matches nothing."""
    is_negated: bool
    ups: int = 0
    """How many folders above the project it begins."""

    def matches(self, path: str) -> bool:
        """Tell whether a path, or a folder that it lies in, is matched; `!` is left aside."""
        end = len(self.parts)
        reached = self._skipped({0}) if end else set()
        for segment in path.split("/"):
            after = set()
            for place in reached:
                if place == end:
                    continue
                if self.parts[place] == ANY_DEPTH:
                    after.add(place)
                elif matches_segment(self.parts[place], segment):
                    after.add(place + 1)
            reached = self._skipped(after)
            if not reached:
                return False
        return end in reached

    def _skipped(self, places: set[int]) -> set[int]:
        for place in sorted(places):
            after = place
            while after < len(self.parts) and self.parts[after] == ANY_DEPTH:
                after += 1
                places.add(after)
        return places


def matches_segment(segment: str, name: str) -> bool:
    """Tell whether one segment of a glob, which is not `**`, matches one name."""
    return _pattern(segment).fullmatch(name) is not None


def bad_glob(glob: str, depth: int | None = 0) -> str | None:
    """Return what is wrong with a glob of a write scope; None when nothing is.

    `depth` is how many folders the project lies below the top of the repository; None: not known.
    """
    text = glob.removeprefix("!")
    if not text.strip():
        return "it is empty"
    if len(text) > LONGEST_GLOB:
        return f"it has more than {LONGEST_GLOB} characters"
    if "\0" in text or "\n" in text:
        return "it holds a control character"
    if re.match(r"[A-Za-z]:[\\/]", text) or text.startswith("~"):
        return "it is not relative to the project"
    parts = [part for part in text.strip().split("/") if part not in ("", ".")]
    ups = parts.count("..")
    if ups and (text.startswith("/") or parts[:ups] != [".."] * ups):
        return "`..` stands elsewhere than before a path"
    if depth is not None and ups > depth:
        return "it leads out of the repository"
    if _ends_open(_trimmed(text)):
        return "it ends with a backslash"
    return None


@lru_cache(maxsize=4096)
def parse_glob(glob: str) -> Glob:
    """Return a glob taken apart; one with which something is wrong matches nothing."""
    text = _trimmed(glob)
    is_negated = text.startswith("!")
    text = text.removeprefix("!")
    if bad_glob(glob, None) is not None or (text.startswith("#") and not is_negated):
        return Glob(parts=(), is_negated=is_negated)
    anchored = "/" in text.rstrip("/")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if not parts:
        return Glob(parts=(ANY_DEPTH,), is_negated=is_negated)
    ups = parts.count("..")
    parts = parts[ups:]
    if not parts:
        return Glob(parts=(ANY_DEPTH,), is_negated=is_negated, ups=ups)
    if not anchored and parts[0] != ANY_DEPTH and not is_plain(parts[0]):
        parts.insert(0, ANY_DEPTH)
    # What is below a matched folder is matched as well; of a folder, nothing else is.
    if text.endswith("/"):
        parts += ["*", "*", ANY_DEPTH] if parts[-1] == ANY_DEPTH else ["*", ANY_DEPTH]
    elif parts[-1] == ANY_DEPTH:
        parts[-1:] = ["*", ANY_DEPTH]
    else:
        parts.append(ANY_DEPTH)
    squeezed = [
        part for n, part in enumerate(parts) if part != ANY_DEPTH or n == 0 or parts[n - 1] != part
    ]
    return Glob(parts=tuple(squeezed), is_negated=is_negated, ups=ups)


@lru_cache(maxsize=4096)
def rooted_glob(glob: str, folder: str) -> Glob:
    """Return a glob of a project taken apart from the repository's root on.

    The project lies in `folder` of it; one that leads out of the repository matches nothing.
    """
    found = parse_glob(glob)
    above = folder.split("/") if folder else []
    if not found.parts or found.ups > len(above):
        return Glob(parts=(), is_negated=found.is_negated)
    kept = [re.sub(r"([\\*?\[])", r"\\\1", name) for name in above[: len(above) - found.ups]]
    return Glob(parts=(*kept, *found.parts), is_negated=found.is_negated)


def outside_scope(paths: Sequence[str], globs: Sequence[str], folder: str = "") -> list[str]:
    """Return the paths that a write scope does not allow; an empty scope allows all.

    Both are relative to the project, which lies in `folder` of the repository.
    """
    if not any(glob.strip() for glob in globs):
        return []
    known = [rooted_glob(glob, folder) for glob in reversed(globs)]
    outside = []
    for path in paths:
        place = posixpath.normpath(f"{folder}/{path}") if folder else path
        last = next((glob for glob in known if glob.matches(place)), None)
        if last is None or last.is_negated:
            outside.append(path)
    return outside


def is_plain(name: str) -> bool:
    """Tell whether a segment of a glob can be one name only."""
    return re.fullmatch(r"(?:[^\\*?\[]|\\.)*", name) is not None


def _trimmed(text: str) -> str:
    kept = text.rstrip()
    if _ends_open(kept) and len(kept) < len(text):
        kept = text[: len(kept) + 1]
    return kept.lstrip()


def _ends_open(text: str) -> bool:
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


@lru_cache(maxsize=4096)
def _pattern(segment: str) -> re.Pattern[str]:
    pieces = [""]
    at = 0
    while at < len(segment):
        sign = segment[at]
        if sign == "*":
            pieces.append("")
            at += 1
        elif sign == "?":
            pieces[-1] += "."
            at += 1
        elif sign == "[":
            written, at = _bracket(segment, at)
            pieces[-1] += written
        else:
            at += sign == "\\"
            pieces[-1] += re.escape(segment[at : at + 1])
            at += 1
    first, *others = pieces
    if others:
        inner = "".join(f"(?>.*?{piece})" for piece in others[:-1] if piece)
        # The last piece stands at the end: everything before it belongs to the star.
        return re.compile(f"{first}{inner}.*{others[-1]}", re.DOTALL)
    return re.compile(first, re.DOTALL)


def _bracket(segment: str, start: int) -> tuple[str, int]:
    at = start + 1
    is_negated = segment[at : at + 1] in ("!", "^")
    at += is_negated
    found: list[str] = []
    first = at
    while at < len(segment) and (segment[at] != "]" or at == first):
        named = re.compile(r"\[:([a-z]+):\]").match(segment, at)
        if named:
            if named[1] not in _CLASSES:
                return _NOTHING, len(segment)
            found.append(_CLASSES[named[1]])
            at = named.end()
            continue
        low, at = _sign(segment, at)
        high = low
        if segment[at : at + 1] == "-" and segment[at + 1 : at + 2] not in ("", "]"):
            high, at = _sign(segment, at + 1)
        # Of a range that runs backwards, git takes the first sign.
        found.append(f"{re.escape(low)}-{re.escape(max(high, low))}")
    if at >= len(segment):
        return _NOTHING, len(segment)
    if not found:
        return ("." if is_negated else _NOTHING), at + 1
    return f"[{'^' if is_negated else ''}{''.join(found)}]", at + 1


def _sign(segment: str, at: int) -> tuple[str, int]:
    at += segment[at] == "\\" and at + 1 < len(segment)
    return segment[at], at + 1
