"""Runs the command line and prints, as JSON on its last line, what a slide must never make it do.

Python reports such events to audit hooks (PEP 578): a socket, a process, a class out of a pickle, and
text that is executed as code. Modules that define classes from text (dataclasses, collections, typing,
attr) are left out, and so are the pair of sockets by which
an event loop wakes itself and the name of this host.
"""

from __future__ import annotations

import json
import sys
from types import FrameType

WATCHED = (
    "socket",
    "subprocess",
    "pickle",
    "pty",
    "urllib",
    "http",
    "ftplib",
    "smtplib",
    "webbrowser",
)
STARTS = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.forkpty",
    "os.startfile",
)
DEFINE_CLASSES = {*sys.stdlib_module_names, "attr"}

seen: list[str] = []


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook that notes an event with the module that raised it."""
    top = event.partition(".")[0]
    if event == "socket.gethostname" or not (
        top in (*WATCHED, "exec", "compile") or event in STARTS
    ):
        return
    frame = sys._getframe(1)
    caller = str(frame.f_globals.get("__name__"))
    if event in ("exec", "compile") and caller.partition(".")[0] in DEFINE_CLASSES:
        return
    if top == "socket" and within(frame, "socket", "socketpair"):
        return
    seen.append(f"{event} by {caller}")


def within(frame: FrameType | None, module: str, function: str) -> bool:
    """Whether a function of a module is being called."""
    while frame is not None:
        if (frame.f_globals.get("__name__"), frame.f_code.co_name) == (module, function):
            return True
        frame = frame.f_back
    return False


if __name__ == "__main__":
    sys.addaudithook(watch)
    try:
        if sys.argv[1] == "--try":  # the guard itself is tried
            exec(compile(sys.argv[2], "<try>", "exec"))
        else:
            from morphinfer.cli import main

            main()
    except SystemExit as ended:
        print(json.dumps({"code": ended.code, "seen": seen}))
    else:
        print(json.dumps({"code": 0, "seen": seen}))
