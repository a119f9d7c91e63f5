"""The supervisor: takes a run record, starts its agent, carries it to its end.

The agent writes straight into the record's log files, so nothing it says depends on this
process being alive or quick; the supervisor reads along. It is a child subreaper: whatever
an agent leaves behind becomes its child and is ended with the run. It holds a kernel lock
on the run's folder for as long as it lives, which is how others know that it does.

Stopping goes interrupt → terminate → kill, then every orphan. SIGTERM, SIGHUP, and SIGINT
where the agent does not share the terminal, ask for that; SIGUSR1 kills at once.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mosaic.machine.clock import utc_now
from mosaic.machine.identity import identify, own_identity
from mosaic.machine.lock import FolderLock, hold_folder
from mosaic.machine.orphans import become_subreaper, sweep_orphans
from mosaic.machine.process import spawn
from mosaic.model import EndReason, Mode, ProcessIdentity, RunStatus
from mosaic.ports import ConversationKnown, EndCause, Ending, ProcessEnd, PromptChannel
from mosaic.runs.events import STEP_EVENTS, EventLog, EventType
from mosaic.runs.record import Run, advance
from mosaic.sessions.output import OutputFollower, Progress, tail_text
from mosaic.sessions.session_lock import HEARTBEAT_SECONDS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from types import FrameType

    from mosaic.model import JsonValue
    from mosaic.ports import Order, OutputReader

INTERRUPT_GRACE_SECONDS = 3.0
TERMINATE_GRACE_SECONDS = 5.0
POLL_SECONDS = 0.1
SIGNAL_EXIT = 128
"""Above it an exit code tells the signal that ended the program."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
KILL_SIGNAL = signal.SIGUSR1


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEnd:
    """How a run ended, before anybody looked at what it did."""

    reason: EndReason
    ending: Ending
    exit_code: int | None
    duration_seconds: float
    conversation: str | None
    swept: int = 0
    """Processes that the agent left behind and that were ended."""


class Supervisor:
    """Carries one run. `spawn` once, then `carry` to the end, then `close`."""

    def __init__(
        self,
        run: Run,
        order: Order,
        reader: OutputReader,
        *,
        watch: Callable[[Progress], None] | None = None,
    ) -> None:
        self.run = run
        self._order = order
        self._watch = watch
        self._follower = OutputFollower(run, reader, conversation=order.conversation)
        self._reader = reader
        self._state = run.state()
        self._stop: EndReason | None = None
        self._stop_stage = 0
        self._stop_at = 0.0
        self._agent: subprocess.Popen[bytes] | None = None
        self._identity: ProcessIdentity | None = None
        self._folder: FolderLock | None = None
        self._events: EventLog | None = None
        self._signals, self._signal_writer = socket.socketpair()
        self._handlers: dict[int, object] = {}
        self._started = 0.0
        self._next_heartbeat = 0.0

    def spawn(self) -> ProcessIdentity:
        """Start the agent.

        Raises:
            ProgramNotFoundError: its program cannot be started.
            HeldError: another supervisor carries this run.
        """
        self._folder = hold_folder(self.run.dir)
        self._events = EventLog(self.run)
        become_subreaper()
        self._listen()
        self._agent = self._start_process()
        self._started = time.monotonic()
        self._identity = identify(self._agent.pid) or _ended_at_once(self._agent.pid)
        self._advance(
            status=RunStatus.RUNNING,
            started_at=utc_now(),
            agent=self._identity,
            supervisor_pid=os.getpid(),
            runtime_session_id=self._order.conversation,
        )
        self._note(EventType.WORKER_STARTED, f"agent started as pid {self._agent.pid}")
        return self._identity

    def carry(self) -> RunEnd:
        """Stay with the agent until it has ended and nothing of it is left."""
        agent = self._agent
        assert agent is not None
        while not self._has_ended():
            self._wait()
            self._follow()
            self._heed_time_limit()
            self._escalate()
            self._beat()
        swept = self._end_leftovers(agent)
        self._follow()
        self._follower.finish()
        duration = time.monotonic() - self._started
        exit_code = agent.returncode
        ending = self._ending(exit_code)
        end = RunEnd(
            reason=self._stop or _natural_reason(ending, exit_code),
            ending=ending,
            exit_code=exit_code,
            duration_seconds=duration,
            conversation=self._follower.conversation,
            swept=swept,
        )
        # Everything that a recovery needs if this process dies before the end is recorded.
        self._note(
            EventType.WORKER_EXITED,
            f"agent ended with {exit_code}: {ending.message}",
            exit_code=exit_code,
            reason=end.reason.value,
            cause=ending.cause.value,
            words=ending.message,
            duration_seconds=round(duration, 3),
            swept=swept,
        )
        return end

    def finish(
        self, status: RunStatus, reason: EndReason, summary: str, exit_code: int | None
    ) -> None:
        """Write the end of the run's state: the last thing that is written of a run."""
        self._note(STEP_EVENTS.get(status, EventType.STEP_FAILED), summary)
        self._advance(
            status=status,
            reason=reason,
            finished_at=utc_now(),
            exit_code=exit_code,
            summary=summary,
        )

    @property
    def event_count(self) -> int:
        """How many events the run has so far."""
        return self._events.last_seq if self._events else 0

    def close(self) -> None:
        """Give back what was taken: signals, files, the folder lock."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.set_wakeup_fd(-1)
        self._signals.close()
        self._signal_writer.close()
        self._follower.close()
        if self._folder:
            self._folder.release()

    def _start_process(self) -> subprocess.Popen[bytes]:
        order = self._order
        environ = {key: value for key, value in os.environ.items() if key not in order.unset}
        environ.update(order.env)
        if order.mode is Mode.INTERACTIVE:
            return spawn(
                order.argv,
                cwd=order.cwd,
                env=environ,
                stdin=None,
                stdout=None,
                stderr=None,
                new_session=False,
            )
        source = self.run.prompt_file if order.channel is PromptChannel.STDIN else os.devnull
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        stdin = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        stdout = os.open(self.run.stdout_log, flags, 0o600)
        stderr = os.open(self.run.stderr_log, flags, 0o600)
        try:
            return spawn(
                order.argv,
                cwd=order.cwd,
                env=environ,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                new_session=True,
            )
        finally:
            for descriptor in (stdin, stdout, stderr):
                os.close(descriptor)

    def _listen(self) -> None:
        """Have signals wake the loop; what they ask for is looked at there."""
        self._signals.settimeout(0.0)
        self._signal_writer.settimeout(0.0)
        for number in (*STOP_SIGNALS, KILL_SIGNAL, signal.SIGCHLD, signal.SIGQUIT):
            if number is signal.SIGQUIT and self._order.mode is not Mode.INTERACTIVE:
                continue
            self._handlers[number] = signal.signal(number, _take_note)
        signal.set_wakeup_fd(self._signal_writer.fileno(), warn_on_full_buffer=False)

    def _wait(self) -> None:
        ready, _, _ = select.select([self._signals], [], [], POLL_SECONDS)
        if not ready:
            return
        for number in self._signals.recv(4096):
            if number == KILL_SIGNAL:
                self.request_stop(EndReason.STOPPED, now=True)
            elif number == signal.SIGINT and self._order.mode is Mode.INTERACTIVE:
                continue  # the agent got it too, and it is the agent's to understand
            elif number in STOP_SIGNALS:
                self.request_stop(EndReason.STOPPED)

    def request_stop(self, reason: EndReason, *, now: bool = False) -> None:
        """Begin to stop the agent; a second request goes a step further at once."""
        if self._stop is None:
            self._stop = reason
            self._note(EventType.STOP_REQUESTED, f"stopping: {reason.value}", now=now)
        if now:
            self._stop_stage = 2
        self._stop_at = 0.0

    def _escalate(self) -> None:
        if self._stop is None or time.monotonic() < self._stop_at:
            return
        number, grace = (
            (signal.SIGINT, INTERRUPT_GRACE_SECONDS),
            (signal.SIGTERM, TERMINATE_GRACE_SECONDS),
            (signal.SIGKILL, TERMINATE_GRACE_SECONDS),
        )[min(self._stop_stage, 2)]
        self._signal_agent(number)
        self._stop_stage += 1
        self._stop_at = time.monotonic() + grace

    def _signal_agent(self, number: signal.Signals) -> None:
        """Signal the agent: its whole group where it has one of its own."""
        agent = self._agent
        if agent is None or self._has_ended():
            return
        try:  # not reaped, so the pid is still the agent's
            if self._order.mode is Mode.INTERACTIVE:
                os.kill(agent.pid, number)
            else:
                os.killpg(agent.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def _has_ended(self) -> bool:
        """Tell whether the agent has ended; it is not reaped, so that its group stays its own."""
        assert self._agent is not None
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._agent.pid, flags) is not None

    def _end_leftovers(self, agent: subprocess.Popen[bytes]) -> int:
        """Reap the agent and end everything that it started and left behind."""
        if self._order.mode is Mode.HEADLESS:
            # Nobody may be left in the group but its ended leader.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(agent.pid, signal.SIGKILL)
        agent.wait()
        return len(sweep_orphans())

    def _follow(self) -> None:
        for seen in self._follower.read():
            if isinstance(seen, ConversationKnown):
                self._advance(runtime_session_id=seen.conversation)
                self._note(
                    EventType.RUNTIME_SESSION_KNOWN,
                    "the runtime named its conversation",
                    runtime_session_id=seen.conversation,
                )
        if self._watch:
            self._watch(self._follower.progress(time.monotonic() - self._started))

    def _heed_time_limit(self) -> None:
        limit = self._order.timeout_seconds
        if limit is not None and self._stop is None and time.monotonic() - self._started > limit:
            self.request_stop(EndReason.TIMEOUT)

    def _beat(self) -> None:
        if time.monotonic() < self._next_heartbeat:
            return
        self._next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS
        self._advance()
        if self._order.heartbeat_file:
            try:
                os.utime(self._order.heartbeat_file)
            except OSError:
                return  # a heartbeat lost is not worth the run

    def _ending(self, exit_code: int) -> Ending:
        if self._stop is EndReason.TIMEOUT:
            return Ending(ok=False, cause=EndCause.CUT, message="the time limit ran out")
        if self._stop is not None:
            return Ending(ok=False, cause=EndCause.CUT, message="it was stopped")
        end = ProcessEnd(exit_code=exit_code, stderr_tail=tail_text(self.run.stderr_log))
        return self._reader.judge(end)

    def _advance(self, **changes: object) -> None:
        seq = self._events.last_seq if self._events else 0
        self._state = advance(self._state, utc_now(), last_event_seq=seq, **changes)
        try:
            self.run.write_state(self._state)
        except OSError:
            return

    def _note(self, kind: EventType, message: str, **data: JsonValue) -> None:
        if self._events:
            self._events.append(kind, message, data=data)


def _natural_reason(ending: Ending, exit_code: int) -> EndReason:
    """Name an end that we did not ask for; an agent that a signal ended has crashed."""
    if ending.ok:
        return EndReason.COMPLETED
    killed = exit_code < 0 or exit_code > SIGNAL_EXIT
    return EndReason.CRASHED if killed else EndReason.FAILED


def _take_note(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the wake-up descriptor tells the loop, which acts in its own time."""


def _ended_at_once(pid: int) -> ProcessIdentity:
    own = own_identity()
    return ProcessIdentity(pid=pid, started_at="", boot_id=own.boot_id, host=own.host)
