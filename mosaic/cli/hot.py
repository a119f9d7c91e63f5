"""Hot forms: plain calls of the commands that are called most, answered without Typer.

Importing Typer takes longer than these commands. Whatever is not exactly one of the forms
below is Typer's: help, other options, every wrong call, and completion of all but task ids
(`mosaic.cli.completing`). Both ways end in the same functions; a test compares their output.
"""

from __future__ import annotations

import gc
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mosaic.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Form(NamedTuple):
    """A command with the flags and operands of its plain calls."""

    module: str
    function: str
    flags: Mapping[str, str]
    """Flags with the arguments that they set to true."""
    needed: str | None = None
    """A flag that the call must have; it sets nothing."""
    operands: tuple[str, ...] = ()
    """All must be there."""
    rest: str | None = None
    """What takes one or more operands after those."""
    fixed: Mapping[str, object] = {}


JSON = {"--json": "as_json"}
LIST = {"--ready": "ready", "--all": "every", "-a": "every", **JSON}
LAUNCH = {"--headless": "headless", "--detach": "detach", "-d": "detach", **JSON}
FORMS: Mapping[str, tuple[Form, ...]] = {
    "list": (Form("tasks_view", "print_list", LIST),),
    "status": (Form("status_view", "print_status", JSON),),
    "show": (Form("tasks_view", "print_task", JSON, operands=("task_id",)),),
    "set": (Form("change_view", "set_fields", JSON, operands=("task_id",), rest="changes"),),
    "done": (Form("change_view", "set_status", JSON, rest="task_ids", fixed={"status": "done"}),),
    "next": (
        Form("next_view", "print_next", JSON, needed="--print"),
        Form("next_view", "print_next", JSON, needed="--print", operands=("task_id",)),
        Form("next_view", "launch_next", LAUNCH),
        Form("next_view", "launch_next", LAUNCH, operands=("task_id",)),
    ),
    "board": (Form("board_view", "open_board", {}),),
}


def find_hot(arguments: Sequence[str], environ: Mapping[str, str]) -> Callable[[], int] | None:
    """Return what answers a call directly; None when it is Typer's."""
    if "_MISSION_COMPLETE" in environ:
        from mosaic.cli.completing import find_completion

        return find_completion(environ)
    for form in FORMS.get(arguments[0], ()) if arguments else ():
        values = _read_call(form, arguments[1:])
        if values is not None:
            return partial(_answer, form, values)
    return None


def _answer(form: Form, values: Mapping[str, object]) -> int:
    # A short command needs no garbage collection; what runs longer turns it on again.
    gc.disable()
    function = getattr(import_module(f"mosaic.cli.{form.module}"), form.function)
    return int(function(**values))


def _read_call(form: Form, arguments: Sequence[str]) -> dict[str, Any] | None:
    """Return the function's arguments; None when the call is not exactly of this form."""
    values: dict[str, Any] = dict(form.fixed)
    operands = []
    needed = form.needed
    for argument in arguments:
        if argument == needed:
            needed = None
        elif (name := form.flags.get(argument)) is not None and name not in values:
            values[name] = True
        elif argument.startswith("-") or not argument:
            return None
        else:
            operands.append(argument)
    given = len(form.operands)
    if needed or (len(operands) <= given if form.rest else len(operands) != given):
        return None
    values.update(zip(form.operands, operands, strict=False))
    if form.rest:
        values[form.rest] = operands[given:]
    return values
