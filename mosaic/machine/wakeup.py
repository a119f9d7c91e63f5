"""Signals that wake a loop, which then acts on them in its own time."""

from __future__ import annotations

import select
import signal
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType


class SignalQueue:
    """The signals that came since somebody looked. `listen` once, `close` in the end.

    One may listen while another does: what comes meanwhile is the inner one's.
    """

    def __init__(self) -> None:
        self._queue, self._writer = socket.socketpair()
        self._handlers: dict[int, object] = {}
        self._before = -1

    def listen(self, numbers: Iterable[int]) -> None:
        """Take these signals from now on."""
        self._queue.settimeout(0.0)
        self._writer.settimeout(0.0)
        for number in numbers:
            self._handlers[number] = signal.signal(number, _take_note)
        self._before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def wait(self, seconds: float) -> list[int]:
        """Return the signals that came, as soon as one does or the time is up."""
        ready, _, _ = select.select([self._queue], [], [], seconds)
        return list(self._queue.recv(4096)) if ready else []

    def close(self) -> None:
        """Give the signals back to whoever had them."""
        if self._handlers:
            signal.set_wakeup_fd(self._before)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._handlers.clear()
        self._queue.close()
        self._writer.close()


def _take_note(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the descriptor that is written to is what wakes the loop."""
