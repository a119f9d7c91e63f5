"""`mission exec`: any command as a recorded step."""

import sys
from pathlib import Path

from typer import Argument, Option

from mosaic.cli.completers import complete_prepared_run
from mosaic.cli.next_view import exit_code_of
from mosaic.cli.options import Json, MaybeTaskId, MissionPath, one_of, seconds_of
from mosaic.cli.output import answer, clean, paint, warn
from mosaic.cli.sessions_view import asked_lines
from mosaic.codec import dump_record
from mosaic.errors import RunNotFoundError, UsageError
from mosaic.executors.background import TerminalExecutor
from mosaic.plan.durations import format_duration
from mosaic.ports import Executor, Order
from mosaic.runs.folders import find_run
from mosaic.runs.record import STEP_KINDS, Run
from mosaic.runs.result import StepResult
from mosaic.sessions.carry import RunCarrier
from mosaic.sessions.step import StepRequest, prepare_step, run_step, start_prepared
from mosaic.store.reading import locate_to_change, read_mission

EXAMPLES = (
    ("mission exec T-001 --step tests -- pytest -q", "run the tests, and keep it as evidence"),
    ("mission exec T-001 --timeout 10m -- make release", "stop it after ten minutes"),
)
BLOCK_BYTES = 1 << 16


def exec_command(
    task_id: MaybeTaskId = None,
    argv: list[str] | None = Argument(None, metavar="-- ARGV...", help="The command."),
    step: str | None = Option(
        None, "--step", "-s", metavar="NAME", help="The step's name; else the program's."
    ),
    kind: str = Option(
        "shell", "--kind", "-k", **one_of(*STEP_KINDS), help="What sort of step it is."
    ),
    timeout: str | None = Option(None, "--timeout", metavar="10m", help="Stop it after that."),
    prepare: bool = Option(False, "--prepare", help="Make the record and start nothing."),
    start: str | None = Option(
        None,
        "--start",
        metavar="RUN",
        autocompletion=complete_prepared_run,
        help="Start a run that was prepared.",
    ),
    quiet: bool = Option(False, "--quiet", "-q", help="Do not show what the command writes."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Run a command as a recorded step of a task: events, logs, a checkpoint, a result."""
    snapshot = read_mission(locate_to_change(mission))
    executor = _executor_here(quiet=quiet or as_json)
    if start is not None:
        if task_id or argv or prepare:
            raise UsageError("`--start` takes a run and nothing else")
        run = find_run(snapshot.layout.runs_dir, start)
        if run is None:
            raise RunNotFoundError(f"no run is called `{start}`", [])
        start_prepared(run, executor)
        return _show(run, as_json=as_json)
    if task_id is None:
        raise UsageError("no task is named", hint="`mission exec T-001 --step tests -- pytest -q`")
    request = StepRequest(
        task_id=task_id,
        name=step or (Path(argv[0]).name if argv else ""),
        kind=kind,
        argv=tuple(argv or ()),
        cwd=Path.cwd(),
        timeout_seconds=seconds_of(timeout),
    )
    if prepare:
        return _show_prepared(request, prepare_step(snapshot, request), as_json=as_json)
    return _show(run_step(snapshot, request, executor), as_json=as_json)


def _executor_here(*, quiet: bool) -> Executor:
    """Return what carries a step here and, unless quiet, shows what it writes, byte for byte."""
    offsets = {"stdout": 0, "stderr": 0}

    def carry(run_dir: Path, order: Order) -> RunCarrier:
        watch = None if quiet else lambda _: _copy(run_dir, offsets)
        return RunCarrier(run_dir, order, watch=watch)

    return TerminalExecutor(carry)


def _copy(run_dir: Path, offsets: dict[str, int]) -> None:
    for name, target in (("stdout", sys.stdout.buffer), ("stderr", sys.stderr.buffer)):
        try:
            with open(run_dir / f"{name}.log", "rb") as log:
                log.seek(offsets[name])
                while block := log.read(BLOCK_BYTES):
                    target.write(block)
                    offsets[name] += len(block)
            target.flush()
        except OSError:
            continue  # the reader went away; the record has it all


def _show_prepared(request: StepRequest, run: Run, *, as_json: bool) -> int:
    return answer(
        "step.prepared",
        {**dump_record(run.result() or StepResult()), "run_dir": run.dir},
        [f"{paint(request.task_id, 'bold')} step {request.name} prepared as run {run.id}"],
        then=[f"mission exec --start {run.id}"],
        show_next=True,
        as_json=as_json,
    )


def _show(run: Run, *, as_json: bool) -> int:
    """Print how a step ended; to stderr, as stdout is the command's own."""
    done = run.result() or StepResult()
    code = exit_code_of(done.reason, completed=done.outcome == "completed")
    if as_json:
        data = {**dump_record(done), "run_dir": run.dir}
        return answer("step.ended", data, exit_code=code, as_json=True)
    length = format_duration(done.duration_ms / 1000)
    warn(
        f"{paint(done.task_id, 'bold', err=True)} step {clean(done.step_id)} "
        f"{done.outcome}: {clean(done.summary)}"
    )
    facts = f"  {length}, exit code {done.exit_code}, run {run.id}"
    warn(paint(facts, "dim", err=True))
    for line in asked_lines(done):
        warn(line)
    return int(code)
