"""Runs many `mission` commands one after the other, each in a process of its own.

Called as `driver.py ORDER`, where ORDER is a JSON file:

    {"cwd": …, "out": …, "seconds": …, "starter": null or a path,
     "calls": [{"argv": ["status"], "environ": {}}, …]}

Leaves `out/N.out` and `out/N.err` of each call, and `out/ended.json`: pid and wait status of
each. All imports are done once and each command is forked from that, which is many times
quicker than as many fresh Pythons; with `starter` each is a fresh Python that runs it.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import traceback
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

NEEDS_EXTRA = ("mosaic.board", "mosaic.web", "mosaic.mcp", "mosaic.testing")


def main() -> None:
    """Run all calls of the order."""
    with open(sys.argv[1], encoding="utf-8") as file:
        order = json.load(file)
    if order["starter"] is None:
        _import_all()
        gc.freeze()  # what is looked at for garbage would be copied in every fork
        gc.disable()
    ended = [_run(number, call, order) for number, call in enumerate(order["calls"])]
    with open(f"{order['out']}/ended.json", "w", encoding="utf-8") as file:
        json.dump(ended, file)


def _import_all() -> None:
    """Import all that commands import, so that no fork has to."""
    import mosaic

    names = [module.name for module in walk_packages(mosaic.__path__, "mosaic.")]
    names += ["jinja2.sandbox", "mistune", "yaml", "frontmatter"]
    names += ["typer.rich_utils", "rich._emoji_codes"]
    for name in names:
        if not name.endswith("__main__") and not name.startswith(NEEDS_EXTRA):
            import_module(name)


def _run(number: int, call: Any, order: Any) -> tuple[int, int]:
    streams = [
        os.open(f"{order['out']}/{number}.{name}", os.O_WRONLY | os.O_CREAT, 0o600)
        for name in ("out", "err")
    ]
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            for stream, place in zip(streams, (1, 2), strict=True):
                os.dup2(stream, place)
            signal.alarm(order["seconds"])
            _become(call, order)
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        finally:
            os._exit(99)
    for stream in streams:
        os.close(stream)
    return pid, os.waitpid(pid, 0)[1]


def _become(call: Any, order: Any) -> None:
    os.chdir(call.get("cwd") or order["cwd"])
    os.environ.update(call["environ"])
    if order["starter"] is not None:
        argv = [sys.executable, order["starter"], *call["argv"]]
        os.execve(sys.executable, argv, dict(os.environ))
    sys.argv = ["mission", *call["argv"]]
    from mosaic.cli import main as mission

    mission()


if __name__ == "__main__":
    main()
