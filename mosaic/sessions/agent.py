"""The agent's process: started, signalled, and ended with everything that it left behind.

A headless agent has a session of its own, nothing of ours inherited but its three streams,
and its output goes through an `Outlet` into the record's logs. An interactive one has the
terminal.

Its version is asked once, then known until the program changes: `.state/versions.json` maps a
program's path to its file's signature and version. Deleting it costs one `--version`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from typing import TYPE_CHECKING

from mosaic.machine.environment import child_environment
from mosaic.machine.identity import identity_of_child
from mosaic.machine.log_pipes import Outlet
from mosaic.machine.process import install_path, spawn, sweep_orphans
from mosaic.machine.signature import find_signature
from mosaic.machine.terminal import TerminalState
from mosaic.model import Mode
from mosaic.ports import PromptChannel
from mosaic.store.state import find_object, save_cache

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from mosaic.model import JsonValue, ProcessIdentity
    from mosaic.ports import Order, Runtime
    from mosaic.runs.record import Run
    from mosaic.store.layout import Layout


class AgentProcess:
    """One agent. `start` once; `end_leftovers` when it has ended; `close` in the end."""

    exit_code: int
    """Negative for a signal; known after `end_leftovers`."""
    _process: subprocess.Popen[bytes]

    def __init__(self, run: Run, order: Order) -> None:
        self._run = run
        self._order = order
        self._outlet: Outlet | None = None
        self._terminal: TerminalState | None = None

    def start(self) -> ProcessIdentity:
        """Start it."""
        order = self._order
        if order.mode is Mode.INTERACTIVE:
            import subprocess  # start-up: a preview starts nothing

            # A child that Ctrl-Z stops between vfork and exec would hold this process with it.
            setattr(subprocess, "_USE_VFORK", False)  # noqa: B010 - typed as final
            self._terminal = TerminalState()
            self._process = self._spawn(None, None, None)
        else:
            source = self._run.prompt_file if order.channel is PromptChannel.STDIN else os.devnull
            self._outlet = Outlet(self._run.dir)
            self._process = self._start_headless(self._outlet, source)
        return identity_of_child(self._process.pid)

    def _start_headless(self, outlet: Outlet, source: Path | str) -> subprocess.Popen[bytes]:
        stdin = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return self._spawn(stdin, outlet.stdout, outlet.stderr)
        except BaseException:
            outlet.close()
            outlet.wait()
            outlet.give_up_reserve()
            raise
        finally:
            outlet.close()
            os.close(stdin)

    def _spawn(
        self, stdin: int | None, stdout: int | None, stderr: int | None
    ) -> subprocess.Popen[bytes]:
        order = self._order
        environ = {k: v for k, v in child_environment().items() if k not in order.unset}
        return spawn(
            order.argv,
            cwd=order.cwd,
            env={**environ, **order.env},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            new_session=order.mode is Mode.HEADLESS,
        )

    def has_ended(self) -> bool:
        """Tell whether it has ended; it is not reaped, so that its group stays its own."""
        return self._is_seen(os.WEXITED)

    def is_suspended(self) -> bool:
        """Tell whether it was suspended, as Ctrl-Z does, and not continued since."""
        with contextlib.suppress(ChildProcessError):  # it has ended
            return self._is_seen(os.WSTOPPED)
        return False

    def _is_seen(self, change: int) -> bool:
        flags = change | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, flags) is not None

    def signal(self, number: int) -> None:
        """Signal it: its whole group where it has one of its own."""
        if self.has_ended():
            return
        signal_it = os.kill if self._order.mode is Mode.INTERACTIVE else os.killpg
        # Not reaped, so the pid is still the agent's.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal_it(self._process.pid, number)
            signal_it(self._process.pid, signal.SIGCONT)  # one that is stopped could not act

    def end_leftovers(self) -> int:
        """Reap it, end all that it left behind and return how many, and take its last words."""
        if self._order.mode is Mode.HEADLESS:
            # Nobody may be left in the group but its ended leader.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self.exit_code = self._process.wait()
        if self._terminal and self.exit_code != 0:
            self._terminal.restore()  # it may have been ended in the middle of its screen
        swept = len(sweep_orphans(exclude=[self._outlet.pid] if self._outlet else []))
        if self._outlet:
            self._outlet.wait()
            self._outlet.give_up_reserve()
        return swept

    def close(self) -> None:
        """Give back what an agent that never started was given."""
        if self._outlet:
            self._outlet.close()


def describe_agent(runtime: Runtime, program: str, layout: Layout) -> dict[str, JsonValue]:
    """Return an agent's program, where it is, and its version as far as it tells."""
    path = install_path(program)
    if path is None:
        return {"program": program, "path": None, "version": None}
    cache = layout.state_dir / "versions.json"
    known = find_object(cache)
    signature = find_signature(path)
    key = [signature.size, signature.mtime_ns, signature.inode] if signature else None
    entry = known.get(path)
    if not isinstance(entry, dict) or entry.get("signature") != key:
        entry = {"signature": key, "version": runtime.probe().version}
        known[path] = entry
        save_cache(layout, cache, json.dumps(known).encode())
    return {"program": program, "path": path, "version": entry.get("version")}
