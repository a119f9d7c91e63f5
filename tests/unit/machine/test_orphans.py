"""Finding and ending what a process left behind."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from mosaic.machine.identity import identify
from mosaic.machine.process import find_marked
from tests.support.programs import next_line, running

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from mosaic.model import ProcessIdentity

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")

# An agent: starts a tool shell in a session of its own, whose child has left that too and
# ignores whatever can be ignored. Prints both pids.
AGENT = """
import subprocess, sys
TOOL = '''
import signal, subprocess, sys
CHILD = "import signal, time; [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)]; "
CHILD += "print('up', flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, start_new_session=True)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
'''
tool = subprocess.Popen([sys.executable, "-c", TOOL], stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL, start_new_session=True)
print(tool.pid, int(tool.stdout.readline()), flush=True)
sys.stdin.readline()
"""

SUPERVISOR = """
import json, os, signal, subprocess, sys
from mosaic.machine.identity import identify
from mosaic.machine.process import become_subreaper, sweep_orphans
assert become_subreaper()
agent = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, start_new_session=True)
kept = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"],
                        stdin=subprocess.PIPE)
orphans = [int(word) for word in agent.stdout.readline().split()]
os.kill(agent.pid, signal.SIGKILL)
agent.wait()
killed = sweep_orphans({kept.pid})
print(json.dumps({
    "orphans": orphans,
    "killed": killed,
    "left": [pid for pid in orphans if identify(pid)],
    "kept": identify(kept.pid) is not None,
    "again": sweep_orphans({kept.pid}),
    "is_reaped": not os.path.exists(f"/proc/{orphans[1]}"),
}))
kept.communicate()
"""

ZOMBIES = """
import json, os
from mosaic.machine.process import sweep_orphans
child = os.fork()
if child == 0:
    os._exit(0)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
print(json.dumps([sweep_orphans(), os.path.exists(f"/proc/{child}")]))
"""


def identity_of(pid: int) -> ProcessIdentity:
    identity = identify(pid)
    assert identity is not None
    return identity


def end(process: subprocess.Popen[str], pids: list[int]) -> None:
    process.kill()
    for pid in pids:
        if identify(pid) is not None:
            os.kill(pid, signal.SIGKILL)


def test_what_left_the_group_and_the_session_is_swept_after_the_agent_was_killed() -> None:
    with running(SUPERVISOR, AGENT) as process:
        told = json.loads(next_line(process))
    assert sorted(told["killed"]) == sorted(told["orphans"])
    assert told["left"] == []
    assert told["is_reaped"]
    assert told["kept"]
    assert told["again"] == []


def test_a_zombie_is_reaped_and_not_counted_as_killed() -> None:
    with running(ZOMBIES) as process:
        assert json.loads(next_line(process)) == [[], False]


def test_processes_are_found_by_a_variable_that_they_inherited(tmp_path: Path) -> None:
    run = str(tmp_path)
    with running(AGENT, MISSION_RUN_DIR=run) as process:
        pids = [int(word) for word in next_line(process).split()]
        try:
            found = find_marked("MISSION_RUN_DIR", run)
            assert {each.pid for each in found} == {process.pid, *pids}
            assert identity_of(process.pid) in found
            assert find_marked("MISSION_RUN_DIR", run[:-1]) == []
            assert find_marked("RUN_DIR", run) == []
        finally:
            end(process, pids)


def test_we_do_not_find_ourselves() -> None:
    name, value = next(iter(os.environ.items()))
    assert os.getpid() not in {each.pid for each in find_marked(name, value)}
