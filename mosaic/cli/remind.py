"""`mission remind`: the stop hook that agents are given on their command line."""

import contextlib
import json
import os
import sys
from pathlib import Path

from mosaic.codec import parse_json
from mosaic.errors import MissionError

LARGEST_BYTES = 4 << 20


def remind_command() -> int:
    """Ask the agent that calls this for the handoff that it still owes, once.

    The answer is that of a stop hook: nothing, or `{"decision": "block", "reason": …}`. Whatever
    goes wrong, the agent may end.
    """
    named = [os.environ.get(f"MISSION_{name}") for name in ("FILE", "TASK", "RUN_DIR")]
    mission_file, task_id, run_dir = named
    if not (mission_file and task_id and run_dir):
        return 0
    with contextlib.suppress(MissionError, OSError, ValueError, RecursionError):
        asked = parse_json(sys.stdin.buffer.read(LARGEST_BYTES))
        if not isinstance(asked, dict) or asked.get("stop_hook_active"):
            return 0
        if asked.get("background_tasks"):
            return 0  # it goes on when they have ended
        from mosaic.app.remind import remind

        if words := remind(Path(mission_file), task_id, Path(run_dir)):
            sys.stdout.write(json.dumps({"decision": "block", "reason": words}) + "\n")
    return 0
