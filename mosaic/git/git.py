"""Running git, and reading what needs no process.

Owns how git is called: with an environment and settings under which its answers can be
parsed, never asking, never paging, never taking locks that it can do without. Where
git is missing or there is no repository, the questions answer None or nothing; where git
refuses the repository that is there, they raise what git says.
Written for git 2.25 and newer.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mosaic.errors import FailedError, GitError, GitRefusedError, ProgramNotFoundError
from mosaic.git.objects import bring_back
from mosaic.machine.environment import child_environment
from mosaic.machine.git_dir import find_git_dir, read_small
from mosaic.machine.process import find_tool, spawn
from mosaic.records import dataclass

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping, Sequence

_SETTINGS = (
    "core.quotepath=off",
    "color.ui=never",
    # Its daemon would inherit our pipes and keep them open. Empty, because before 2.36
    # the value is the name of a program.
    "core.fsmonitor=",
)
_OURS = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
# What a person's shell may hold: it would change what the answers look like.
_RESHAPING = ("GIT_DIFF_OPTS", "GIT_EXTERNAL_DIFF")
OLDEST_GIT = (2, 25)
"""The first that takes a list of paths by `--pathspec-from-file`."""
_BRANCHES = "refs/heads/"
_LOCK_TAKEN = re.compile(
    rb"Unable to create '[^'\n]*\.lock': File exists|could not lock config file"
)
"""What git says where another git writes the same file of the repository just now."""
_FILTER_FAILED = re.compile(rb"(?:clean|smudge) filter '?([^'\n]+?)'? failed")
"""What git says of a filter that a file cannot do without, such as that of Git LFS."""
_OBJECT_ID = re.compile(rb"\b(?:[0-9a-f]{40}|[0-9a-f]{64})\b")
_STORING = frozenset(("update-index", "add", "hash-object"))
"""Commands that a filter must not be left out of: they would store what it had to change."""
_FATAL = 128
"""What git exits with where it gives up."""
_LOCK_SECONDS = 20.0
_LOCK_POLL_SECONDS = 0.1
_PROBE_SECONDS = 30.0
_DETAIL_CHARACTERS = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class GitResult:
    """What git answered."""

    exit_code: int
    """Negative for a signal."""
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Its output as text, without the last newline; file names keep every byte."""
        return os.fsdecode(self.stdout).removesuffix("\n")


def run_git(
    args: Sequence[str],
    cwd: Path | str,
    *,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    timeout_seconds: float = 30,
    check: bool = True,
    outlives: Sequence[int] | None = None,
) -> GitResult:
    """Run one git command to its end; wait where another git holds a lock of the repository.

    A command that stores no file goes on without a required filter that does not run here:
    what the filter would have changed is then on disk as git has it. Objects of checkpoints that
    were removed from the repository are brought back from their store where git misses them.
    Where this process is killed, git goes on to its end if `outlives` is given: descriptors that
    it keeps open meanwhile, such as a lock's.

    Raises:
        ProgramNotFoundError: git is not installed, or `cwd` is gone.
        GitRefusedError: it failed because git does not work with the repository at all.
        GitError: it failed and `check` is set, or it took too long.
    """
    until = time.monotonic() + _LOCK_SECONDS
    without: list[str] = []
    is_whole = False
    while True:
        try:
            command = [*filters_off(without), *args]
            answer = _run_once(command, cwd, stdin, env, timeout_seconds, outlives=outlives)
        except ProgramNotFoundError:
            if find_tool("git", cwd) is not None:
                raise
            raise ProgramNotFoundError(
                "git",
                problem="it is not on the PATH",
                hint="install git; without it there are no worktrees, checkpoints and evidence",
            ) from None
        failed = failed_filter(answer) if answer.exit_code else None
        if failed and failed not in without and _command_name(args) not in _STORING:
            without.append(failed)
            continue
        if answer.exit_code and not is_whole and _misses_object(args, answer):
            is_whole, shared = True, common_dir(cwd)
            if shared is not None and bring_back(shared):
                continue
        is_locked = answer.exit_code != 0 and _LOCK_TAKEN.search(answer.stderr)
        if not is_locked or time.monotonic() > until:
            break
        time.sleep(_LOCK_POLL_SECONDS)
    if answer.exit_code >= _FATAL:
        _refuse_refused(cwd)
    if check and answer.exit_code != 0:
        told = answer.stderr.decode("utf-8", "replace").strip()
        raise GitError(
            f"`git {_command_name(args)}` failed with exit code {answer.exit_code}",
            detail=told[-_DETAIL_CHARACTERS:] or f"in `{cwd}`; it printed nothing",
        )
    return answer


def _misses_object(args: Sequence[str], answer: GitResult) -> bool:
    """Tell whether a command may have failed because an object is not there."""
    is_probe = _command_name(args) == "cat-file"
    said = b" ".join((*map(os.fsencode, args), answer.stderr))
    return (is_probe or answer.exit_code >= _FATAL) and _OBJECT_ID.search(said) is not None


def failed_filter(answer: GitResult) -> str | None:
    """Return the filter that made a command fail; None where none did."""
    found = _FILTER_FAILED.search(answer.stderr)
    return os.fsdecode(found[1]) if found else None


def filters_off(names: Sequence[str]) -> list[str]:
    """Return the settings under which git does not ask some filters."""
    keys = ("clean=", "smudge=", "process=", "required=false")
    return [word for name in names for key in keys for word in ("-c", f"filter.{name}.{key}")]


def at_once(*questions: Callable[[], GitResult]) -> list[GitResult]:
    """Ask several questions of git at the same time, and return the answers in order."""
    answers: list[GitResult | BaseException] = [GitError("not asked")] * len(questions)

    def ask(number: int) -> None:
        try:
            answers[number] = questions[number]()
        except BaseException as error:  # noqa: BLE001 - raised again where it was asked
            answers[number] = error

    import threading  # start-up: few commands ask several things

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(1, len(questions))]
    for thread in threads:
        thread.start()
    ask(0)
    for thread in threads:
        thread.join()
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if isinstance(answer, GitResult)]


def _run_once(
    args: Sequence[str],
    cwd: Path | str,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    timeout_seconds: float = _PROBE_SECONDS,
    *,
    outlives: Sequence[int] | None = None,
) -> GitResult:
    import subprocess  # here: it costs 12 ms that most commands need not pay

    files: list[IO[bytes]] = []
    if outlives is not None:
        from tempfile import TemporaryFile

        # Into a pipe that nobody reads it could not write, and would end half-way.
        files = [TemporaryFile(), TemporaryFile()]  # noqa: SIM115 - closed below
    settings = [part for setting in (*_SETTINGS, *_case_of(cwd)) for part in ("-c", setting)]
    process = spawn(
        [find_tool("git", cwd) or "", "--no-pager", *settings, *args],
        cwd=cwd,
        env=git_environment(os.environ, env or {}),
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=files[0] if files else subprocess.PIPE,
        stderr=files[1] if files else subprocess.PIPE,
        # No terminal to ask on, and a group that can be killed with all it started.
        new_session=True,
        inherits=outlives or (),
    )
    try:
        stdout, stderr = process.communicate(stdin, timeout=timeout_seconds)
    except BaseException as error:
        kill_group(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise GitError(
                f"`git {_command_name(args)}` took longer than {timeout_seconds:g} s",
                detail=f"in `{cwd}`",
                hint="look whether the disk or a git hook is slow",
            ) from None
        raise
    finally:
        written = [_content_of(file) for file in files]
    stdout, stderr = written or (stdout, stderr)
    return GitResult(exit_code=process.returncode, stdout=stdout, stderr=stderr)


def _case_of(cwd: Path | str) -> tuple[str, ...]:
    """Have git tell names apart as the disk does, whatever was true where the setting was made.

    With `core.ignorecase` on a disk that tells `a` from `A`, git shows only one of them.
    """
    found = find_git_dir(cwd)
    is_exact = found is not None and not os.path.lexists(found[0] / ".GIT")
    return ("core.ignorecase=false",) if is_exact else ()


def _content_of(file: IO[bytes]) -> bytes:
    with file:
        file.seek(0)
        return file.read()


def _refuse_refused(cwd: Path | str) -> None:
    found = find_git_dir(cwd)
    if found is None:
        return
    top, git_dir = found
    probe = _run_once(["rev-parse", "--absolute-git-dir"], cwd)
    if probe.exit_code:
        raise GitRefusedError(top, probe.stderr.decode("utf-8", "replace"))
    if os.path.realpath(probe.text) != os.path.realpath(git_dir):
        raise GitRefusedError(top, f"not a git repository: it takes `{probe.text}` instead")


def refuse_old_git() -> None:
    """Raise a FailedError where git is older than what we ask of it."""
    said = run_git(["--version"], os.sep).text
    numbers = re.findall(r"\d+", said)[:2]
    if tuple(map(int, numbers)) < OLDEST_GIT:
        raise FailedError(
            f"{said.strip()} is too old: {'.'.join(map(str, OLDEST_GIT))} or newer is needed",
            hint="install a newer git and put it first on the PATH",
        )


def git_environment(inherited: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that git runs in: scrubbed, made quiet, then `added`."""
    kept = child_environment(inherited)
    return {k: v for k, v in kept.items() if k not in _RESHAPING} | _OURS | dict(added)


def find_repository(cwd: Path | str) -> Path | None:
    """Return the top of the work tree that `cwd` lies in, and that git works with; None outside.

    Where git is not installed, the top is not checked.
    GitRefusedError: git refuses the repository, or cannot read its index or last commit.
    """
    top = find_work_tree(cwd)
    if top is None or find_tool("git", cwd) is None:
        return top
    nothing = ":(top,literal).git"  # the shortest answer for which git must read all the same
    _refuse_refused(top)
    index, head = at_once(
        lambda: run_git(["ls-files", "--", nothing], top, check=False),
        lambda: run_git(["ls-tree", "--name-only", "HEAD", "--", ".git"], top, check=False),
    )
    if head.exit_code:
        is_on_branch = answer_of(["symbolic-ref", "--quiet", "HEAD"], top) is not None
        if not is_on_branch or answer_of(["rev-parse", "--verify", "--quiet", "HEAD"], top):
            said = head.stderr.decode("utf-8", "replace").strip()
            raise GitRefusedError(top, f"{said} (in the commit that `HEAD` names)")
    if index.exit_code:
        raise GitRefusedError(top, index.stderr.decode("utf-8", "replace"))
    return top


def find_work_tree(cwd: Path | str) -> Path | None:
    """Return the top of the work tree that `cwd` lies in; starts no process."""
    found = find_git_dir(cwd)
    return None if found is None else found[0]


def find_index(cwd: Path | str) -> Path | None:
    """Return where the work tree around `cwd` keeps its index; None outside of one."""
    found = find_git_dir(cwd)
    return None if found is None else found[1] / "index"


def common_dir(cwd: Path | str) -> Path | None:
    """Return the folder that all work trees of the repository share; starts no process."""
    found = find_git_dir(cwd)
    if found is None:
        return None
    shared = read_small(found[1] / "commondir")
    return Path(os.path.realpath(found[1] / shared.strip() if shared else found[1]))


def current_branch(cwd: Path | str) -> str | None:
    """Return the branch that is checked out, one without commits too; None when detached.

    Starts no process, but for repositories that keep refs in tables.
    """
    found = find_git_dir(cwd)
    if found is None:
        return None
    head = read_small(found[1] / "HEAD")
    if head is None or not head.startswith("ref:"):
        return None
    name = head.removeprefix("ref:").strip()
    if name == _BRANCHES + ".invalid":
        # What a repository with reftable puts there for readers like us.
        name = answer_of(["symbolic-ref", "-q", "HEAD"], cwd) or ""
    return name.removeprefix(_BRANCHES) if name.startswith(_BRANCHES) else None


def head_commit(cwd: Path | str) -> str | None:
    """Return the id of the commit that is checked out; None without git or without commits.

    Starts no process where the branch has a file that says so.
    """
    found = find_git_dir(cwd)
    head = read_small(found[1] / "HEAD") if found else None
    shared = common_dir(cwd)
    if head and shared and head.startswith(f"ref: {_BRANCHES}"):
        said = read_small(shared / head.removeprefix("ref: ").strip())
        if said and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", said.strip()):
            return said.strip()
    return answer_of(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], cwd)


def local_branches(cwd: Path | str) -> tuple[str, ...]:
    """Return the names of the local branches; empty without git."""
    answer = answer_of(["for-each-ref", "--format=%(refname)", _BRANCHES], cwd) or ""
    return tuple(line.removeprefix(_BRANCHES) for line in answer.splitlines())


def answer_of(args: Sequence[str], cwd: Path | str) -> str | None:
    """Return git's answer to a question; None when it has none, or there is no git."""
    try:
        answer = run_git(args, cwd, check=False)
    except ProgramNotFoundError:
        return None
    return answer.text if answer.exit_code == 0 else None


def has_object(top: Path, name: str) -> bool:
    """Tell whether a commit or tree is in the repository."""
    return answer_of(["cat-file", "-e", name], top) is not None


def _command_name(args: Sequence[str]) -> str:
    rest = iter(args)
    for arg in rest:
        if arg in ("-c", "-C"):
            next(rest, None)
        elif not arg.startswith("-"):
            return arg
    return ""


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a program that has a group of its own, with all it started, and close its pipes."""
    # Others may hold its pipes: only the program itself is waited for.
    if process.poll() is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
