"""The program on another machine: a question by stdin, its answers by stdout.

    python -P -c 'from mosaic.there import main; main()' FOLDER PATH…

    FOLDER/state/                        what `~/.local/state/mosaic` is elsewhere
    FOLDER/missions/<mission>/repo.git   what was sent here, and what goes back, as refs
    FOLDER/missions/<mission>/runs/<run>/work.json    the attempt
    FOLDER/missions/<mission>/runs/<run>/home         its own copy of the project

Nothing outside of FOLDER is written but by the agent. `mosaic.remote.link` asks, and says how.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mosaic import __version__
from mosaic.errors import FailedError, MissionError, ProgramNotFoundError
from mosaic.machine.disk import create_private_dir
from mosaic.machine.person import HOME_VARIABLE
from mosaic.machine.signature import access_error
from mosaic.records import NamedTuple
from mosaic.remote.frames import write_frame
from mosaic.there.parts import part_of, take_part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LARGEST_QUESTION = 8 << 20
BEGINNING = ("known", "prepare", "go")
"""What is asked so that work begins, one after the other; each but the last keeps the call open."""
IDLE_SECONDS = 600.0
"""How long the next of them is waited for: the other side may have been cut off unseen."""


class Asked(NamedTuple):
    """One question, and the way back."""

    folder: Path
    values: Mapping[str, Any]
    data: Path
    """A file with what was sent along, if anything was; it goes when the question is answered."""
    lines: IO[bytes]
    """What is said later, for those that take it."""
    answer: Callable[..., None]
    """Takes the values of an answer, and data."""


def main() -> None:
    """Answer one question, or those that have work begin."""
    # Whatever else writes to stdout must not come between two halves of an answer.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while _answer_next(sys.stdin.buffer, pipe) in BEGINNING[:-1]:
        if not select.select([0], [], [], IDLE_SECONDS)[0]:
            return


def _answer_next(stdin: IO[bytes], pipe: IO[bytes]) -> str:
    """Answer a question and return what was asked; nothing where nobody asks any more."""
    line = stdin.readline(LARGEST_QUESTION)
    if not line:
        return ""
    values: dict[str, Any] = json.loads(line)
    word = str(values.get("word"))
    turn = threading.Lock()

    def answer(data: bytes = b"", **said: Any) -> None:
        with turn:  # one thread may say that the link holds while another works
            write_frame(pipe, word, said, data)

    place: Path | None = None
    try:
        _refuse_other_version(values)
        folder = set_up(sys.argv[1], sys.argv[2:])
        place = part_of(folder)
        if size := int(values.get("data") or 0):
            take_part(stdin, size, place)
        _answer(Asked(folder, values, place, stdin, answer))
    except BrokenPipeError:  # who asked is gone
        sys.exit(1)
    except (MissionError, OSError, ValueError, KeyError) as error:
        with contextlib.suppress(BrokenPipeError):
            answer(error=_facts(error))
        sys.exit(1)
    finally:
        if place is not None:
            place.unlink(missing_ok=True)
    return str(values.get("op"))


def _refuse_other_version(values: Mapping[str, Any]) -> None:
    """Begin nothing for another version; what was begun is followed to its end all the same."""
    version = values.get("version")
    if values.get("op") in BEGINNING and version != __version__:
        raise FailedError(
            f"version {__version__} of `mission` is installed there, and it is {version} here",
            hint="`mission hosts check --install` puts the same version there",
        )


def set_up(folder: str, paths: Sequence[str]) -> Path:
    """Make the folder that everything is kept in, and have what we start find that and `paths`."""
    place = create_private_dir(Path(os.path.realpath(os.path.expanduser(folder))))
    first = os.pathsep.join(os.path.expanduser(each) for each in paths)
    known = os.environ.get("PATH", os.defpath)
    if first and not known.startswith(f"{first}{os.pathsep}"):
        os.environ["PATH"] = f"{first}{os.pathsep}{known}"
    os.environ[HOME_VARIABLE] = str(place / "state")
    return place


def _answer(asked: Asked) -> None:
    from mosaic.there import about, receive, removal, work  # start-up: an answer needs one of them

    answers: dict[str, Callable[[Asked], None]] = {
        "about": about.tell_about,
        "known": receive.tell_known,
        "prepare": receive.prepare,
        "go": work.go,
        "follow": work.follow,
        "stop": work.stop,
        "drop": removal.drop,
        "unbegun": removal.tell_unbegun,
        "sweep": removal.sweep,
    }
    op = str(asked.values.get("op"))
    if op not in answers:
        raise FailedError(f"`{op}` is not asked of this version", hint="install the same version")
    answers[op](asked)


def _facts(error: Exception) -> dict[str, Any]:
    if isinstance(error, OSError):
        error = access_error("used", error.filename or "its folder", error)
    return {
        "code": getattr(error, "code", None),
        "message": getattr(error, "message", None) or f"{type(error).__name__}: {error}",
        "detail": getattr(error, "detail", None),
        "hint": getattr(error, "hint", None),
        "program": error.program if isinstance(error, ProgramNotFoundError) else None,
    }
