"""Starting programs, and signalling only what is verified."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mosaic.errors import ProgramNotFoundError
from mosaic.machine.identity import identify, own_identity
from mosaic.machine.process import install_path, send_signal, spawn
from tests.support.programs import next_line, running

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mosaic.model import ProcessIdentity

WAIT = "import sys; print('up', flush=True); sys.stdin.read()"


def start(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    return spawn(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        new_session=True,
    )


def identity_of(process: subprocess.Popen[str]) -> ProcessIdentity:
    identity = identify(process.pid)
    assert identity is not None
    return identity


def program(path: Path, text: str, mode: int = 0o755) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


# Starting


def test_a_program_runs_where_and_with_what_it_was_given(tmp_path: Path) -> None:
    show = "import os; print(os.getcwd(), os.environ['X'], os.getsid(0) == os.getpid())"
    with start([sys.executable, "-c", show], tmp_path, {"X": "1"}) as process:
        output, _ = process.communicate()
    assert output.decode().split() == [str(tmp_path.resolve()), "1", "True"]


def test_a_program_is_looked_up_on_the_path_of_its_own_environment(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin" / "agent", "#!/bin/sh\necho found\n")
    with start(["agent"], tmp_path, {"PATH": str(tmp_path / "bin")}) as process:
        assert process.communicate()[0] == b"found\n"


def test_a_relative_program_is_relative_to_its_working_folder(tmp_path: Path) -> None:
    program(tmp_path / "agent", "#!/bin/sh\necho found\n")
    with start(["./agent"], tmp_path) as process:
        assert process.communicate()[0] == b"found\n"


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["no-such-agent"], "it is not on the PATH"),
        (["./no-such-agent"], "there is no such file"),
        ([], "the command is empty"),
        (["echo", "a\0b"], "embedded null byte"),
        (["echo", "x" * 40_000_000], "too long for the system"),
    ],
    ids=["not on the path", "no file", "empty", "null", "too long"],
)
def test_why_a_program_cannot_be_started_is_told(
    tmp_path: Path, argv: list[str], problem: str
) -> None:
    with pytest.raises(ProgramNotFoundError) as caught:
        start(argv, tmp_path)
    assert problem in str(caught.value.detail)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "mode", "problem"),
    [
        ("#!/no/such/interpreter\n", 0o755, "not the interpreter that its first line names"),
        ("#!/bin/sh\n", 0o644, "may not be executed"),
        ("plain words\n", 0o755, "is not a program"),
    ],
)
def test_a_file_that_cannot_be_run_is_told_apart(
    tmp_path: Path, text: str, mode: int, problem: str
) -> None:
    path = program(tmp_path / "agent", text, mode)
    with pytest.raises(ProgramNotFoundError) as caught:
        start([path], tmp_path)
    assert problem in str(caught.value.detail)


def test_a_working_folder_that_is_gone_is_not_blamed_on_the_program(tmp_path: Path) -> None:
    with pytest.raises(ProgramNotFoundError) as caught:
        start([sys.executable, "-c", ""], tmp_path / "gone")
    assert caught.value.detail == f"its working folder `{tmp_path / 'gone'}` is not there"


def test_where_a_program_is_installed_is_found_or_none() -> None:
    assert install_path("sh") is not None
    assert install_path("no-such-agent") is None


# Signals


def test_a_verified_process_gets_the_signal() -> None:
    with running(WAIT) as process:
        next_line(process)
        assert send_signal(identity_of(process), signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM


@pytest.mark.parametrize("wrong", ["started_at", "boot_id", "host"])
def test_a_process_that_is_not_the_one_meant_is_spared(wrong: str) -> None:
    with running(WAIT, new_session=True) as process:
        next_line(process)
        identity = identity_of(process)
        other = {
            "started_at": replace(identity, started_at="1"),
            "boot_id": replace(identity, boot_id="earlier"),
            "host": replace(identity, host="elsewhere"),
        }[wrong]
        assert not send_signal(other, signal.SIGKILL)
        assert process.poll() is None
        assert process.communicate("")[0] == ""
        assert process.returncode == 0


def test_nothing_is_sent_to_a_process_that_is_gone() -> None:
    with running(WAIT, new_session=True) as process:
        next_line(process)
        identity = identity_of(process)
        process.kill()
        process.wait()
        assert not send_signal(identity, signal.SIGTERM)


@pytest.mark.parametrize("pid", [-1, 0, 1])
def test_numbers_that_mean_many_processes_are_never_signalled(pid: int) -> None:
    identity = identify(pid) or replace(own_identity(), pid=pid)
    assert not send_signal(identity, 0)


def test_a_pid_that_no_system_has_is_not_signalled() -> None:
    identity = replace(own_identity(), pid=10**30)
    assert not send_signal(identity, 0)
