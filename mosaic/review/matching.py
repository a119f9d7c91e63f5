"""Claims beside evidence: each confirmed, contradicted, or unseen; and what nobody claimed.

Forgiving in form, strict in substance: `pytest` does not confirm `pytest tests/x`, and of a
command that ran several times the last run decides.
"""

from __future__ import annotations

import fnmatch
import shlex
import unicodedata
from enum import StrEnum
from typing import TYPE_CHECKING

from mosaic.records import dataclass
from mosaic.review.claims import CommandClaim, FileClaim, Kind
from mosaic.review.commands import normal_form, parts_of, runs_all_or_stops

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ANSWERING = {"test", "[", "grep", "rg", "diff", "cmp"}
"""Programs whose exit code 1 is an answer and no failure."""


class Standing(StrEnum):
    """What evidence says of a claim."""

    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    UNSEEN = "unseen"
    """No evidence either way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedFile:
    """A file that was changed, relative to the repository's root."""

    path: str
    kind: Kind
    old_path: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RanCommand:
    """A command that was run."""

    command: str
    exit_code: int | None
    failed: bool
    source: str
    """Where it was seen: a run, or a recorded step."""
    cwd: str | None = None
    is_gate: bool = False
    """Run by us, so nobody need claim it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedFile:
    """A claimed file beside the evidence."""

    claim: FileClaim
    standing: Standing
    why: str
    matched: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedCommand:
    """A claimed command beside the evidence."""

    claim: CommandClaim
    standing: Standing
    why: str
    matched: tuple[RanCommand, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """All claims, and what happened without being claimed."""

    files: tuple[JudgedFile, ...]
    commands: tuple[JudgedCommand, ...]
    unclaimed_files: tuple[ChangedFile, ...]
    unclaimed_commands: tuple[RanCommand, ...]


def judge_claims(
    files: Sequence[FileClaim],
    commands: Sequence[CommandClaim],
    *,
    changed: Sequence[ChangedFile] | None,
    ran: Sequence[RanCommand],
    knows_all_commands: bool,
    roots: Sequence[str],
    ignored: Callable[[str], bool],
) -> Judged:
    """Set claims beside evidence.

    Args:
        files: what is said to be changed.
        commands: what is said to have been run.
        changed: what was changed; None where nothing can be known.
        ran: what was run, in its order.
        knows_all_commands: whether `ran` is everything.
        roots: folders that absolute paths of claims may begin with.
        ignored: changed files that need no claim.
    """
    judged_files = tuple(_judge_file(claim, changed, roots) for claim in files)
    claimed = {path for each in judged_files for path in each.matched}
    runs = [command for command in commands if not command.says_skipped]
    judged_commands = tuple(
        _judge_command(claim, ran, all_known=knows_all_commands) for claim in runs
    )
    return Judged(
        files=judged_files,
        commands=judged_commands,
        unclaimed_files=tuple(
            change
            for change in changed or ()
            if change.path not in claimed and not ignored(change.path)
        ),
        unclaimed_commands=_unclaimed(judged_commands, ran),
    )


def _judge_file(
    claim: FileClaim, changed: Sequence[ChangedFile] | None, roots: Sequence[str]
) -> JudgedFile:
    path = _relative(claim.path, roots)
    if path is None:
        return JudgedFile(claim=claim, standing=Standing.UNSEEN, why="outside of the repository")
    if changed is None:
        return JudgedFile(claim=claim, standing=Standing.UNSEEN, why="nothing is known of files")
    found = _matching(path, changed)
    if not found:
        return JudgedFile(claim=claim, standing=Standing.CONTRADICTED, why="not touched")
    names = tuple(change.path for change in found)
    if len(found) > 1 or found[0].path != path:
        words = f"{len(found)} files changed there" if len(found) > 1 else f"`{names[0]}`"
        return JudgedFile(claim=claim, standing=Standing.CONFIRMED, why=words, matched=names)
    wrong = _wrong_kind(claim, found[0])
    if wrong:
        return JudgedFile(claim=claim, standing=Standing.CONTRADICTED, why=wrong, matched=names)
    return JudgedFile(
        claim=claim, standing=Standing.CONFIRMED, why=found[0].kind.value, matched=names
    )


def _wrong_kind(claim: FileClaim, change: ChangedFile) -> str | None:
    """Return what is wrong in substance with what a claim says became of a file."""
    if claim.kind is Kind.DELETED and change.kind is not Kind.DELETED:
        return f"said to be deleted, and it is {change.kind.value}"
    if claim.kind is Kind.ADDED and change.kind in (Kind.CHANGED, Kind.DELETED):
        return f"said to be new, and it is {change.kind.value}"
    if claim.kind is Kind.CHANGED and change.kind is Kind.DELETED:
        return "said to be changed, and it is deleted"
    return None


def _relative(path: str, roots: Sequence[str]) -> str | None:
    """Return a claimed path relative to the root; None for one that lies elsewhere."""
    for root in sorted(roots, key=len, reverse=True):
        if path.startswith(root.rstrip("/") + "/"):
            return path[len(root.rstrip("/")) + 1 :]
        if path.rstrip("/") == root.rstrip("/"):
            return "./"
    if path.startswith(("/", "~", "../")) or path == "..":
        return None
    return path


def _matching(path: str, changed: Sequence[ChangedFile]) -> list[ChangedFile]:
    wanted = _plain(path)
    exact = [c for c in changed if wanted in (_plain(c.path), _plain(c.old_path or c.path))]
    if exact:
        return exact
    folder = "" if wanted in (".", "./") else wanted.rstrip("/") + "/"
    below = [change for change in changed if _plain(change.path).startswith(folder)]
    if below:
        return below
    if any(sign in wanted for sign in "*?["):
        return [change for change in changed if _glob_matches(wanted, _plain(change.path))]
    if "/" not in wanted:
        named = [change for change in changed if _plain(change.path).endswith("/" + wanted)]
        return named if len(named) == 1 else []
    return []


def _glob_matches(glob: str, path: str) -> bool:
    """Match as .gitignore does: `**` spans folders, other signs stay within one name."""
    parts, names = glob.rstrip("/").split("/"), path.split("/")
    if len(parts) == 1:
        return any(fnmatch.fnmatchcase(name, parts[0]) for name in names)
    # Row by row: which beginnings of the path the parts so far can match.
    reach = {0}
    for part in parts:
        if part == "**":
            reach = set(range(min(reach, default=len(names) + 1), len(names) + 1))
        else:
            reach = {n + 1 for n in reach if n < len(names) and fnmatch.fnmatchcase(names[n], part)}
    return len(names) in reach or (bool(reach) and parts[-1] != "**" and glob.endswith("/"))


def _plain(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def _judge_command(
    claim: CommandClaim, ran: Sequence[RanCommand], *, all_known: bool
) -> JudgedCommand:
    wanted = normal_form(claim.command)
    whole = [each for each in ran if normal_form(each.command) == wanted]
    if not wanted or not whole:
        return _judge_part(claim, wanted, ran, all_known=all_known)
    last = whole[-1]
    failures = sum(each.failed for each in whole[:-1])
    if last.exit_code == 1 and wanted[0] in ANSWERING:
        standing, why = Standing.CONFIRMED, "ran, and answered no with exit code 1"
    elif last.failed or (last.exit_code or 0) != 0:
        code = f" with exit code {last.exit_code}" if last.exit_code is not None else ""
        standing = Standing.CONFIRMED if claim.says_failed else Standing.CONTRADICTED
        why = f"ran and failed{code}"
    elif last.exit_code is None:
        standing, why = Standing.UNSEEN, "ran; how it ended is not known"
    elif claim.says_failed:
        standing, why = Standing.CONTRADICTED, "said to fail, and it passed"
    else:
        after = f", after {failures} failure{'s' if failures > 1 else ''}" if failures else ""
        standing, why = Standing.CONFIRMED, f"ran with exit code 0{after}"
    return JudgedCommand(claim=claim, standing=standing, why=why, matched=tuple(whole))


def _judge_part(
    claim: CommandClaim, wanted: tuple[str, ...], ran: Sequence[RanCommand], *, all_known: bool
) -> JudgedCommand:
    """Judge a command that ran, if at all, as a part of a line, or as several lines."""
    lines = [each for each in ran if wanted and wanted in parts_of(each.command)]
    if lines:
        last = lines[-1]
        passed = last.exit_code == 0 and not last.failed and runs_all_or_stops(last.command)
        if passed and not claim.says_failed:
            standing, why = Standing.CONFIRMED, f"ran within `{last.command}`"
        else:
            standing = Standing.UNSEEN
            why = f"ran within `{last.command}`: its own end is not known"
        return JudgedCommand(claim=claim, standing=standing, why=why, matched=(last,))
    pieces = parts_of(claim.command)
    if len(pieces) > 1 and runs_all_or_stops(claim.command):
        judged = [
            _judge_command(_piece(claim, piece), ran, all_known=all_known) for piece in pieces
        ]
        for standing in (Standing.CONTRADICTED, Standing.UNSEEN):
            worst = next((each for each in judged if each.standing is standing), None)
            if worst:
                why = f"`{worst.claim.command}` {worst.why}"
                return JudgedCommand(claim=claim, standing=standing, why=why)
        matched = tuple(command for each in judged for command in each.matched)
        return JudgedCommand(
            claim=claim, standing=Standing.CONFIRMED, why="each part ran well", matched=matched
        )
    near = next(
        (e.command for e in reversed(ran) if normal_form(e.command)[:1] == wanted[:1]), None
    )
    only = f"; ran only as `{near}`" if near and wanted else ""
    if all_known:
        return JudgedCommand(
            claim=claim, standing=Standing.CONTRADICTED, why=f"no such command ran{only}"
        )
    return JudgedCommand(claim=claim, standing=Standing.UNSEEN, why=f"not seen to run{only}")


def _piece(claim: CommandClaim, words: tuple[str, ...]) -> CommandClaim:

    return CommandClaim(text=claim.text, command=shlex.join(words), says_failed=claim.says_failed)


def _unclaimed(
    judged: Sequence[JudgedCommand], ran: Sequence[RanCommand]
) -> tuple[RanCommand, ...]:
    """Return each command that nobody claimed once, failed ones first; its last run stands."""
    claimed = {normal_form(command.command) for each in judged for command in each.matched}
    last: dict[tuple[str, ...], RanCommand] = {}
    for command in ran:
        form = normal_form(command.command)
        if form and form not in claimed and not command.is_gate:
            last[form] = command
    return tuple(sorted(last.values(), key=lambda command: not command.failed))
