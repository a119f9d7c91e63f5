"""The supervisor: takes a run record, starts its agent, carries it to its end.

The agent's output is written into the record by a process of its own, so nothing it says
depends on this one being alive or quick; the supervisor reads along. It is a child subreaper:
whatever an agent leaves behind becomes its child and is ended with the run. The kernel lock on
the run's folder, which it holds for as long as it lives, shows others that it does.

Stopping goes terminate → interrupt → kill (in a terminal: interrupt first), then every orphan.
SIGTERM, SIGHUP, and SIGINT where the agent does not share the terminal, ask for that; SIGUSR1
kills at once, and so does SIGQUIT (Ctrl-backslash) where the agent does not get it itself. Those
ignored at the start stay so, for the agent too. The agent's work tree is saved before it is
stopped and when it has ended. An agent that shares the terminal and suspends itself takes its
supervisor along, so that the shell gets the terminal back; `fg` continues both.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from mosaic.errors import HeldError, MissionError
from mosaic.executors.background import KILL_SIGNAL
from mosaic.machine.clock import utc_now
from mosaic.machine.lock import FolderLock, hold_folder
from mosaic.machine.log_pipes import find_gaps
from mosaic.machine.process import SignalQueue, become_subreaper
from mosaic.model import EndReason, Mode, ProcessIdentity, RunStatus
from mosaic.ports import EndCause, Ending, ProcessEnd
from mosaic.records import asdict
from mosaic.runs.checkpoint import Trigger, checkpoint_event
from mosaic.runs.events import EventLog, EventType, exit_level, step_data
from mosaic.runs.record import Run, advance, tail_text
from mosaic.runs.result import RunEnd
from mosaic.sessions.agent import AgentProcess
from mosaic.sessions.decide import natural_reason
from mosaic.sessions.session_lock import HEARTBEAT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from mosaic.model import JsonValue
    from mosaic.ports import Order
    from mosaic.runs.checkpoint import Checkpoint
    from mosaic.sessions.following import TranscriptFollower
    from mosaic.sessions.output import OutputFollower, Progress
    from mosaic.settings import RunSettings

INTERRUPT_GRACE_SECONDS = 3.0
TERMINATE_GRACE_SECONDS = 5.0
_INTERRUPT = (signal.SIGINT, INTERRUPT_GRACE_SECONDS)
_TERMINATE = (signal.SIGTERM, TERMINATE_GRACE_SECONDS)
_KILL = (signal.SIGKILL, TERMINATE_GRACE_SECONDS)
STOP_STAGES = {
    Mode.HEADLESS: (_TERMINATE, _INTERRUPT, _KILL),
    Mode.INTERACTIVE: (_INTERRUPT, _TERMINATE, _KILL),
}
"""What an agent is stopped with, and how long each is given.

An interrupt means to claude that a person turned its tool down, and so it says when it goes on.
"""
LEFT_BY_PERSON = (-signal.SIGINT, 128 + signal.SIGINT)
"""How an agent exits in a terminal when somebody presses Ctrl-C until it leaves."""
POLL_SECONDS = 0.1
PROGRESS_SECONDS = 2.0
"""How often the record says what the agent does, for those who look from elsewhere."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
TERMINAL_SIGNALS = (signal.SIGINT, signal.SIGQUIT)
"""What a terminal sends to all that share it."""


class Silence:
    """Watches how much an agent has written; each silence is reported once."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._bytes = 0
        self._is_reported = False

    def grown_long(self, output_bytes: int, limit_seconds: float) -> int | None:
        """Return the seconds of a silence that has just grown longer than the limit, else None."""
        now = time.monotonic()
        if output_bytes != self._bytes:
            self._since, self._bytes, self._is_reported = now, output_bytes, False
        elif now - self._since > limit_seconds and not self._is_reported:
            self._is_reported = True
            return int(now - self._since)
        return None


class Supervisor:
    """Carries one run. `spawn` once, then `carry` to the end, then `close`."""

    def __init__(
        self,
        run: Run,
        order: Order,
        follower: OutputFollower | TranscriptFollower,
        *,
        settings: RunSettings,
        save: Callable[[Trigger], Checkpoint | None],
        watch: Callable[[Progress], None] | None = None,
        heeds_interrupt: Callable[[], bool] = lambda: True,
    ) -> None:
        self.run = run
        self.state = run.state()
        """As this process has it, whatever becomes of the record."""
        self.log = EventLog(run)
        self._order = order
        self._reader = follower.reader
        self._settings = settings
        self._save = save
        self._watch = watch
        self._heeds_interrupt = heeds_interrupt
        self._follower = follower
        self._agent = AgentProcess(run, order)
        self._signals = SignalQueue()
        self._folder: FolderLock | None = None
        self._stop: EndReason | None = None
        self._stop_stage = 0
        self._stop_at = 0.0
        self._started = 0.0
        self._last_beat = 0.0
        self._next_save = 0.0
        self._silence = Silence()
        self._is_suspended = False
        self._is_overdue = False

    def spawn(self, begin_tree: str | None = None) -> ProcessIdentity:
        """Start the agent, with the work tree as it stands now on record.

        Raises:
            HeldError: another supervisor carries this run, or has carried it.
        """
        self._folder = hold_folder(self.run.dir)
        self.state = self.run.state()
        if self.state.status is not RunStatus.PREPARED:
            raise HeldError(f"run `{self.run.id}` was started already")
        become_subreaper()
        self._signals.listen(
            (*STOP_SIGNALS, signal.SIGQUIT), even_ignored=(KILL_SIGNAL, signal.SIGCHLD)
        )
        agent = self._agent.start()
        self._started = time.monotonic()
        self._silence = Silence()
        self._next_save = self._started + (self._settings.checkpoint_every_seconds or 0.0)
        self._advance(
            status=RunStatus.RUNNING,
            started_at=utc_now(),
            agent=agent,
            supervisor_pid=os.getpid(),
            runtime_session_id=self._order.conversation,
            begin_tree=begin_tree,
            place=dict(self._order.place),
        )
        data = step_data(self.run, pid=agent.pid)
        self.log.append(EventType.WORKER_STARTED, f"agent started as pid {agent.pid}", data=data)
        return agent

    def carry(self) -> RunEnd:
        """Stay with the agent until it has ended and nothing of it is left."""
        while not self._agent.has_ended():
            self._heed_signals()
            self._suspend_with_agent()
            self._follow()
            self._heed_time_limit()
            self._heed_result()
            self._escalate()
            self._heed_silence()
            self._save_now_and_then()
            self._beat()
        swept = self._agent.end_leftovers()
        self._follow(limit_bytes=None)
        self._follower.finish()
        exit_code = self._agent.exit_code
        own_code = 0 if self._is_overdue else exit_code
        ending = self._ending(own_code)
        end = RunEnd(
            ended=self._stop or natural_reason(ending, own_code),
            ending=ending,
            ended_at=utc_now(),
            duration_seconds=time.monotonic() - self._started,
            exit_code=exit_code,
            conversation=self._follower.conversation,
            started_at=self.state.started_at,
            unread=self._follower.unread,
        )
        self._tell_progress()
        if words := end.unread.words():
            self._note(EventType.OUTPUT_UNREAD, "; ".join(words), **asdict(end.unread))
        # Everything that a recovery needs if this process dies before the end is recorded.
        self._note(
            EventType.WORKER_EXITED,
            f"agent ended with {exit_code}: {ending.message}",
            level=exit_level(end.ended),
            exit_code=exit_code,
            reason=end.ended.value,
            cause=ending.cause.value,
            retryable=ending.retryable,
            words=ending.message,
            duration_seconds=round(end.duration_seconds, 3),
            swept=swept,
            lost_bytes=sum(gap.bytes for gap in find_gaps(self.run.dir)),
        )
        self._take_checkpoint(Trigger.END)
        return end

    def hold_again(self) -> None:
        """Hold the run's folder anew, where it was removed and made again."""
        if self._folder:
            self._folder.release()
        self._folder = hold_folder(self.run.dir)

    def close(self) -> None:
        """Give back what was taken: signals, files, the folder lock."""
        if self._order.mode is Mode.HEADLESS:  # what came too late for this run is passed on
            for number in self._signals.wait(0.0):
                if number in STOP_SIGNALS:
                    self._heeds_interrupt()
        self._signals.close()
        self._agent.close()
        self._follower.close()
        if self._folder:
            self._folder.release()

    def request_stop(self, reason: EndReason, *, now: bool = False) -> None:
        """Begin to stop the agent; a second request goes a step further at once."""
        if self._stop is None:
            self._stop = reason
            self._note(EventType.STOP_REQUESTED, f"stopping: {reason.value}", now=now)
            if not now:
                by_clock = reason is EndReason.TIMEOUT
                self._take_checkpoint(Trigger.TIMEOUT if by_clock else Trigger.STOP)
        if now:
            self._stop_stage = 2
        self._stop_at = 0.0

    def _heed_signals(self) -> None:
        patience = 0.0 if self._follower.is_behind else POLL_SECONDS
        for number in self._signals.wait(patience):
            if number in TERMINAL_SIGNALS and self._order.mode is Mode.INTERACTIVE:
                continue  # the agent got it too, and it is the agent's to understand
            if number in (KILL_SIGNAL, signal.SIGQUIT):
                self.request_stop(EndReason.STOPPED, now=True)
            elif number in STOP_SIGNALS and (number != signal.SIGINT or self._heeds_interrupt()):
                self.request_stop(EndReason.STOPPED)

    def _suspend_with_agent(self) -> None:
        if self._order.mode is Mode.HEADLESS or self._stop is not None:
            return
        was_suspended, self._is_suspended = self._is_suspended, self._agent.is_suspended()
        # Seen twice: Ctrl-Z suspends both at once, and `fg` continues one before the other.
        if was_suspended and self._is_suspended:
            self._is_suspended = False
            os.killpg(os.getpgrp(), signal.SIGTSTP)

    def _escalate(self) -> None:
        is_to_end = self._is_overdue or self._stop is not None
        if not is_to_end or time.monotonic() < self._stop_at:
            return
        number, grace = STOP_STAGES[self._order.mode][min(self._stop_stage, 2)]
        self._agent.signal(number)
        self._stop_stage += 1
        self._stop_at = time.monotonic() + grace

    def _follow(self, **limit: int | None) -> None:
        for conversation in self._follower.read(**limit):
            self._advance(runtime_session_id=conversation)
            words, data = "the runtime named its conversation", {"runtime_session_id": conversation}
            self.log.append(EventType.RUNTIME_SESSION_KNOWN, words, data=data)
        if self._watch:
            try:
                self._watch(self._follower.progress(time.monotonic() - self._started))
            except OSError:
                self._watch = None  # its reader has gone away, which does not concern the agent

    def _heed_time_limit(self) -> None:
        limit = self._order.timeout_seconds
        is_over = limit is not None and time.monotonic() - self._started > limit
        # One that ended while this process slept has not overrun its time.
        if is_over and self._stop is None and not self._agent.has_ended():
            if self._has_result:
                self._end_after_result("its time is up")
            else:
                self.request_stop(EndReason.TIMEOUT)

    def _heed_result(self) -> None:
        """End an agent that has given its last answer and stays; its answer is what counts."""
        if self._stop is not None or not self._has_result:
            return
        limit = self._settings.after_result_seconds
        if self._reader.awaits_background:
            limit = self._settings.background_seconds
        silent = self._follower.silent_seconds
        if limit is not None and silent > limit:
            self._end_after_result(f"it stayed {silent:.0f} s after its last answer")

    @property
    def _has_result(self) -> bool:
        """Whether the agent has nothing more to say; in a terminal a person decides that."""
        return self._order.mode is Mode.HEADLESS and self._reader.has_result

    def _end_after_result(self, why: str) -> None:
        if not self._is_overdue:
            self._is_overdue = True
            self._note(EventType.ENDED_AFTER_RESULT, f"ending the agent: {why}")

    def _heed_silence(self) -> None:
        """Note once when an agent has written nothing for long, and again the next time."""
        limit = self._settings.stalled_after_seconds
        if limit is None or self._order.mode is Mode.INTERACTIVE:
            return
        silent = self._silence.grown_long(self.run.output_bytes(), limit)
        if silent is not None:
            self._note(EventType.OUTPUT_STALLED, f"no output for {silent} s", silent_seconds=silent)

    def _save_now_and_then(self) -> None:
        every = self._settings.checkpoint_every_seconds
        if every is not None and time.monotonic() >= self._next_save:
            self._take_checkpoint(Trigger.INTERVAL)
            self._next_save = time.monotonic() + every

    def _take_checkpoint(self, trigger: Trigger) -> None:
        """Save the work tree; a run goes on where that cannot be done, and says so."""
        try:
            checkpoint = self._save(trigger)
        except (MissionError, OSError) as error:
            words = f"none could be taken: {error}"
            self._note(EventType.CHECKPOINT_CAPTURED, words, level="warn")
            return
        if checkpoint is not None:
            self._advance(checkpoint_seq=checkpoint.seq)
            message, level, data = checkpoint_event(checkpoint)
            self._note(EventType.CHECKPOINT_CAPTURED, message, level=level, **data)

    def _beat(self) -> None:
        now = time.monotonic()
        changed = self._follower.output_bytes != self.state.output_bytes
        if now < self._last_beat + (PROGRESS_SECONDS if changed else HEARTBEAT_SECONDS):
            return
        self._last_beat = now
        self._tell_progress()
        if self._order.heartbeat_file:
            with contextlib.suppress(OSError):  # a heartbeat lost is not worth the run
                os.utime(self._order.heartbeat_file)

    def _tell_progress(self) -> None:
        seen = self._follower.progress(time.monotonic() - self._started)
        self._advance(last_activity=seen.last, output_bytes=seen.output_bytes, usage=seen.usage)

    def _ending(self, exit_code: int) -> Ending:
        if self._stop is not None:
            is_late = self._stop is EndReason.TIMEOUT
            words = "the time limit ran out" if is_late else "it was stopped"
            return Ending(ok=False, cause=EndCause.CUT, message=words)
        if not os.path.isdir(self._order.cwd):
            return Ending(
                ok=False,
                cause=EndCause.WORKSPACE_GONE,
                message=f"the folder that it worked in is gone: `{self._order.cwd}`",
                hint="`mission resume` makes a worktree anew, from its branch",
            )
        if self._order.mode is Mode.INTERACTIVE and exit_code in LEFT_BY_PERSON:
            return Ending(ok=True, cause=EndCause.LEFT, message="the person left the agent")
        end = ProcessEnd(exit_code=exit_code, stderr_tail=tail_text(self.run.stderr_log))
        return self._reader.judge(end)

    def _advance(self, **changes: object) -> None:
        """Write the state anew; on a full disk the run goes on with the older one."""
        seq = self.log.last_seq
        self.state = advance(self.state, utc_now(), last_event_seq=seq, **changes)
        with contextlib.suppress(MissionError):
            self.run.write_state(self.state)

    def _note(
        self, kind: EventType, message: str, *, level: str | None = None, **data: JsonValue
    ) -> None:
        self.log.append(kind, message, level=level, data=data)
