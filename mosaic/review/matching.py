"""Claims compared with evidence: each confirmed, contradicted, or unseen; and what nobody claimed.

Forgiving in form, strict in substance: `pytest` does not confirm `pytest tests/x`, and of a
command that ran several times the last run decides.
"""

from __future__ import annotations

import posixpath
import shlex
import unicodedata
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from mosaic.plan.globs import parse_glob
from mosaic.records import NamedTuple, dataclass, replace
from mosaic.review.claims import CODE, CommandClaim, FileClaim, Kind
from mosaic.review.commands import is_own_call, normal_form, parts_of, runs_all_or_stops

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from mosaic.text.criteria import Criterion

ANSWERING = {"test", "[", "grep", "rg", "diff", "cmp"}
"""Programs whose exit code 1 is an answer and not a failure."""
CONTRADICTING = {
    Kind.DELETED: (Kind.ADDED, Kind.CHANGED, Kind.RENAMED),
    Kind.ADDED: (Kind.CHANGED, Kind.DELETED),
    Kind.CHANGED: (Kind.DELETED,),
}
"""What happened to a file where a claim of what happened is wrong."""


class Standing(StrEnum):
    """What evidence says about a claim."""

    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    UNSEEN = "unseen"
    """No evidence either way."""


Claim = TypeVar("Claim", FileClaim, CommandClaim)
WORST_FIRST = (Standing.CONTRADICTED, Standing.UNSEEN, Standing.CONFIRMED)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedFile:
    """A file that was changed, as the project names it."""

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
    """Run by Mosaic, so it needs no claim."""


class JudgedClaim(NamedTuple, Generic[Claim]):
    """A claimed file or command compared with the evidence."""

    claim: Claim
    standing: Standing
    why: str
    matched: tuple[str, ...] = ()
    """The paths that were changed, or the commands that ran."""


class JudgedCriterion(NamedTuple):
    """An acceptance criterion, and for one that is ticked what shows that it holds."""

    criterion: Criterion
    standing: Standing | None = None
    """None where it is not ticked."""
    why: str = ""

    def json_values(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {**self.criterion.json_values(), "standing": self.standing, "why": self.why}


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """All claims, and what happened without being claimed."""

    files: tuple[JudgedClaim[FileClaim], ...]
    commands: tuple[JudgedClaim[CommandClaim], ...]
    unclaimed_files: tuple[ChangedFile, ...]
    unclaimed_commands: tuple[RanCommand, ...]


def judge_claims(
    files: Sequence[FileClaim],
    commands: Sequence[CommandClaim],
    *,
    changed: Sequence[ChangedFile] | None,
    ran: Sequence[RanCommand],
    knows_all_commands: bool,
    roots: Mapping[str, str],
    ignored: Callable[[str], bool],
    hidden: Collection[str] = (),
    whole: Sequence[ChangedFile] = (),
) -> Judged:
    """Compare claims with evidence.

    Args:
        changed: None where nothing can be known.
        ran: in the order in which they ran; `knows_all_commands`, whether it is everything.
        roots: what absolute paths of claims may begin with, and how the project names that.
        ignored: files that need no claim, and whose changes may stand in another tree.
        hidden: claimed paths that git ignores, so that nothing is known of them.
        whole: what this attempt changed together with those before it.
    """

    def is_unseen(path: str) -> bool:
        return ignored(path) or path in hidden

    def judge_file(claim: FileClaim) -> JudgedClaim[FileClaim]:
        judged = _judge_file(claim, changed, roots, is_unseen)
        if judged.standing is not Standing.CONTRADICTED or not whole:
            return judged
        over_all = _judge_file(claim, whole, roots, is_unseen)
        if over_all.standing is not Standing.CONFIRMED:
            return judged
        if judged.matched:
            return over_all
        return JudgedClaim(claim, Standing.UNSEEN, "changed by an earlier attempt, not by this one")

    every_file = map(judge_file, files)
    judged_files = tuple(each for each in every_file if not _is_idle_mention(each))
    claimed = {path for each in judged_files for path in each.matched}
    every_command = (
        _judge_command(command, ran, all_known=knows_all_commands)
        for command in commands
        if not command.says_skipped
    )
    judged_commands = tuple(
        each for each in every_command if each.matched or not each.claim.is_mention
    )
    unclaimed = (each for each in changed or () if each.path not in claimed)
    return Judged(
        files=judged_files,
        commands=judged_commands,
        unclaimed_files=tuple(each for each in unclaimed if not ignored(each.path)),
        unclaimed_commands=_unclaimed(judged_commands, ran),
    )


def judge_criteria(
    criteria: Sequence[Criterion], ran: Sequence[RanCommand]
) -> tuple[JudgedCriterion, ...]:
    """Compare ticks with evidence: a command in backticks shows whether its criterion holds."""
    return tuple(
        JudgedCriterion(each, *(_judge_tick(each, ran) if each.checked else ()))
        for each in criteria
    )


def _judge_tick(criterion: Criterion, ran: Sequence[RanCommand]) -> tuple[Standing, str]:
    spans = [span[2].strip() for span in CODE.finditer(criterion.text)]
    claims = [CommandClaim(text=criterion.text, command=span) for span in spans]
    judged = [_judge_command(claim, ran, all_known=False) for claim in claims if claim.command]
    shown = [each for each in judged if each.standing is not Standing.UNSEEN]
    if not shown:
        return Standing.UNSEEN, "claimed; no command shows it"
    worst = min(shown, key=lambda each: WORST_FIRST.index(each.standing))
    return worst.standing, f"`{worst.claim.command}` {worst.why}"


def _judge_file(
    claim: FileClaim,
    changed: Sequence[ChangedFile] | None,
    roots: Mapping[str, str],
    is_unseen: Callable[[str], bool],
) -> JudgedClaim[FileClaim]:
    path = _relative(claim.path, roots)
    if path is None:
        return JudgedClaim(claim, Standing.UNSEEN, "outside of the repository")
    if changed is None:
        return JudgedClaim(claim, Standing.UNSEEN, "no evidence of files")
    found = _matching(path, changed)
    found = found or _matching(_from_top(path, roots), changed) or _spelt_out(claim, changed)
    if not found:
        return _judge_untouched(claim, path, changed, is_unseen)
    first = found[0]
    names, kind = tuple(change.path for change in found), first.kind
    if first.old_path is not None and _composed(first.path) != _composed(path):
        kind = Kind.DELETED  # as a path, whatever became of its content
    standing, why = Standing.CONFIRMED, first.kind.value
    gone = _gone(_relative(claim.old_path, roots), changed) if claim.old_path else []
    if len(found) > 1:
        why = f"{len(found)} files changed there"
    elif claim.old_path and not gone:
        standing, why = Standing.CONTRADICTED, f"`{claim.old_path}` was not moved"
    elif claim.kind is not None and kind in CONTRADICTING.get(claim.kind, ()):
        standing = Standing.CONTRADICTED
        why = f"claimed to be {claim.kind.value}, and it is {kind.value}"
    elif names[0] != path:
        why = f"`{names[0]}`"
    return JudgedClaim(claim, standing, why, (*names, *gone))


def _gone(path: str | None, changed: Sequence[ChangedFile]) -> list[str]:
    """Return the file that is no longer at a path: deleted, or moved somewhere."""
    left = [(each.old_path if each.kind is Kind.RENAMED else each.path, each) for each in changed
            if each.kind in (Kind.RENAMED, Kind.DELETED)]  # fmt: skip
    return [each.path for old, each in left if _composed(old or "") == _composed(path or "")]


def _judge_untouched(
    claim: FileClaim, path: str, changed: Sequence[ChangedFile], is_unseen: Callable[[str], bool]
) -> JudgedClaim[FileClaim]:
    alike = sum(_composed(each.path).endswith(f"/{_composed(path)}") for each in changed)
    standing, why = Standing.UNSEEN, "only mentioned, and not touched"
    if alike > 1:
        why = f"{alike} files of this name were changed"
    elif is_unseen(path):
        why = "not looked at: it is the mission's own, or git ignores it"
    elif not claim.is_mention:
        standing, why = Standing.CONTRADICTED, "not touched"
    return JudgedClaim(claim, standing, why)


def _spelt_out(claim: FileClaim, changed: Sequence[ChangedFile]) -> list[ChangedFile]:
    """Return the file whose path, blanks and all, stands in the claim's line."""
    text, part = _composed(claim.text), _composed(claim.path)
    return [each for each in changed if part in each.path and " " in each.path
            and _composed(each.path) in text][:1]  # fmt: skip


def _is_idle_mention(judged: JudgedClaim[FileClaim]) -> bool:
    """Tell whether a word in prose is hardly a path: it is in no folder, and was not touched."""
    claim = judged.claim
    return claim.is_mention and not judged.matched and not ("/" in claim.path and "." in claim.path)


def _relative(path: str, roots: Mapping[str, str]) -> str | None:
    """Return a claimed path as the project names it; None for one outside of the repository."""
    if path.startswith("../") or path == "..":
        project = next((root for root, name in roots.items() if not name), "")
        folder = "/" if path.endswith("/") else ""
        path = posixpath.normpath(f"{project}/{path}") + folder
        return _relative(path, roots) if project else None
    for root, name in sorted(roots.items(), key=lambda each: len(each[0]), reverse=True):
        if path.startswith(root.rstrip("/") + "/"):
            return "/".join(filter(None, (name, path[len(root.rstrip("/")) + 1 :]))) or "./"
        if path.rstrip("/") == root.rstrip("/"):
            return f"{name or '.'}/"
    return None if path.startswith(("/", "~")) else path


def _from_top(path: str, roots: Mapping[str, str]) -> str:
    """Return a path that is written from the top of the repository on, as git names files."""
    top = max(roots, key=lambda root: roots[root].count(".."), default="")
    return _relative(f"{top}/{path}", roots) or path if top else path


def _matching(path: str, changed: Sequence[ChangedFile]) -> list[ChangedFile]:
    wanted = _composed(path)
    exact = [c for c in changed if wanted in (_composed(c.path), _composed(c.old_path or c.path))]
    if exact:
        return exact
    folder = "" if wanted in (".", "./") else wanted.rstrip("/") + "/"
    below = [change for change in changed if _composed(change.path).startswith(folder)]
    below = [change for change in below if folder or not change.path.startswith("../")]
    if below:
        return below
    if any(sign in wanted for sign in "*?["):
        glob = parse_glob(wanted)
        return [change for change in changed if glob.matches(_composed(change.path))]
    named = [change for change in changed if _composed(change.path).endswith("/" + wanted)]
    if not named and wanted in ("README", "CHANGELOG", "LICENSE"):
        named = [each for each in changed if each.path.rpartition("/")[2].startswith(f"{wanted}.")]
    return named if len(named) == 1 else []


def _composed(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def _judge_command(
    claim: CommandClaim, ran: Sequence[RanCommand], *, all_known: bool
) -> JudgedClaim[CommandClaim]:
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
        standing, why = Standing.CONTRADICTED, "claimed to fail, and it passed"
    else:
        after = f", after {failures} failure{'s' if failures > 1 else ''}" if failures else ""
        standing, why = Standing.CONFIRMED, f"ran with exit code 0{after}"
    return JudgedClaim(claim, standing, why, tuple(each.command for each in whole))


def _judge_part(
    claim: CommandClaim, wanted: tuple[str, ...], ran: Sequence[RanCommand], *, all_known: bool
) -> JudgedClaim[CommandClaim]:
    matched: tuple[str, ...] = ()
    lines = [each for each in ran if wanted and wanted in parts_of(each.command)]
    pieces = parts_of(claim.command)
    if lines:
        last = lines[-1]
        passed = last.exit_code == 0 and not last.failed and runs_all_or_stops(last.command)
        matched = (last.command,)
        standing, why = Standing.CONFIRMED, f"ran within `{last.command}`"
        if not passed or claim.says_failed:
            standing, why = Standing.UNSEEN, f"{why}: its own end is not known"
    elif len(pieces) > 1 and runs_all_or_stops(claim.command):
        claims = (replace(claim, command=shlex.join(piece)) for piece in pieces)
        judged = [_judge_command(each, ran, all_known=all_known) for each in claims]
        worst = min(judged, key=lambda each: WORST_FIRST.index(each.standing))
        standing = worst.standing
        if standing is Standing.CONFIRMED:
            why = "each part ran well"
            matched = tuple(command for each in judged for command in each.matched)
        else:
            why = f"`{worst.claim.command}` {worst.why}"
    else:
        programs = [each.command for each in ran if normal_form(each.command)[:1] == wanted[:1]]
        standing = Standing.CONTRADICTED if all_known else Standing.UNSEEN
        why = "no such command ran" if all_known else "not seen to run"
        why += f"; ran only as `{programs[-1]}`" if programs and wanted else ""
    return JudgedClaim(claim, standing, why, matched)


def _unclaimed(
    judged: Sequence[JudgedClaim[CommandClaim]], ran: Sequence[RanCommand]
) -> tuple[RanCommand, ...]:
    """Return each command that nobody claimed once, failed ones first; its last run stands."""
    claimed = {normal_form(command) for each in judged for command in each.matched}
    last: dict[tuple[str, ...], RanCommand] = {}
    for command in ran:
        form = normal_form(command.command)
        if (
            form
            and form not in claimed
            and not command.is_gate
            and not is_own_call(command.command)
        ):
            last[form] = command
    return tuple(sorted(last.values(), key=lambda command: not command.failed))
