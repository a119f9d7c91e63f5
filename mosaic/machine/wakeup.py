"""Signals that wake a loop, which then acts on them in its own time.

What was ignored when this program was started stays ignored, as `nohup` wants it of hang-ups
and a shell without job control of interrupts for what it starts in the background; and so it
is for every program that is started from here.
"""

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

    def listen(self, numbers: Iterable[int], *, even_ignored: Iterable[int] = ()) -> None:
        """Take these signals from now on.

        Args:
            numbers: left as they are where they are ignored.
            even_ignored: taken also where they are.
        """
        self._queue.settimeout(0.0)
        self._writer.settimeout(0.0)
        heard = [each for each in numbers if not is_ignored(each)]
        for number in (*heard, *even_ignored):
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


def is_ignored(number: int) -> bool:
    """Tell whether this process ignores a signal."""
    return signal.getsignal(number) is signal.SIG_IGN


def _take_note(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the descriptor that is written to is what wakes the loop."""
