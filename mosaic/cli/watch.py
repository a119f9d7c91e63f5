"""A page that stays on the terminal and is drawn again where it stands, without flicker.

It has the alternate screen, so that what was there before comes back. Only lines that differ are
written, each over the old one, and nothing is ever blank in between. However it ends, by a key, a
signal or an error, the terminal is as it was.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
from contextlib import suppress
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from mosaic.cli.output import drawable, paint
from mosaic.machine.process import is_ignored
from mosaic.machine.terminal import TerminalState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BEGIN = "\x1b[?1049h\x1b[?25l\x1b[?7l"
"""The alternate screen, no cursor, and no line goes on in the next one."""
CLEAR = "\x1b[0m\x1b[K"
LEAVES = frozenset(b"qQ\x04")
"""Keys that end it; the last is Ctrl-D."""
LOCAL_MODES, SIGNS = 3, 6
UNKNOWN = os.terminal_size((80, 24))
"""What is taken where a terminal does not say how large it is."""
ENDS = (signal.SIGTERM, signal.SIGHUP)


def watch_page(page: Callable[[], Sequence[str]], seconds: float) -> int:
    """Show a page, made anew every so many seconds, until somebody presses `q`.

    A signal that ends the process ends it as by itself, when the terminal is put back.
    """
    screen = Screen()
    try:
        with screen:
            while True:
                screen.show(page(), f"looked at {time.strftime('%H:%M:%S')}; {screen.way_out}")
                if screen.is_left(seconds):
                    return 0
    except _SignalledError as end:
        signal.signal(end.number, signal.SIG_DFL)
        os.kill(os.getpid(), end.number)
        raise


class Screen:
    """The terminal while a page has it."""

    def __init__(self) -> None:
        self._state = TerminalState()
        self._rows: list[str] = []
        self._size = os.terminal_size((0, 0))
        self._handlers: dict[int, Any] = {}
        self._keys = sys.stdin.fileno() if sys.stdin.isatty() else None
        self.way_out = "Ctrl-C leaves" if self._keys is None else "`q` leaves"
        self._woken, self._wakes = os.pipe()

    def __enter__(self) -> None:
        os.set_blocking(self._wakes, False)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        heeded = [number for number in ENDS if not is_ignored(number)]
        for number in (*heeded, signal.SIGTSTP, signal.SIGWINCH):
            self._handlers[number] = signal.signal(number, self._heed)
        self._begin()

    def __exit__(self, *_error: object) -> None:
        self._state.restore()
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        os.close(self._woken)
        os.close(self._wakes)

    def show(self, lines: Sequence[str], note: str) -> None:
        """Draw lines from the top, and a note below them, which also counts what does not fit."""
        size = os.get_terminal_size(sys.stdout.fileno())
        size = size if size.lines else UNKNOWN
        if size != self._size:
            self._rows, self._size = [], size
        room = max(0, size.lines - 2)
        if len(lines) > room:
            note = f"{len(lines) - room} more; {note}"
        rows = drawable([*lines[:room], "", paint(note, "dim")][-size.lines :])
        before = self._rows or ["\0"] * size.lines
        pairs = enumerate(zip_longest(rows, before, fillvalue=""), 1)
        drawn = [f"\x1b[{number};1H{row}{CLEAR}" for number, (row, old) in pairs if row != old]
        self._rows = rows
        sys.stdout.write("".join(drawn))
        sys.stdout.flush()

    def is_left(self, seconds: float) -> bool:
        """Wait so long, or until the terminal has another size; tell whether a key ends it."""
        until = time.monotonic() + seconds
        heard = [self._woken, *([] if self._keys is None else [self._keys])]
        while (rest := until - time.monotonic()) > 0:
            ready, _, _ = select.select(heard, [], [], rest)
            if self._woken in ready:
                os.read(self._woken, 64)
                return False
            if ready:
                typed = os.read(ready[0], 64)
                if not typed or not LEAVES.isdisjoint(typed):
                    return True
        return False

    def _begin(self) -> None:
        self._rows = []
        if self._keys is not None:
            modes = termios.tcgetattr(self._keys)
            modes[LOCAL_MODES] &= ~(termios.ECHO | termios.ICANON)
            modes[SIGNS][termios.VMIN], modes[SIGNS][termios.VTIME] = 1, 0
            termios.tcsetattr(self._keys, termios.TCSANOW, modes)
        sys.stdout.write(BEGIN)

    def _heed(self, number: int, _frame: object) -> None:
        if number in ENDS:
            raise _SignalledError(number)
        if number == signal.SIGTSTP:
            self._state.restore()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)  # stops here until the shell lets it go on
            signal.signal(number, self._heed)
            with suppress(termios.error):
                self._begin()


class _SignalledError(Exception):
    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
