"""The files that a handoff claims to have changed.

The first path of a line, and those listed with it (`a.py, b.py and c.py`), are claimed. A path
that comes later, in prose, is only mentioned: it counts where it was changed, and is no false
claim where it was not. Only an explicit mark claims what happened to a file: `a.py (new)`,
`a.py (deleted)`, `A a.py`, `D a.py`, a rename as `a.py → b.py`; words never do.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from mosaic.records import replace
from mosaic.review.claims import (
    BULLET,
    LONGEST_LINE,
    MOST_CLAIMS,
    NOTHING,
    FileClaim,
    Kind,
    claim_lines,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKS = {
    Kind.ADDED: "new file|new|added|created|新文件|新增|新建|添加",
    Kind.DELETED: "deleted|removed|已删除|删除|移除",
    Kind.RENAMED: "renamed|moved|重命名",
    Kind.CHANGED: "changed|modified|updated|edited|修改|更新",
}
"""What claims what happened, alone or before a comma in brackets behind a path."""
LETTERS = {"A": Kind.ADDED, "?": Kind.ADDED, "D": Kind.DELETED, "M": Kind.CHANGED}
"""As `git status --short` and `git diff --name-status` write them."""
KNOWN_NAMES = frozenset(
    {
        "Makefile", "Dockerfile", "LICENSE", "README", "CHANGELOG", "Justfile", "Gemfile",
        "Procfile", "Rakefile", "Vagrantfile", "Jenkinsfile", "CODEOWNERS", "NOTICE", "AUTHORS",
    }
)  # fmt: skip
SUFFIX = re.compile(
    r"\w\.(?:"
    r"adoc|astro|bash|bat|bin|c|cc|cfg|cjs|clj|cmake|conf|cpp|cs|css|csv|cts|dart|db|diff"
    r"|ejs|el|elm|env|erl|ex|exs|fish|fs|gif|go|gradle|graphql|groovy|h|hcl|hpp|hs|htm"
    r"|html|ico|ini|ipynb|j2|java|jl|jpeg|jpg|js|json|json5|jsonc|jsonl|jsx|kt|kts|less"
    r"|lisp|lock|log|lua|m|md|mdx|mjs|mk|ml|mod|mts|nim|nix|org|patch|pdf|php|pkl|pl|plist"
    r"|png|po|prisma|properties|proto|ps1|py|pyi|pyx|r|rb|rs|rst|sass|scala|scss|sh|snap"
    r"|sol|sql|sqlite|sum|svelte|svg|swift|tex|tf|toml|ts|tsv|tsx|txt|vim|vue|wasm|webp"
    r"|xml|yaml|yml|zig|zip|zsh"
    r")$",
    re.IGNORECASE,
)
"""What tells `config.yaml` from `Config.load`."""
MOST_LABEL_WORDS = 6
LONG_PROSE = 60
"""A line of prose of this length goes on in the next."""

_MARKS = re.compile(
    "|".join(f"(?P<{kind.value}>{words})" for kind, words in MARKS.items()), re.IGNORECASE
)
_ALL_MARKS = "|".join(MARKS.values())
_SQUARE_MARK = re.compile(rf"[\[【](\s*(?:{_ALL_MARKS})\s*)[\]】]", re.IGNORECASE)
_MARK_CELL = re.compile(rf"^\s*(?:`|\*\*)?(?:{_ALL_MARKS})(?:`|\*\*)?\s*$", re.IGNORECASE)
_TOKEN = re.compile(
    r"(?P<ticks>(?<!`)`++)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|\[(?P<label>[^\]\[]{1,500})\]\((?P<target>[^)\s]{0,500})\)"
    r"|[(（](?P<inner>[^()（）]{0,500})[)）]"
    # A group of Next.js, `app/(shop)/page.tsx`, and braces, `src/{a,b}.py`, are within a path.
    r"|(?P<word>(?:[^\s`'\"<>|()（），、；：。！？「」『』《》“”…,;{}]|\{[^{}\s]{0,300}\}"
    r"|(?<=/)\([^\s()]{1,300}\))+)"
)
_LETTER = re.compile(
    r"(?:^|(?<=[\s,;]))(?:\*\*)?[\[`]?"
    r"(?P<letter>[AMDRCT?][AMDRCT? ]?|[RC]\d{1,3})[\]`]?(?:\*\*)?:?\s+$"
)
_TAGS = re.compile(r"</?(?:code|b|i|em|strong|kbd|tt|li|ul|ol|p|br)\s*/?>", re.IGNORECASE)
_TREE = re.compile(r"^[\s│├└─┬┴|`+\\]*(?:├|└|│|\|--|`--)[─\-\s]*")
_BRACE_RENAME = re.compile(
    r"(?<![^\s`])([^\s{}`]{0,300})\{([^\s{}]{0,300}) => ([^\s{}]{0,300})\}([^\s{}`]{0,300})"
)
_BEHIND = re.compile(
    r"(?:::.*|:\d[\d:,\-–]{0,40}|#L?\d[\dLC:–-]{0,40}|(?<![.:,;!?])[.:,;!?]++)$", re.DOTALL
)
"""Line numbers, a test's name, and what ends a sentence, behind a path."""
_NO_PATH = re.compile(r"[()$=]\s*$|^[-$]|^v?\d+(?:\.\w+)+$|^[a-z]\.[a-z]$|^(?:[^\w*/\\.]|[\d_/])*$")
"""A call, an option, a version, `e.g`, and what has no letter."""
_ARROW = re.compile(r"\s*(?:->|→|=>|⟶|➔)\s*")
_JOINING = re.compile(
    r"(?:\s|[,;、，；+&*_]|\band\b|\bplus\b|\balso\b|\bund\b|\bet\b|\by\b|和|及|与|以及|还有|/)+",
    re.IGNORECASE,
)
_ENDS = re.compile(r"\s*+(?:$|[*_~]+|[,;:，；：、。(（|]|-{1,3}\s|[–—]|->|→|=>|#)")
"""What may stand behind a path that is claimed: not the next word of a sentence."""
_CHANGES = re.compile(
    r"\b(?:add|creat|updat|modif|chang|edit|rewr|writ|wrote|refactor|fix|remov|delet|renam|mov"
    r"|extend|implement|introduc|adjust|clean|drop|new\b|touch|tweak|replac|split|extract|document"
    r"|port|bump|patch|simplif|improv|generat|format|correct|convert|merg|restor|hook|wir|regist"
    r"|test|built|made)|[新增建添创修改更删移]|重构|实现",
    re.IGNORECASE,
)
_REFERS = re.compile(
    r"\b(?:see|read|reviewed|looked|inspected|considered|studied|checked|related|based|according)\b"
    r"|\b(?:for|from|using|with|per|like|as|match(?:es|ing)?|against|by|via|of|than|calls?|uses?"
    r"|reads?|imports?|follow(?:s|ing)?|tests?)\W*$"
    r"|\b(?:described|documented|defined|found|shown|explained|specified|given|tested|covered)"
    r" (?:in|by|at|under)\W*$|参考|参见|根据",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\b(?:no|not|never|without|nothing|un(?:changed|touched|modified)|\w+n['’]t|read[- ]only"
    r"|instead of|rather than|except)\b|[未没无]",
    re.IGNORECASE,
)
_UNCHANGED = re.compile(
    r"[\s:：,，;(（*_.—–-]*+(?:(?:is|was|are|were|stays?|remains?|left) )?(?:un(?:changed|touched"
    r"|modified)|not (?:changed|touched|modified)|no changes?\b|read[- ]only|as (?:it )?is\b"
    r"|[未没无]|保持不变)",
    re.IGNORECASE,
)


def parse_file_claims(section: str) -> tuple[FileClaim, ...]:
    """Return the files that a section names; one that is claimed anywhere is not a mention."""
    found: dict[tuple[str, str | None], FileClaim] = {}
    is_denied, above = False, None
    for text, in_fence in _items(section):
        indent, is_bullet = len(text) - len(text.lstrip()), BULLET.match(text) is not None
        if above is not None and indent <= above:
            above = None
        claims = [] if _says_nothing(text) else list(_claims(text, in_fence=in_fence))
        if not claims:
            if _is_label(text):
                is_denied = bool(_DENIES.search(text) or _REFERS.search(text))
            continue
        if is_denied:
            continue
        for claim in claims:
            each = replace(claim, is_mention=claim.is_mention or above is not None)
            key = (each.path, each.old_path)
            if key not in found or found[key].is_mention:
                found[key] = each
        if is_bullet and above is None and _is_about_a_file(claims):
            above = indent
        if len(found) >= MOST_CLAIMS:
            break
    return tuple(found.values())[:MOST_CLAIMS]


def _is_about_a_file(claims: list[FileClaim]) -> bool:
    """Tell whether what is nested below describes a file, and does not list those of a folder."""
    first = claims[0]
    return not first.is_mention and not first.path.endswith("/") and "*" not in first.path


def _items(section: str) -> Iterator[tuple[str, bool]]:
    """Return each line, with those that it goes on in, and whether it is in a fenced block."""
    text = ""
    for line, in_fence in claim_lines(section):
        if text and not in_fence and _goes_on(text, line):
            text += f" {line.strip()}"
            continue
        if text:
            yield text, False
        text = "" if in_fence else line
        if in_fence:
            yield line, True
    if text:
        yield text, False


def _goes_on(text: str, line: str) -> bool:
    if len(text) > LONGEST_LINE or BULLET.match(line) or re.match(r"\s*[|#]|\s*[├└│]", line):
        return False
    indent = len(line) - len(line.lstrip())
    if BULLET.match(text):
        return indent > len(text) - len(text.lstrip())
    return len(text) >= LONG_PROSE and _is_prose(text)


def _is_prose(text: str) -> bool:
    words = re.sub(r"`[^`]*`", "x", text).split()
    return sum(word[:1].isalpha() and "/" not in word for word in words) >= MOST_LABEL_WORDS


def _is_label(text: str) -> bool:
    """Tell whether a line is a heading, or introduces those below."""
    bare = text.strip()
    return bare.startswith("#") or bare.strip("*_").endswith((":", "：")) or bare.endswith("**")


def _says_nothing(text: str) -> bool:
    return BULLET.sub("", text).strip("`*_.。 \t").lower() in NOTHING


def _plainly(text: str) -> str:
    """Return a line without bullets, tags and the lines of a tree; what git draws as a mark."""
    if text.strip().startswith("|"):
        text = _table_row(text)
    text = _TREE.sub("", BULLET.sub("", text)).strip().lstrip("#").strip()
    text = _TAGS.sub(" ", text)
    text = _SQUARE_MARK.sub(r"(\1)", text)
    return _BRACE_RENAME.sub(
        lambda m: f"{m[1]}{m[2]}{m[4]} → {m[1]}{m[3]}{m[4]}".replace("//", "/"), text
    )


def _table_row(text: str) -> str:
    """Return a row's first cell, with a mark that stands in another one behind it."""
    cells = [cell.strip() for cell in text.strip().strip("|").split("|")]
    head = {"file", "files", "path", "paths", "文件", "路径"}
    if set(cells[0]) <= set(":- ") or cells[0].lower() in head:
        return ""
    marks = [cell.strip("`*") for cell in cells[1:] if _MARK_CELL.match(cell)]
    return f"{cells[0]} ({marks[0]})" if marks else cells[0]


def _claims(line: str, *, in_fence: bool) -> Iterator[FileClaim]:
    """Return the files of one line: those listed from its first path on, and those mentioned."""
    text = _plainly(line)
    listed: list[FileClaim] = []
    mentions: list[FileClaim] = []
    is_list, end = True, 0
    for token in _TOKEN.finditer(text):
        between, rest = text[end : token.start()], text[token.end() :]
        if token["inner"] is not None:
            if listed and is_list and not between.strip("*_ \t"):
                listed[-1] = _marked(listed[-1], token["inner"])
                end = token.end()
            mentions += _mentions(token["inner"])
            continue
        word, is_code = _word(token)
        strength = _strength(word, is_code=is_code or in_fence)
        if not strength or (rest[:1] == "(" and not is_code):  # a function that is called
            continue
        letter = _LETTER.search(between)
        lead = between[: letter.start()] if letter else between
        is_claim = is_list and (strength > 1 or _ENDS.match(rest) is not None)
        if is_claim and listed and _ARROW.fullmatch(lead) and _ENDS.match(rest):
            old = listed.pop().path
            new = FileClaim(text=text, path=_paths(word)[0], kind=Kind.RENAMED, old_path=old)
            listed.append(new)
            end = token.end()
            continue
        is_claim = is_claim and bool(_JOINING.fullmatch(lead) if listed else _introduces(lead))
        if is_claim and _UNCHANGED.match(rest):
            return
        if is_claim:
            kind = LETTERS.get(letter["letter"].strip()[:1]) if letter else None
            listed += [FileClaim(text=text, path=path, kind=kind) for path in _paths(word)]
            end = token.end()
        elif listed or not _DENIES.search(lead):
            mentions += _mentions(token[0])
            is_list = is_list and strength == 1 and not listed
    yield from listed
    yield from (replace(each, text=text) for each in mentions)


def _marked(claim: FileClaim, inner: str) -> FileClaim:
    """Return a claim with what a mark in brackets says: `new`, `new, 20 lines`; not `new words`."""
    mark = re.split(r"[,;:，；：]|\s[-–—]\s", inner, maxsplit=1)[0].strip("`*_ \t")
    found = _MARKS.fullmatch(mark)
    return replace(claim, kind=Kind(found.lastgroup)) if found and found.lastgroup else claim


def _introduces(lead: str) -> bool:
    """Tell whether the words before a line's first path make it a claim."""
    bare = lead.strip(" \t*_~")
    if not re.search(r"[^\W\d_]", bare):
        return True
    if _DENIES.search(bare) or _REFERS.search(bare):
        return False
    is_label = bare.endswith((":", "：", "—", "–", "-")) and len(bare.split()) <= MOST_LABEL_WORDS
    return is_label or _CHANGES.search(bare) is not None


def _mentions(text: str) -> Iterator[FileClaim]:
    for token in _TOKEN.finditer(text):
        word, is_code = _word(token)
        if _strength(word, is_code=is_code):
            for path in _paths(word):
                yield FileClaim(text=text, path=path, is_mention=True)


def _word(token: re.Match[str]) -> tuple[str, bool]:
    """Return what may be a path, and whether it is marked as code or as a link."""
    if token["code"] is not None:
        return _stripped(token["code"].strip()), True
    if token["label"] is not None:
        label = _stripped(token["label"].strip("`* "))
        target = _stripped(token["target"])
        return (label if _strength(label, is_code=True) > 1 or "://" in target else target), True
    word = token["word"] or ""
    for _ in range(3):
        pair = re.fullmatch(r"(\*{1,3}|_{1,3}|~~)(.+?)\1[:.,]?", word)
        word = pair[2] if pair else word
    word = word[1:-1] if word.startswith("[") and word.endswith("]") else word
    return _stripped(re.sub(r"\\([_*])(?=[^_/\\])", r"\1", word)), False


def _stripped(word: str) -> str:
    """Return a path without line numbers and without the dots of `src/...`."""
    word = re.sub(r"(?<=/)(?:\.{3}|…)$", "", word)
    return _BEHIND.sub("", word) if word not in (".", "..") else word


def _strength(word: str, *, is_code: bool) -> int:
    """Return how much a word looks like a path: 0 not at all, 1 perhaps, 2 certainly."""
    if len(word) > LONGEST_LINE or "://" in word or _NO_PATH.search(word):
        return 0
    is_below, name = "/" in word or "\\" in word, word.rstrip("/").rpartition("/")[2]
    if " " in word:  # a span of code with blanks is one path, or a command
        first = word.partition(" ")[0]
        is_command = re.search(r"\s[-<>|&]", word) or (is_below and "/" not in first)
        return 2 if is_code and not is_command and SUFFIX.search(word) else 0
    if word in KNOWN_NAMES or SUFFIX.search(name) or re.match(r"\.\w", name):
        return 2
    if "*" in word:
        return 2 if is_below or "." in word else 0
    if is_below and (is_code or "." in name or word.endswith("/")):
        return 2
    if not re.fullmatch(r"[\w.@+~/\\-]+", word):
        return 0
    return 1 if is_code or is_below or re.search(r"\w\.\w", word) else 0


def _paths(word: str) -> list[str]:
    """Return a path with `/` and without `./`; `src/{a,b}.py` as two."""
    text = word.strip("'\"").replace("\\", "/")
    folder = "/" if text.endswith("/") and len(text) > 1 else ""
    path = (posixpath.normpath(text) if text else "") + folder
    found = re.search(r"\{([^{}]{1,300})\}", path)
    if found is None or "," not in found[1]:
        return [path]
    return [path[: found.start()] + part + path[found.end() :] for part in found[1].split(",")][:50]
