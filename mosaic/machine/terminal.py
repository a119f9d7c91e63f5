"""Putting a terminal back as it was, when the program that used it could not do so itself."""

from __future__ import annotations

import contextlib
import os
import signal
import termios

RESETS = (
    b"\x1b[?1049l"  # the alternate screen
    b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l"  # the mouse
    b"\x1b[?1004l\x1b[?2004l"  # reports of focus and of pasted text
    b"\x1b[>4;0m\x1b[<u"  # longer codes for keys, as xterm and as kitty have them
    b"\x1b[?25h\x1b[?7h\x1b[0m"  # the cursor, lines that go on in the next one, plain text
)


class TerminalState:
    """The modes of this process's terminal at one moment; without a terminal it is empty."""

    def __init__(self) -> None:
        self._fd = next((fd for fd in (0, 1, 2) if os.isatty(fd)), None)
        self._modes = None
        if self._fd is not None:
            with contextlib.suppress(termios.error):
                self._modes = termios.tcgetattr(self._fd)

    def restore(self) -> None:
        """Set the modes as they were, and end what a full-screen program had asked for."""
        if self._fd is None or self._modes is None:
            return
        # Where another group has the terminal, setting it would stop this process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU,))
        try:
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(self._fd, termios.TCSANOW, self._modes)
                os.write(self._fd, RESETS)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
