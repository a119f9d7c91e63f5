"""Argument lists fit to be recorded: without keys, and without the prompt.

What is masked is what a person can be expected to write: secrets behind options, variables and
headers that are called so, in addresses, and those that are known by their form; also within a
command line that is one argument, as in `sh -c`. A secret that looks like any other word is not
found.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROMPT_MARK = "{prompt}"
"""Stands in `meta.json` where the argument list holds the prompt itself."""
DEEPEST = 4
"""Command lines within command lines that are looked into."""
_OPTION = re.compile(r"(-{1,2}[A-Za-z][\w.-]*)(=?)")
_LONG_OPTION = re.compile(r"--[A-Za-z]")
_ASSIGNMENT = re.compile(r"([A-Za-z_][\w.-]*)\+?=")
_NAME = re.compile(r"[A-Za-z_]\w*")
_SHELL_WORD = re.compile(
    r"(?:[^\s'\"\\;|&()<>$]|\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"|\$\([^()]*\)|['\"\\$])+|[;|&()\n]"
)
_QUOTE = re.compile(r"['\"\\]")
_QUOTED_PART = re.compile(r"(?s)'([^']*)'|\"((?:\\.|[^\"\\])*)\"|\\(.)|(.)")
_ESCAPED = re.compile(r"\\([\"\\$`])")
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "fish"})
_SETTERS = frozenset({"set", "setenv"})
"""Words behind which a name and its value are two arguments."""
_BEFORE_SECRETS = frozenset({
    ("curl", "-u"), ("curl", "--user"), ("curl", "-U"), ("curl", "--proxy-user"),
    ("sshpass", "-p"), ("redis-cli", "-a"),
})  # fmt: skip
"""Options that do not say by their name that a secret follows."""
_GLUED_TO_SECRETS = frozenset({
    ("curl", "-u"), ("curl", "-U"), ("sshpass", "-p"), ("redis-cli", "-a"),
    ("mysql", "-p"), ("mysqldump", "-p"), ("mysqladmin", "-p"), ("mariadb", "-p"),
})  # fmt: skip
_PROGRAMS = _SHELLS | {name for name, _ in _BEFORE_SECRETS | _GLUED_TO_SECRETS}
MASK = "***"
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_LAST_WORDS = frozenset(
    {"auth", "authorization", "bearer", "cookie", "jwt", "otp", "pass", "psk", "pw", "pwd", "totp"}
)
"""They name a secret as a word of their own only: `--auth`, not `--author`."""
_NAME_END = re.compile(
    r"(?:passw(?:or)?d|passphrase|passcode|secret|token|credentials?"
    r"|(?:api|access|private|secret|auth|sign(?:ing)?|encrypt(?:ion)?|decrypt(?:ion)?|master|shared"
    r"|account|storage|subscription|service|deploy|admin|host|app|application|client|consumer"
    r"|webhook|license|session|recovery|ssh|gpg|pgp|ssl|tls|hmac|aes|rsa|jwt)key)\Z"
)
"""They do so at the end of any word, however it is joined: `apikey`, `dbpassword`."""
_SAYS_WHICH = frozenset({
    "base", "value", "text", "string", "raw", "plain", "hex", "b", "base64", "data", "content",
    "prod", "production", "dev", "test", "staging", "live", "old", "new", "default", "primary",
    "secondary",
})  # fmt: skip
"""Words behind a name that change nothing of what it holds: `API_KEY_PROD`, `TOKEN_2`."""
_FOLDERS = frozenset({"PWD", "OLDPWD"})
_FORMS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [^-]*-----|\Z)",
        # Tokens of a known form. What is before them is not a letter, else `task-…` were a key.
        r"(?i)(?<![a-z0-9])(?:(?:sk|pk|rk)[-_]|glpat-|gl[a-z]{2,5}t-|xox[a-z]-|xapp-|tskey-|nvapi-)"
        r"[a-z0-9_\-]{12,}",
        r"(?i)(?<![a-z0-9])(?:gh[opsur]|github_pat|hf|npm|dckr_pat|glsa|gsk|whsec|dop_v1|shp[a-z]{2}"
        r"|figd|lin_api)_[a-z0-9_\-]{12,}",
        r"(?<![A-Za-z0-9])pypi-[A-Za-z0-9_\-]{32,}",
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_\-]{20,}",
        r"(?<![A-Za-z0-9])(?:ya29\.|GOCSPX-|AGE-SECRET-KEY-)[A-Za-z0-9_\-]{12,}",
        r"(?<![A-Za-z0-9])SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}",
        r"(?<![A-Za-z0-9_\-])eyJ[A-Za-z0-9_\-]{5,}(?:\.[A-Za-z0-9_\-]*){1,4}",  # a JSON web token
        r"(?<=hooks\.slack\.com/services/)[^\s\"']+",
        r"(?i)(?<=/api/webhooks/)\d+/[^\s\"']+",
    )
)
_VALUE = r"\"(?:\\.|[^\"\\])*+\"?|'[^']*+'?"
_NAMED = (
    # A header goes to the end of its line or quotes.
    (
        r"(?i)(?<![\w-])((?:proxy-)?authorization|(?:set-)?cookie|[a-z0-9]+(?:-[a-z0-9]+)+)"
        r"[\"']?\s*:\s*[\"']?(?!//)",
        r"[^\s\"'][^\"'\r\n]*",
    ),
    # A key of JSON, or of a dictionary.
    (r"[\"']([A-Za-z_][\w.-]{0,100})[\"']\s*:\s*", _VALUE),
    # A setting, alone or within something.
    (
        r"(?<![\w.])([A-Za-z_][\w.-]{0,100})(?:=|\s=\s)",
        rf"{_VALUE}|\$\([^()]*\)|[^\s\"'&;|,)}}\]<>]+",
    ),
)
_NAMED_VALUES = tuple((re.compile(name), re.compile(value)) for name, value in _NAMED)
_SHORTEST_FORM = 14
_NAMES_NOTHING = re.compile(r"[^=:@]*")
_BEARER = re.compile(r"(?i)(?<![\w-])(bearer|basic)(\s+)(?=[^\s\"']*[\d=._\-])[^\s\"'$]{8,}")
_REFERENCE = re.compile(r"\"?(?:\w+ )?\$(?:\w+|\{\w+\}|\([^()\"]*\))\"?")
_USER_OF_ADDRESS = re.compile(
    r"(?i)(?P<scheme>[a-z][a-z0-9+.-]{0,20})://"
    r"(?P<user>[^\s/?#\"'@:]*+(?::(?!\d{1,5}(?:[/?#]|$))[^\s\"'?#]*|[^\s/?#\"':]*))@"
)
_SCHEMES_WITH_ACCOUNTS = frozenset({"ssh", "git", "git+ssh", "svn+ssh", "sftp", "rsync", "scp"})
_USER_AT_HOST = re.compile(
    r"(?<![\w/@.:+-])(?P<user>[\w.+-]{1,64}):[^\s/@:\"']+@"
    r"(?P<host>\d{1,3}(?:\.\d{1,3}){3}|[A-Za-z][\w-]*(?:\.[A-Za-z0-9][\w-]*)*)(?![\w@])"
)
_NOT_USERS = frozenset({
    "npm", "jsr", "pkg", "workspace", "patch", "link", "file", "portal", "docker", "mailto", "acct",
    "xmpp", "sip", "sips", "http", "https", "git",
})  # fmt: skip


def masked_argv(argv: Sequence[str], prompt: str) -> tuple[str, ...]:
    """Return an argument list fit to be recorded: no keys, and the prompt by name only."""
    named = [each.replace(prompt, PROMPT_MARK) if prompt else each for each in argv]
    return tuple(_masked(named, depth=0))


def masked_line(line: str) -> str:
    """Return a command line as a shell reads it, fit to be shown and recorded."""
    return masked_forms(_masked_line(line, depth=1))


def _masked(words: Sequence[str], *, depth: int) -> Iterator[str]:
    """Yield the words of one command, masked.

    Args:
        words: without the quotes that a shell takes away.
        depth: how many command lines they are within.
    """
    program, before = "", ""
    is_secret = sets_names = False
    for word in words:
        # An option behind an option that takes a value: it was a switch.
        if is_secret and not _LONG_OPTION.match(word):
            yield word if depth and is_reference(word) else MASK
            is_secret, before = False, word
            continue
        name = word.rpartition("/")[2]
        program = name if name in _PROGRAMS else program
        sets_names = sets_names or word in _SETTERS
        is_script = program in _SHELLS and re.fullmatch(r"-\w*c", before) is not None
        is_secret = _announces(word, program, sets_names=sets_names)
        yield word if is_secret else _masked_word(word, program, depth=depth, is_script=is_script)
        before = word


def _announces(word: str, program: str, *, sets_names: bool) -> bool:
    """Tell whether the next word is a secret."""
    if (program, word) in _BEFORE_SECRETS:
        return True
    is_name = sets_names and _NAME.fullmatch(word)
    return bool(is_name or _OPTION.fullmatch(word)) and is_secret_name(word)


def _masked_word(word: str, program: str, *, depth: int, is_script: bool) -> str:
    if (program, word[:2]) in _GLUED_TO_SECRETS and len(word) > len("-p"):
        return f"{word[:2]}{MASK}"
    named = _OPTION.match(word) or _ASSIGNMENT.match(word)
    if named and named[0].endswith("=") and is_secret_name(named[1]) and not is_script:
        value = word[named.end() :]
        is_kept = not value or (depth and is_reference(value))
        return word if is_kept else f"{named[0]}{MASK}"
    if depth < DEEPEST and re.search(r"\s", word):
        word = _masked_line(word, depth=depth + 1)
    return masked_forms(word)


def _masked_line(line: str, *, depth: int) -> str:
    """Return a command line with its words masked, and all between them as it was."""
    pieces: list[str] = []
    command: list[re.Match[str]] = []
    at = 0

    def end_command() -> None:
        nonlocal at
        bare = [_unquoted(found[0]) for found in command]
        for found, before, after in zip(command, bare, _masked(bare, depth=depth), strict=True):
            pieces.append(line[at : found.start()])
            pieces.append(found[0] if before == after else _quoted(after, found[0]))
            at = found.end()
        command.clear()

    for found in _SHELL_WORD.finditer(line):
        if found[0] in ";|&()\n":
            end_command()
        else:
            command.append(found)
    end_command()
    return "".join((*pieces, line[at:]))


def _unquoted(word: str) -> str:
    """Return a word as its program gets it, save for what a shell would put into it."""
    if _QUOTE.search(word) is None:
        return word
    parts = _QUOTED_PART.findall(word)
    return "".join(a or _ESCAPED.sub(r"\1", b) or c or d for a, b, c, d in parts)


def _quoted(word: str, before: str) -> str:
    """Return a masked word between the quotes that it had, where it needs any."""
    if not re.search(r"[\s;|&()<>'\"\\]", word):
        return word
    quote = "'" if before.endswith("'") and "'" not in word else '"'
    return f"{quote}{word}{quote}"


def is_secret_name(name: str) -> bool:
    """Tell whether what has this name is a secret: of an option, variable, header or setting.

    `--api_key`, `clientSecret` and `DB_PASS` are, `--tokenizer`, `--password-file` and
    `--max-tokens` are not: what is last in a name says what it is.
    """
    if name in _FOLDERS:
        return False
    words = [word.lower() for word in _WORD.findall(name)]
    while len(words) > 1 and (words[-1] in _SAYS_WHICH or words[-1].isdigit()):
        words.pop()
    if not words or words[0] == "no":
        return False
    return words[-1] in _LAST_WORDS or _NAME_END.search("".join(words)) is not None


def masked_forms(text: str) -> str:
    """Return a text with everything masked that is a secret by its form or by its name."""
    if len(text) < _SHORTEST_FORM and _NAMES_NOTHING.fullmatch(text):
        return text
    for form in _FORMS:
        text = form.sub(MASK, text)
    for name, value in _NAMED_VALUES:
        text = _masked_values(text, name, value)
    text = _BEARER.sub(rf"\1\2{MASK}", text)
    text = _USER_OF_ADDRESS.sub(_without_user, text)
    return _USER_AT_HOST.sub(_without_password, text)


def _masked_values(text: str, name: re.Pattern[str], value: re.Pattern[str]) -> str:
    """Return a text with each value masked that stands behind the name of a secret."""
    pieces: list[str] = []
    at = looked = 0
    while named := name.search(text, looked):
        looked = named.end()
        found = value.match(text, looked) if is_secret_name(named[1]) else None
        if found and not is_reference(found[0]):
            quote = found[0][0] if found[0][0] in "\"'" else ""
            pieces += (text[at:looked], quote, MASK, quote)
            at = looked = found.end()
    return "".join((*pieces, text[at:]))


def _without_user(found: re.Match[str]) -> str:
    user, scheme = found["user"], found["scheme"].lower()
    if not user or (":" not in user and (scheme in _SCHEMES_WITH_ACCOUNTS or user == "git")):
        return found[0]
    return f"{found['scheme']}://{MASK}@"


def _without_password(found: re.Match[str]) -> str:
    is_other = found["user"].lower() in _NOT_USERS or re.match(r"sha\d", found["host"])
    return found[0] if is_other else f"{found['user']}:{MASK}@{found['host']}"


def is_reference(value: str) -> bool:
    """Tell whether a shell would put something else there: `$TOKEN`, `Bearer ${TOKEN}`, `$(x)`."""
    return _REFERENCE.fullmatch(value) is not None
