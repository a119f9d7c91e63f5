"""What is run on a machine by its login shell alone: there may be no Python of ours yet.

It is one line of shell for `sh`; folder and Python's name are quoted words of it. It has no single
quote and no line break, so that every login shell hands it on as it is, `csh` too.

    FOLDER/venv      a symlink to the `mission` that was installed last, below FOLDER/venvs

A program that runs keeps the one that it began with: each install has a folder of its own.
"""

from __future__ import annotations

import secrets
import shlex
import subprocess
import tempfile
from typing import IO, TYPE_CHECKING

from mosaic import __version__
from mosaic.errors import HostNotReadyError, ProgramNotFoundError, UnreachableError
from mosaic.git.git import OLDEST_GIT
from mosaic.machine.environment import outer_environment
from mosaic.machine.process import find_tool
from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mosaic.settings import HostSpec

OPTIONS = (
    "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15",
    "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3", "-o", "ControlPersist=60",
)  # fmt: skip
"""After a person's own, which count first: nobody is there to be asked, and a dead link is seen.

A connection that others share stays when the call that made it ends, so none of them is cut.
"""
HOME = 'd=$1; case $d in "~/"*) d=$HOME/${d#"~/"};; esac; '
CHOOSE = (
    'p=$d/venv/bin/python; if [ -x "$p" ]; then p=$(cd "$d/venv" && pwd -P)/bin/python; '
    "else p=$2; fi; "
)
LINE = HOME + CHOOSE + 'c=$3; shift 3; exec "$p" -P -c "$c" "$d" "$@"'
OLDEST_PYTHON = (3, 11)
SCRIPT_SECONDS = 300.0
_TELL = 'say() { echo; printf %s "MOSAIC $k $*"; echo; }; '
"""Some shells make more of what `echo` is given, such as of a backslash."""
_PATHS = (
    'shift 3; for each in "$@"; do case $each in "~/"*) each=$HOME/${each#"~/"};; esac; '
    "q=$q$each:; done; PATH=$q$PATH; "
)
PROBE = (
    HOME + CHOOSE + "k=$3; " + _TELL + _PATHS + 'mkdir -p -m 700 "$d"; say folder "$d"; '
    'say git "$(git --version)"; '
    'say python "$("$p" -c "import sys; print(*sys.version_info[:3], sep=chr(46))")"; '
    'say mission "$("$p" -P -c "import mosaic; print(mosaic.__version__)")"; '
    'say clock "$(date +%s)"; [ -w "$d" ] && say writable yes; say end'
)
_REMOVE_OLD = (
    'if all=$(ps -Aww -o args=); then for each in venvs/*; do case "$each" in "$n"|"$o") ;; *) '
    'case "$all" in *"$d/$each/"*) ;; *) rm -rf "$each";; esac;; esac; done; fi; '
)
"""An install that nothing runs from goes, but the last one stays: somebody may be starting it."""
INSTALL = (
    HOME + "k=$3; " + _TELL + 'n=venvs/$k; mkdir -p -m 700 "$d/$n" && cd "$d" && d=$(pwd -P) && '
    'cat > "$n/$4" && o=$(readlink venv); '
    'm=$n/bin/python; q="-q --disable-pip-version-check"; '
    'if { "$2" -m venv --without-pip "$n" && '
    'if "$2" -m pip --python "$m" --version; then '
    '"$2" -m pip --python "$m" install $q "$n/$4"; else '
    '"$m" -m ensurepip && "$m" -m pip install $q "$n/$4"; fi && '
    'rm -f "$n/$4" && "$m" -P -c "import mosaic.there" && '
    '{ [ -L venv ] || [ ! -e venv ] || mv venv "venvs/of-before-$k"; } && '
    'ln -s "$n" "venvs/$k.link" && "$m" -c '
    '"import os, sys; os.replace(*sys.argv[1:])" "venvs/$k.link" venv; } >&2; then '
    + _REMOVE_OLD
    + 'say installed yes; else rm -rf "$n" "venvs/$k.link"; fi; say end'
)
"""The one that was installed before stays the one that is used, until the new one is whole.

A pip that is there already is used: not every Python can put one into a new environment.
"""
_MOST_SAID = 2000


class Said(NamedTuple):
    """What a script of shell said there."""

    values: Mapping[str, str]
    errors: str
    """The end of what it wrote to stderr, with what the login shell did."""


class Trait(NamedTuple):
    """One thing that a machine must have, as it was found."""

    name: str
    is_ok: bool
    found: str
    hint: str


def ssh_command(host: HostSpec, words: Sequence[str]) -> list[str]:
    """Return the arguments that run a program on a host; each word arrives there as it is."""
    ssh = find_tool("ssh")
    if ssh is None:
        hint = "install OpenSSH's client; only work on other machines needs it"
        raise ProgramNotFoundError("ssh", problem="it is not on the PATH", hint=hint)
    return [ssh, *host.options, *OPTIONS, "--", host.address, shlex.join(words)]


def terminal_command(host: HostSpec, words: object) -> list[str]:
    """Return what a person types to run in their terminal what a host has named; else nothing."""
    if not isinstance(words, list) or not words:
        return []
    return ["ssh", "-t", *host.options, "--", host.address, shlex.join(map(str, words))]


def probe(spec: HostSpec) -> Mapping[str, str]:
    """Return what a machine says of itself by its shell alone."""
    return run_there(spec, PROBE, spec.path, subprocess.DEVNULL).values


def traits(spec: HostSpec, found: Mapping[str, str]) -> Iterator[Trait]:
    """Judge what a machine says of itself: each thing that it needs for work, in order."""
    is_writable = found.get("writable") == "yes"
    words = f"`{found.get('folder', spec.folder)}`" + ("" if is_writable else " cannot be written")
    yield Trait("folder", is_writable, words, "name another `folder`, or mend its rights there")
    yield _version("git", found.get("git", "").removeprefix("git version "), OLDEST_GIT)
    yield _version("python", found.get("python", ""), OLDEST_PYTHON)
    version = found.get("mission", "")
    words = f"version {version}, and {__version__} here" if version else "it is not installed"
    hint = f"`mission hosts check {spec.name} --install` puts it into `{spec.folder}/venv`"
    is_same = version == __version__
    yield Trait("mission", is_same, version if is_same else words, hint)


def refuse_unready(spec: HostSpec) -> None:
    """Raise a HostNotReadyError that says what a machine lacks; nothing where it lacks nothing.

    UnreachableError: it does not answer, or its login shell does not run what it is asked to.
    """
    for each in traits(spec, probe(spec)):
        if not each.is_ok:
            raise HostNotReadyError(spec.name, f"{each.name}: {each.found}", hint=each.hint)


def run_there(spec: HostSpec, script: str, words: Sequence[str], stdin: int | IO[bytes]) -> Said:
    """Run a script of shell to its `end`, and return what it said.

    UnreachableError: it did not come to its end.
    """
    word = secrets.token_hex(8)
    command = ["sh", "-c", script, "sh", spec.folder, spec.python, word, *words]
    # A file: a connection that is kept for later calls would keep a pipe open.
    with tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(
                ssh_command(spec, command),
                env=outer_environment(),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=errors,
                timeout=SCRIPT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UnreachableError(spec.name, f"no answer in {SCRIPT_SECONDS:g} s") from None
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace").strip()[-_MOST_SAID:]
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    mark = f"MOSAIC {word} "
    own = [line.removeprefix(mark).partition(" ") for line in lines if line.startswith(mark)]
    values = {key: value for key, _, value in own}
    if "end" not in values:
        silent = f"its login shell ended with {done.returncode} and did not do what was asked"
        raise UnreachableError(spec.name, said or silent)
    return Said(values, said)


def _version(name: str, found: str, oldest: Sequence[int]) -> Trait:
    numbers = [int(each) for each in found.split(".")[:2] if each.isdigit()]
    if not numbers:
        return Trait(name, False, "not found", f"install {name} there")  # noqa: FBT003
    is_ok = numbers >= [*oldest]
    words = found if is_ok else f"{found}; {'.'.join(map(str, oldest))} or newer is needed"
    return Trait(name, is_ok, words, f"install a newer {name} there")
