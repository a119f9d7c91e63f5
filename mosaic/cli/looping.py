"""`mission next --loop`: its output, its interrupts, its alerts."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from mosaic.cli.consent import require_settled
from mosaic.cli.live import LiveRun
from mosaic.cli.output import Result, clean, draw, emit, paint, paint_status, warn
from mosaic.cli.sessions_view import usage_words
from mosaic.errors import ExitCode
from mosaic.machine.environment import outer_environment
from mosaic.plan.durations import format_duration
from mosaic.store.reading import read_mission

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.plan.pace import Limits
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.workers.ledger import LoopReport

NOTIFY_SECONDS = 10.0


class LoopTerminal:
    """The user's side of a loop."""

    def __init__(self, mission_file: Path, *, quiet: bool) -> None:
        self._mission_file = mission_file
        mission = read_mission(mission_file).document.mission
        # As it stands now: an agent must not name the command that we run.
        self._notify, self._mission_name = mission.notify, mission.name
        self._quiet = quiet
        self._interrupts = 0

    def hand_over(self, request: HandOffRequest) -> str:
        """Hand off, and stay to the end."""
        from mosaic.sessions.session import hand_off

        live = LiveRun(quiet=self._quiet, heeds_interrupt=self._heeds_interrupt)
        try:
            done = hand_off(self._mission_file, request, live.executor(None, self._mission_file))
        finally:
            live.end()
        settled = live.carrier.settled if live.carrier else None
        if settled is not None:
            status = settled.task_status.value if settled.task_status else None
            stands = f"is {paint_status(status)}" if status else "ended"
            self.say(
                f"{paint(done.task.id, 'bold', err=True)} {stands}: "
                f"{clean(settled.outcome.summary)}"
            )
        return done.session.id

    def say(self, text: str) -> None:
        """Tell one line."""
        if not self._quiet:
            warn(text)

    def alert(self, task_id: str, why: str) -> None:
        """Ring, and run the mission's `notify` command."""
        if sys.stderr.isatty():
            draw("\a")
        if not self._notify:
            return
        told = {"mission": self._mission_name, "task_id": task_id or None, "why": why}
        try:
            subprocess.run(
                self._notify,
                input=json.dumps(told, ensure_ascii=False).encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=NOTIFY_SECONDS,
                check=False,
                env=outer_environment(),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            self.say(f"warning: `{self._notify[0]}` could not be told: {error}")

    def wants_stop(self) -> bool:
        """Tell whether Ctrl-C was pressed."""
        return self._interrupts > 0

    def _heeds_interrupt(self) -> bool:
        """Count a Ctrl-C in a session: the first lets it end, the second stops it."""
        self._interrupts += 1
        if self._interrupts == 1:
            self.say("\nstops after this session; Ctrl-C again stops it now")
        return self._interrupts > 1


def run_loop(path: Path, request: HandOffRequest, limits: Limits, *, as_json: bool) -> int:
    """Run a loop and tell what it did."""
    from mosaic.workers.loop import Loop, LoopHooks

    require_settled(path, as_json=as_json)
    terminal = LoopTerminal(path, quiet=as_json)
    hooks = LoopHooks(
        hand_over=terminal.hand_over,
        say=terminal.say,
        alert=terminal.alert,
        wants_stop=terminal.wants_stop,
    )
    report = Loop(path, request, limits, hooks).run()
    return emit(loop_result(report, "loop"), as_json=as_json)


def loop_result(report: LoopReport, what: str) -> Result:
    """Return what a loop or a pool did, for people and programs."""
    usage = report.usage
    facts = [
        f"{len(report.sessions)} sessions",
        format_duration(report.elapsed_seconds),
        usage_words(usage),
    ]
    lines = [f"{paint(f'{what} ended', 'bold')}: {clean(report.why)}"]
    lines += [
        f"  {task_id}  {paint_status(before)} → {paint_status(after)}"
        for task_id, (before, after) in sorted(report.moved.items())
    ]
    lines += [f"  {name}  could not be started" for name in report.not_started]
    lines.append(paint(f"  {', '.join(filter(None, facts))}", "dim"))
    for label, waiting in (("review", report.in_review), ("blocked", report.blocked)):
        if waiting:
            lines.append(f"waits for you, {label}: {', '.join(waiting)}")
    next_commands = [f"mission review {task_id}" for task_id in report.in_review[:1]]
    return Result(
        kind=f"{what}.ended",
        data={
            "why": report.why,
            "needs_person": report.needs_person,
            "interrupted": report.was_interrupted,
            "sessions": list(report.sessions),
            "moved": {
                task_id: {"from": before, "to": after}
                for task_id, (before, after) in report.moved.items()
            },
            "gave_up": list(report.gave_up),
            "not_started": dict(report.not_started),
            "elapsed_seconds": round(report.elapsed_seconds, 3),
            "usage": {name: getattr(usage, name) for name in usage.__dataclass_fields__}
            if usage
            else None,
            "waiting": {"review": list(report.in_review), "blocked": list(report.blocked)},
        },
        lines=lines,
        exit_code=_exit_code(report),
        next_commands=next_commands or ["mission status"],
        show_next=True,
    )


def _exit_code(report: LoopReport) -> ExitCode:
    if report.was_interrupted:
        return ExitCode.INTERRUPTED
    if report.needs_person or report.gave_up or report.not_started:
        return ExitCode.FAILED
    return ExitCode.OK if report.sessions else ExitCode.NOTHING_TO_DO
