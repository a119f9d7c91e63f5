"""Commands that mission.json names run only after the person has said so.

Gates, `notify`, a worktree's `setup` and the `runtimes` are command lines, and a clone brings
them along; `landing` may push branches in the person's name, and `hosts` say where work is sent.
The first action that would run any of them asks; what was allowed is remembered by its content in
the person's own folder, so a pull that changes a gate asks again.

A mission that this person made with `mission init` does not ask for what they write into it
themselves. It does ask where the commands were committed by somebody else (the commit was not
made in this repository), and where they changed while an agent worked.

A task of a clone may name a machine of the person's own (`runs_on`). Its prompt would then be run
there, so that is asked once too; a host that the person names with `--on` is not asked about.

`MISSION_TRUST` says it where nobody can be asked: the digest that `mission trust` shows, or
`all`.
"""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING

from mosaic.codec import dump_record
from mosaic.errors import ConsentNeededError, GitRefusedError, MissionError
from mosaic.git.git import answer_of
from mosaic.plan.gates import parse_gates
from mosaic.records import dataclass, replace
from mosaic.settings import Landing
from mosaic.store.allowance import find_allowance, save_allowance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mosaic.model import Mission
    from mosaic.settings import RuntimeSpec
    from mosaic.store.mission_file import MissionDocument

VARIABLE = "MISSION_TRUST"
EVERYTHING = ("all", "1", "yes", "true")
SESSION_VARIABLE = "MISSION_SESSION"
DIGEST_CHARACTERS = 16
_LOG = ("log", "--no-show-signature")


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One command that mission.json names."""

    where: str
    """The key that holds it, as people write it: `runtimes.helper`."""
    text: str
    """All of it that decides what runs: the command line, environment, files."""

    @property
    def digest(self) -> str:
        """What it is remembered by."""
        return digest_of([self])

    @property
    def shown(self) -> str:
        """The command on one line, with the key that holds it."""
        return f"{self.where}: {' '.join(self.text.split())}"


def commands_of(mission: Mission) -> tuple[Command, ...]:
    """Return every command that a mission names, in the order in which they are shown."""
    found = [
        Command(where=f"qualityGates ({gate.name})", text=gate.shown)
        for gate in parse_gates(mission.quality_gates)
    ]
    if mission.notify:
        found.append(Command(where="notify", text=shlex.join(mission.notify)))
    if mission.worktrees.setup:
        found.append(Command(where="worktrees.setup", text=shlex.join(mission.worktrees.setup)))
    if mission.landing is Landing.PULL_REQUEST:
        found.append(Command(where="landing", text="push branches and open pull requests"))
    found += [
        Command(where=f"runtimes.{name}", text=text)
        for name, spec in sorted(mission.runtimes.items())
        if (text := _runtime_text(spec))
    ]
    found += [
        Command(where=f"hosts.{name}", text=json.dumps(dump_record(spec), ensure_ascii=False))
        for name, spec in sorted(mission.hosts.items())
    ]
    return tuple(found)


def digest_of(commands: Iterable[Command]) -> str:
    """Return the digest of some commands together."""
    from hashlib import sha256  # start-up: most missions name none

    text = json.dumps([[command.where, command.text] for command in commands])
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_CHARACTERS]


def find_unallowed(document: MissionDocument) -> tuple[Command, ...]:
    """Return the commands that may not run yet."""
    commands = commands_of(document.mission)
    if not commands or os.environ.get(VARIABLE) in (*EVERYTHING, digest_of(commands)):
        return ()
    allowance = find_allowance(document.path)
    fresh = tuple(each for each in commands if each.digest not in allowance.commands)
    is_own = document.layout.state.is_made_here and not allowance.must_ask
    # An agent may have written them: only a person's own call makes them the person's.
    if not fresh or not is_own or os.environ.get(SESSION_VARIABLE):
        return fresh
    return fresh if _came_from_elsewhere(document, fresh) else ()


def find_unallowed_uses(document: MissionDocument, uses: Sequence[Command]) -> tuple[Command, ...]:
    """Return what a mission may not use yet of a person's own settings.

    A mission that this person made may use all of it, unless it must ask for its commands too.
    """
    if not uses or os.environ.get(VARIABLE) in EVERYTHING:
        return ()
    allowance = find_allowance(document.path)
    is_own = document.layout.state.is_made_here and not allowance.must_ask
    if is_own and not os.environ.get(SESSION_VARIABLE):
        return ()
    return tuple(each for each in uses if each.digest not in allowance.commands)


def require_uses(document: MissionDocument, uses: Sequence[Command]) -> None:
    """Make sure that a mission may use something of a person's own settings."""
    if unallowed := find_unallowed_uses(document, uses):
        shown = [each.shown for each in unallowed]
        raise ConsentNeededError(shown, path=document.path, digest=EVERYTHING[0])


def require_consent(document: MissionDocument) -> None:
    """Make sure that the commands of a mission may run, and remember them."""
    unallowed = find_unallowed(document)
    if unallowed:
        raise ConsentNeededError(
            [command.shown for command in unallowed],
            path=document.path,
            digest=digest_of(commands_of(document.mission)),
        )
    is_settled = os.environ.get(VARIABLE) or os.environ.get(SESSION_VARIABLE)
    if document.layout.state.is_made_here and not is_settled:
        allow(document, commands_of(document.mission))


def allow(document: MissionDocument, commands: Sequence[Command], *, settles: bool = False) -> None:
    """Remember commands as allowed; `settles` says that a person was asked just now."""
    before = find_allowance(document.path)
    fresh = [each.digest for each in commands if each.digest not in before.commands]
    must_ask = before.must_ask and not settles
    after = replace(before, commands=(*before.commands, *fresh), must_ask=must_ask)
    if after != before:
        save_allowance(document.path, after)


def ask_again(document: MissionDocument) -> None:
    """Have commands that were not allowed before need consent, although the mission is one's own.

    Called where they may not be the person's: they changed while an agent worked.
    """
    before = find_allowance(document.path)
    is_fresh = any(each.digest not in before.commands for each in commands_of(document.mission))
    if is_fresh and not before.must_ask:
        save_allowance(document.path, replace(before, must_ask=True))


def _runtime_text(spec: RuntimeSpec) -> str:
    parts = {
        "": shlex.join(spec.command),
        "resume": shlex.join(spec.resume),
        "interactive": shlex.join(spec.interactive),
        "args": shlex.join(spec.args),
        "env": " ".join(f"{name}={shlex.quote(value)}" for name, value in sorted(spec.env.items())),
    }
    return "; ".join(f"{name} {text}".strip() for name, text in parts.items() if text)


def _came_from_elsewhere(document: MissionDocument, fresh: Sequence[Command]) -> bool:
    """Tell whether commands stand in a commit that was not made in this repository.

    A commit that was made here is in a reflog as such; one that a pull brought is not.
    """
    from mosaic.store.mission_file import parse_mission

    folder, name = document.path.parent, document.path.name
    try:
        committed = answer_of(["cat-file", "blob", f"HEAD:./{name}"], folder)
        if committed is None:
            return False
        if not {*fresh} & {*commands_of(parse_mission(committed))}:
            return False
        commit = answer_of([*_LOG, "-1", "--format=%H", "--", name], folder)
        made = answer_of([*_LOG, "--walk-reflogs", "--all", "--format=%H %gs"], folder)
    except GitRefusedError:
        raise  # git cannot say
    except MissionError:
        return False  # what is committed cannot be read: these commands are not from there
    return not any(_is_made_here(line, commit) for line in (made or "").splitlines())


def _is_made_here(line: str, commit: str | None) -> bool:
    found, _, how = line.partition(" ")
    action = how.partition(":")[0]
    return found == commit and (action.startswith("commit") or action.endswith("(pick)"))
