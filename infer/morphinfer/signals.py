"""Ctrl-C and SIGTERM: a command ends within two seconds, wherever it is, and says how to go on.

The first signal raises `Interrupted` in the main thread, which cleans up as after any error. Where that takes
longer than `GRACE_S`, because a thread is inside a library and cannot be interrupted, the process ends
without more ado, as it does at the second signal. What is on disk is then what a kill leaves, which
the next call resumes or removes (contract C10).
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from socket import socket

GRACE_S = 1.2
"""From the first signal to the end without cleaning up."""
INTERRUPTED = 130
CODES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: 143}
"""Exit code of each signal: 128 and its number, as in shells."""
GOING_ON = "the same command goes on from what is finished"
SHOW_CURSOR = b"\x1b[?25h"


class Interrupted(KeyboardInterrupt):
    """A signal asked the process to end."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


def interruption(problem: KeyboardInterrupt | None = None) -> str:
    """The sentence on an interruption, with the notes on it that say how to go on."""
    notes = [str(note) for note in getattr(problem, "__notes__", ())]
    return f"interrupted; {'; '.join(notes) or GOING_ON}"


class SignalWatch:
    """Ends this process after a signal.

    A handler in Python runs in the main thread alone, and not while that is inside a library. So a thread
    waits for the bytes that the handler in C writes at once, see `signal.set_wakeup_fd`.
    """

    def __init__(self) -> None:
        self.code = 0
        """Exit code of the signal that came; 0 before."""
        self._reader: Any = None
        self._writer: Any = None
        self._ending = threading.Lock()

    def begin(self) -> None:
        """Handle signals from now on; one that is ignored, as by nohup, stays so."""
        watched = [number for number in CODES if signal.getsignal(number) != signal.SIG_IGN]
        for number in watched:
            signal.signal(number, self._raise)
        previous = sys.unraisablehook

        def hook(problem: sys.UnraisableHookArgs) -> None:
            if not issubclass(problem.exc_type, KeyboardInterrupt):  # raised inside a destructor
                previous(problem)

        sys.unraisablehook = hook
        self._reader, self._writer = _pipe()
        signal.set_wakeup_fd(_number(self._writer), warn_on_full_buffer=False)
        if hasattr(os, "register_at_fork"):  # a child's signals are not ours
            os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
        threading.Thread(target=self._wait, name="morphinfer-signals", daemon=True).start()

    def end(self) -> None:
        """End the process if a signal came; else ignore any that comes while Python shuts down."""
        if self.code:
            self._leave(said=True)
        for number in CODES:
            signal.signal(number, signal.SIG_IGN)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if self.code:
            self._leave()
        self.code = CODES[signal.Signals(number)]
        raise Interrupted(self.code)

    def _wait(self) -> None:
        number = self._next(None)
        self._next(time.monotonic() + GRACE_S)
        self.code = self.code or CODES[number or signal.SIGINT]
        self._leave()

    def _next(self, deadline: float | None) -> signal.Signals | None:
        """The next signal; None at the deadline."""
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._reader], [], [], left)[0]:
                return None
            byte = self._reader.recv(1) if os.name == "nt" else os.read(self._reader, 1)
            if byte[0] in CODES:
                return signal.Signals(byte[0])

    def _leave(self, *, said: bool = False) -> None:
        """End the process without cleaning up, unless another thread is doing so."""
        if not self._ending.acquire(blocking=False):
            return
        shown = b"" if said else f"morphinfer: {interruption()}\n".encode()
        if not said and sys.stderr is not None and sys.stderr.isatty():
            shown = SHOW_CURSOR + b"\n" + shown
        try:
            if said:
                sys.stdout.flush()
                sys.stderr.flush()
            else:  # the lock of sys.stderr may be held
                os.write(2, shown)
            if "multiprocessing" in sys.modules:
                for child in sys.modules["multiprocessing"].active_children():
                    child.kill()
        finally:
            os._exit(self.code)


def _pipe() -> tuple[int, int] | tuple[socket, socket]:
    """Where signals are read and written: a pipe, on Windows two sockets, as `signal` and `select` need."""
    if os.name != "nt":
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        return reader, writer
    import socket

    pair = socket.socketpair()
    pair[1].setblocking(False)
    return pair


def _number(stream: int | socket) -> int:
    return stream if isinstance(stream, int) else stream.fileno()
