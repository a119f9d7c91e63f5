"""Asking a person whether the commands that a mission names may run."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from mosaic.app.trust import find_asked, require_all
from mosaic.cli.output import clean, warn
from mosaic.errors import ConsentNeededError
from mosaic.store.consent import Command, allow
from mosaic.store.mission_file import load_mission

Done = TypeVar("Done")


def with_consent(path: Path, action: Callable[[], Done], *, as_json: bool) -> Done:
    """Do what may run commands of a mission; where it asks for consent, ask the person.

    Nobody is asked where a program reads the answer. The action changes nothing before it raises
    `ConsentNeededError`.
    """
    try:
        return action()
    except ConsentNeededError:
        document = load_mission(path)
        unallowed = find_asked(document)
        if as_json or (unallowed and not is_somebody_there()):
            raise
        words = "this mission names commands that you have not allowed yet:"
        if unallowed and not confirm(words, unallowed):
            raise
    if unallowed:
        allow(document, unallowed, settles=True)
    return action()


def require_settled(path: Path, *, as_json: bool, with_hosts: bool = False) -> None:
    """Make sure that a mission's commands may run, before a loop or a pool begins.

    `with_hosts`: tasks may choose hosts of the person's own.
    """
    with_consent(path, lambda: require_all(path, with_hosts=with_hosts), as_json=as_json)


def is_somebody_there() -> bool:
    """Tell whether a person can be asked: keyboard and screen are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(words: str, commands: Sequence[Command]) -> bool:
    """Show commands, each with the key that holds it, and ask; everything but a yes is a no."""
    warn(words)
    width = max(len(clean(command.where)) for command in commands)
    for command in commands:  # whole: what is cut off could be what matters
        warn(f"  {clean(command.where):<{width}}  {clean(command.text)}")
    sys.stderr.write("Allow them? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
