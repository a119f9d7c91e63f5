"""Which files an agent's tool calls name: what tells its change from a person's beside it.

An editing tool names its file. A shell command names every word of it that may be a path, a
folder or a pattern, but for commands that only look: reading a file is not changing it. A script
that the agent wrote or had at hand, and then ran, names what stands in it. What a call names is
the agent's, even if others wrote there too; what none names cannot be seen to be.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from mosaic.plan.globs import parse_glob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mosaic.ports import ToolCall

LONGEST_PARSED = 32_768
"""A longer command is not taken apart: every word of it counts."""
LOOKING = {
    "cat", "head", "tail", "less", "more", "grep", "egrep", "fgrep", "rg", "ls", "tree", "wc",
    "diff", "cmp", "stat", "file", "nl", "jq", "cd", "pwd", "echo", "printf", "mkdir", "test",
    "[", "true", "false", "which", "type", "export", "sort", "uniq", "cut", "comm", "tr",
    "basename", "dirname", "realpath", "readlink", "du", "df", "date", "sleep", "awk", "md5sum",
    "sha1sum", "sha256sum", "pytest", "mypy", "pyright", "mission",
}  # fmt: skip
"""Programs that change no file that they name, unless their output is sent to one."""
GIT_CHANGES = {
    "checkout", "restore", "switch", "rm", "mv", "clean", "apply", "am", "stash", "reset",
    "merge", "pull", "rebase", "cherry-pick", "revert",
}  # fmt: skip
"""What of git changes files in the work tree."""
WHOLE_TREE = {
    "rm", "mv", "cp", "rsync", "sed", "perl", "git", "find", "xargs", "black", "isort",
    "prettier", "gofmt", "ruff", "eslint",
}  # fmt: skip
"""Programs for which `.` or `*` names every file."""
RUNNING = {
    "python", "node", "sh", "bash", "zsh", "dash", "perl", "ruby", "deno", "bun", "source", ".",
}  # fmt: skip
"""Programs that run the file that they name."""
_BEFORE = {
    "sudo", "time", "nohup", "command", "env", "exec", "then", "do", "else", "if", "while", "!",
    "{", "(",
}  # fmt: skip
_SEPARATORS = ";&|()\n"
_NOT_SENT = re.compile(r"(?:\d|&)?>>?\s*(?:&\d|/dev/null)")
_SENT = re.compile(r"^\d?[<>]+")
_HEREDOC = re.compile(
    r"<<-?[ \t]*(['\"]?)(\w+)\1([^\n]*)\n(.*?)(?:\n[ \t]*\2[ \t]*(?=\n|\)|$)|\Z)", re.DOTALL
)
_WITHIN = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
_VARIABLE = re.compile(r"\$\{?\w+\}?/")
_WORD = re.compile(r"[\w.@+~/*?\[\]-]+")
_PATTERN = re.compile(r"^(?=.*[*?])(?=.*(?:\w\w|/))[^\[\]]+$")
"""A pattern with enough in it to mean some files; code and expressions are full of stars."""
_ASSIGNMENT = re.compile(r"\w+=.*", re.DOTALL)
_OUT_OPTIONS = ("-delete", "-exec", "-ok", "-fprint", "--output", "--fix", "-i", "--in-place")


class Named:
    """What the calls of one agent name.

    Args:
        top: the work tree, absolute; `cwd` where in it the agent began, absolute too.
        read: returns the text of a script on disk by the path in a command; empty for none.
    """

    def __init__(
        self,
        calls: Iterable[ToolCall],
        *,
        top: Sequence[str],
        cwd: str,
        read: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._tops = sorted({each.rstrip("/") for each in top}, key=len, reverse=True)
        self._base = cwd
        self._read = read
        self._edited: set[str] = set()
        self._words: set[str] = set()
        self._patterns: set[str] = set()
        self._scripts: dict[str, list[str]] = defaultdict(list)
        for call in calls:
            for path in call.paths:
                self._edited.add(self._in_top(posixpath.join(cwd, path)))
                self._scripts[posixpath.basename(path)].append(call.written)
            self._add(call.words)
            self._take_command(call.command)
        self._globs = [parse_glob(word) for word in self._patterns]

    def names(self, path: str) -> bool:
        """Tell whether a path of the work tree, relative to its top, or a folder of it is named."""
        if path in self._edited or "" in self._words:
            return True
        parts = path.split("/")
        ends = ("/".join(parts[at:]) for at in range(len(parts)))
        folders = ("/".join(parts[:at]) for at in range(1, len(parts)))
        if not self._words.isdisjoint((*ends, *folders)):
            return True
        return any(glob.matches(path) for glob in self._globs)

    def _in_top(self, path: str) -> str:
        """Return an absolute path as the work tree names it; one elsewhere stays absolute."""
        path = posixpath.normpath(path)
        for top in self._tops:
            if path == top:
                return ""
            if path.startswith(f"{top}/"):
                return path[len(top) + 1 :]
        return path

    def _add(self, text: str, program: str | None = None) -> None:
        """Take the words of a text; with a program, those that a shell gives it."""
        for found in _WORD.finditer(_VARIABLE.sub("", text)):
            word = found[0].rstrip(".:/") or found[0]
            if not word.strip("./*?"):
                if program in WHOLE_TREE and ".." not in word:
                    self._words.add(self._in_top(self._base))
                continue
            whole = self._in_top(posixpath.join(self._base, word)) or word
            self._words |= {word.removeprefix("./"), whole}
            if program is not None and _PATTERN.search(word):
                self._patterns.add(whole)

    def _take_command(self, text: str) -> None:
        if len(text) > LONGEST_PARSED:
            self._add(text)
            return
        for found in _HEREDOC.finditer(text):
            begin = text.rfind("\n", 0, found.start()) + 1
            line = f"{text[begin : found.start()]} {found[3]}"
            *_, last = re.split(r"[;&|(]+", text[begin : found.start()])
            if re.match(r"\s*(?:cat|tee)\b", last) and "|" not in found[3]:
                for word in _WORD.findall(line)[1:]:
                    self._scripts[posixpath.basename(word)].append(found[4])
            else:
                self._add(found[4])
        for words in _commands(_HEREDOC.sub(r"\3\n", text)):
            self._take_words(words)

    def _take_words(self, words: list[str]) -> None:
        for word in words:
            for inner in _WITHIN.finditer(word):
                self._take_command(inner[1] or inner[2] or "")
        program, rest = _program(words)
        if program == "cd" and rest:
            self._base = posixpath.normpath(posixpath.join(self._base, rest[0]))
        if not program or _only_looks(program, rest):
            return
        for word in (program, *rest) if program in RUNNING else (words[0],):
            name = posixpath.basename(word)
            for script in self._scripts.get(name, ()):
                self._add(script)
            if program in RUNNING or "/" in word:
                self._add(self._read(posixpath.normpath(posixpath.join(self._base, word))))
        spaced = (_SENT.sub("", word) for word in rest if " " in word)
        self._words |= {self._in_top(posixpath.join(self._base, word)) for word in spaced}
        self._add(" ".join(rest if program in RUNNING else words), program)


def _commands(text: str) -> Iterator[list[str]]:
    """Return the words of each command of a shell text, those in pipes and lists too."""
    lexer = shlex.shlex(_NOT_SENT.sub(" ", text), posix=True, punctuation_chars=_SEPARATORS)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    try:
        tokens = [*lexer, ";"]
    except ValueError:  # a quote that is not closed
        yield ["?", *text.split()]
        return
    words: list[str] = []
    for token in tokens:
        if token and not token.strip(_SEPARATORS):
            if words:
                yield words
            words = []
        elif not (words and words[0].startswith("#")):
            words.append(token)


def _program(words: Sequence[str]) -> tuple[str, list[str]]:
    """Return a command's program by name, and what follows it."""
    at = 0
    while at < len(words) - 1 and (words[at] in _BEFORE or _ASSIGNMENT.fullmatch(words[at])):
        at += 1
    if words[at] == "timeout":
        at = min(at + 2, len(words) - 1)
    name = re.sub(r"^(python)\d(?:\.\d+)?$", r"\1", posixpath.basename(words[at]))
    rest = [*words[at + 1 :]]
    if name == "python" and rest[:1] == ["-m"] and len(rest) > 1:
        return rest[1], rest[2:]
    return ("" if name.startswith("#") else name), rest


def _only_looks(program: str, rest: Sequence[str]) -> bool:
    if any(">" in word for word in rest):
        return False
    if program == "git":
        pairs = pairwise(["", *rest])
        verb = next((w for before, w in pairs if not w.startswith("-") and before != "-C"), "")
        return verb not in GIT_CHANGES and "--output" not in " ".join(rest)
    changes = any(word.startswith(_OUT_OPTIONS) for word in rest)
    if program in ("sed", "find") or (program == "ruff" and rest[:1] == ["check"]):
        return not changes
    return program in LOOKING and not ((changes and program in ("sort", "awk")) or "-o" in rest)
