"""What `mission next --print` answers: the hand-off that stops before the claim."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mosaic.cli.output import Result, emit, error_lines, paint, warn
from mosaic.cli.tasks_view import problem_values, report_problems, task_values
from mosaic.store.reading import locate_mission, read_mission

if TYPE_CHECKING:
    from pathlib import Path

    from mosaic.model import JsonValue, Mode
    from mosaic.sessions.briefing import Preview
    from mosaic.sessions.choice import HandOffRequest
    from mosaic.store.tasks import Snapshot


def print_next(*, as_json: bool = False) -> int:
    """Print what the next agent would be told, as `mission next --print` does by itself."""
    from mosaic.sessions.choice import HandOffRequest

    request = HandOffRequest(mode=launch_mode(headless=as_json))
    return print_hand_off(locate_mission(None), request, as_json=as_json)


def print_hand_off(path: Path, request: HandOffRequest, *, as_json: bool) -> int:
    """Print the prompt of a hand-off and write the capsule."""
    from mosaic.sessions.briefing import preview_hand_off

    snapshot = read_mission(path)
    if request.resuming:
        from mosaic.sessions.unrecorded import recover_if_needed

        if recover_if_needed(snapshot):
            snapshot = read_mission(path)
    preview = preview_hand_off(snapshot, request)
    prompt = preview.briefing.prompt
    if snapshot.problems:
        report_problems(snapshot, as_json=as_json)
    if preview.unsaved and not as_json:
        warn(f"{paint('warning:', 'yellow', err=True)} the capsule was not written")
        for line in error_lines(preview.unsaved)[1:]:
            warn(line)
    result = Result(
        kind="handoff.preview",
        data={
            "task": task_values(preview.task),
            "runtime": preview.runtime.name,
            "prompt": prompt,
            **(_launch_values(snapshot, preview, request) if as_json else {}),
            "capsule_file": None if preview.unsaved else str(snapshot.layout.capsule_file),
            "problems": problem_values(snapshot),
        },
        # As it is: it holds nothing that a person would not see (`fit_prompt`), and who approves
        # it approves every byte that the agent is given.
        lines=prompt.removesuffix("\n").split("\n"),
        next_commands=["mission next"],
    )
    return emit(result, as_json=as_json)


def _launch_values(
    snapshot: Snapshot, preview: Preview, request: HandOffRequest
) -> dict[str, JsonValue]:
    from mosaic.sessions.prepare import plan_launch

    planned = plan_launch(snapshot, preview, request)
    return {
        "launch_command": list(planned.command),
        "session_id": planned.session_id,
        "run_id": planned.run_id,
        "lock_file": str(planned.lock_file),
    }


def launch_mode(*, headless: bool) -> Mode:
    """Return how an agent is launched: interactive where there is a terminal."""
    from mosaic.model import Mode

    interactive = sys.stdin.isatty() and sys.stdout.isatty() and not headless
    return Mode.INTERACTIVE if interactive else Mode.HEADLESS
