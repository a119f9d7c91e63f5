"""Which process is which."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from shutil import which

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.machine.identity import (
    ProcessEntry,
    boot_id,
    host_name,
    identify,
    is_same_process,
    list_entries,
    own_identity,
    parse_ps,
    parse_stat,
)
from mosaic.model import ProcessIdentity
from tests.support.programs import next_line, running

WAIT = "import sys; print('up', flush=True); sys.stdin.read()"


def test_a_living_process_is_the_same_until_it_ends() -> None:
    with running(WAIT) as process:
        assert next_line(process) == "up"
        identity = identify(process.pid)
        assert identity is not None
        assert is_same_process(identity) is True
        process.kill()
        process.wait()
        assert is_same_process(identity) is False
        assert identify(process.pid) is None


def test_a_zombie_counts_as_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        identity = identify(process.pid)
        # Waited for, but not reaped: it is a zombie now.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert identify(process.pid) is None
        assert identity is None or is_same_process(identity) is False
        assert any(entry.pid == process.pid and entry.is_zombie for entry in list_entries())


def test_a_pid_that_was_used_again_is_another_process() -> None:
    assert is_same_process(replace(own_identity(), started_at="1")) is False


def test_a_process_of_an_earlier_boot_is_gone() -> None:
    assert is_same_process(replace(own_identity(), boot_id="earlier")) is False


@pytest.mark.parametrize(
    "unknown", [{"host": "elsewhere"}, {"pid": 0}, {"started_at": ""}, {"boot_id": ""}], ids=str
)
def test_what_cannot_be_known_is_not_guessed(unknown: dict[str, str]) -> None:
    me = own_identity()
    identity = ProcessIdentity(
        pid=int(unknown.get("pid", me.pid)),
        started_at=unknown.get("started_at", me.started_at),
        boot_id=unknown.get("boot_id", me.boot_id),
        host=unknown.get("host", me.host),
    )
    assert is_same_process(identity) is None


def test_a_process_without_start_time_is_gone_when_its_pid_is() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        assert is_same_process(replace(own_identity(), pid=process.pid, started_at="")) is False


@pytest.mark.parametrize("pid", [-1, 0, 2**22 + 1, 2**40, 10**30])
def test_a_pid_that_no_process_has_is_none(pid: int) -> None:
    assert identify(pid) is None
    if pid > 0:
        assert is_same_process(replace(own_identity(), pid=pid)) is False


def test_our_own_identity_names_this_boot_and_host() -> None:
    me = own_identity()
    assert (me.pid, me.boot_id, me.host) == (os.getpid(), boot_id(), host_name())
    assert me.started_at
    assert me.boot_id


@pytest.mark.skipif(sys.platform != "linux", reason="names of processes are read from /proc")
def test_a_name_with_brackets_and_spaces_does_not_shift_the_fields() -> None:
    rename = "open('/proc/self/comm', 'w').write(') Z 1 (x'); "
    with running(rename + WAIT) as process:
        assert next_line(process) == "up"
        with open(f"/proc/{process.pid}/stat", "rb") as stream:
            entry = parse_stat(stream.read())
        assert (entry.pid, entry.parent, entry.is_zombie) == (process.pid, os.getpid(), False)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_a_stat_line_that_is_none_is_a_value_or_index_error(data: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        parse_stat(data)


def test_the_answer_of_ps_is_read_and_other_lines_passed_over() -> None:
    entries = parse_ps(
        "  501   1   501 Ss   Fri Nov 20 23:15:24 2026\n"
        "  502 501   501 Z+   Fri Nov  6 03:05:04 2026    \n"
        "ps: warning\n\n"
    )
    assert [(each.pid, each.parent, each.group, each.is_zombie) for each in entries] == [
        (501, 1, 501, False),
        (502, 501, 501, True),
    ]
    assert entries[1].started_at == "Fri Nov 6 03:05:04 2026"


@pytest.mark.skipif(which("ps") is None, reason="needs ps")
def test_a_real_answer_of_ps_names_the_same_process_each_time() -> None:
    def ask() -> list[ProcessEntry]:
        argv = ["ps", "-o", "pid=,ppid=,pgid=,stat=,lstart=", "-p", str(os.getpid())]
        return parse_ps(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)

    (entry,) = ask()
    assert (entry.pid, entry.parent, entry.group) == (os.getpid(), os.getppid(), os.getpgrp())
    assert ask() == [entry]
