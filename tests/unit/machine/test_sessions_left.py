"""What is left of a session whose first process has ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mosaic.machine.identity import identify
from mosaic.machine.process import find_in_session

LEADER = """\
import subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "input()"], stdin=0, stderr=subprocess.DEVNULL,
    env={}, process_group=0)
print(left.pid, flush=True)
sys.stdin.readline()
"""


def test_it_is_found_by_the_session_and_the_folder(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    leader = subprocess.Popen(
        [sys.executable, "-c", LEADER],
        stdin=read_end,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
    )
    os.close(read_end)
    assert leader.stdout is not None
    left = int(leader.stdout.readline())
    identity = identify(leader.pid)
    assert identity is not None
    try:
        assert find_in_session(identity, str(tmp_path)) == [], "its leader lives"
        leader.kill()
        leader.wait()
        assert [each.pid for each in find_in_session(identity, str(tmp_path))] == [left]
        assert find_in_session(identity, str(tmp_path / "elsewhere")) == []
    finally:
        os.close(write_end)
        leader.stdout.close()
