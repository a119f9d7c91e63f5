"""`mission edit`."""

import os
import shlex
import sys
from pathlib import Path

from typer import Option

from mosaic.app.edit import EditedTask, begin_edit, settle_edit, undo_edit
from mosaic.cli.consent import is_somebody_there
from mosaic.cli.options import Json, MissionPath, TaskId
from mosaic.cli.output import answer, clean, error_lines, paint, plain, warn
from mosaic.errors import ExitCode, FailedError, UsageError
from mosaic.machine.process import spawn
from mosaic.store.own_settings import chosen_command
from mosaic.store.reading import locate_to_change

EXAMPLES = (
    ("mission edit T-001", "open it in your editor; what you save is looked at"),
    ("mission edit T-001 --undo", "put back what was there before"),
)
USUAL_EDITORS = ("vi", "nano")


def edit_command(
    task_id: TaskId,
    undo: bool = Option(False, "--undo", help="Put back what was there before the last edit."),
    as_json: Json = False,
    mission: MissionPath = None,
) -> int:
    """Open a task in your editor, and look at it afterwards."""
    path = locate_to_change(mission)
    if undo:
        return show_edit(undo_edit(path, task_id), as_json=as_json)
    return edit_task(path, task_id, as_json=as_json)


def edit_task(path: Path, task_id: str, *, as_json: bool) -> int:
    """Have a person edit a task, again as long as they want to mend it; print what came of it."""
    editor = find_editor()
    begun = begin_edit(path, task_id)
    while True:
        process = spawn(
            [*editor, str(begun.path)],
            cwd=Path.cwd(),
            env=None,
            stdin=None,
            stdout=None,
            stderr=None,
            new_session=False,
        )
        code = process.wait()
        if code:
            shown = shlex.join(editor)
            again = f"`mission edit {task_id}` opens it again"
            hint = f"`mission config set editor …` chooses another; {again}"
            raise FailedError(f"the editor `{shown}` ended with {code}", path=begun.path, hint=hint)
        done = settle_edit(path, begun)
        if done.problem is None or as_json or not is_somebody_there():
            return show_edit(done, as_json=as_json)
        for line in error_lines(done.problem):
            warn(line)
        sys.stderr.write("Edit it again? [Y/n] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() in ("n", "no"):
            return show_edit(done, as_json=as_json)


def find_editor() -> list[str]:
    """Return the command of the editor that a person uses, without the file."""
    words, where = chosen_command("editor", os.environ)
    if where and words:
        return [*words]
    from mosaic.machine.process import install_path

    found = [each for each in USUAL_EDITORS if install_path(each)] if is_somebody_there() else []
    if not found:
        raise UsageError(
            "no editor is named", hint="set `$EDITOR`, or `mission config set editor …`"
        )
    return found[:1]


def show_edit(done: EditedTask, *, as_json: bool) -> int:
    """Print what became of a task by an edit."""
    name = paint(done.task_id, "bold")
    lines = [f"{name}  {clean(done.path)} {'changed' if done.changed else 'is as it was'}"]
    lines += [
        f"  {each.field}: {clean(plain(each.value)) or 'nothing'} {paint('→', 'dim')} {each.to}"
        for each in done.carried
    ]
    if done.problem is None:
        then = [f"mission show {done.task_id}"]
        return answer("task.edited", done, lines, then=then, as_json=as_json)
    again, back = f"mission edit {done.task_id}", f"mission edit {done.task_id} --undo"
    for line in () if as_json else error_lines(done.problem):
        warn(line)
    lines.append(f"  `{again}` opens it again, `{back}` puts back what was there")
    code = ExitCode.BROKEN
    return answer("task.edited", done, lines, exit_code=code, then=[again, back], as_json=as_json)
