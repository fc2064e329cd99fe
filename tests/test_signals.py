"""A command ends soon after a signal, whatever it does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="send_signal ends the process there"
)
SENTENCE = "morphinfer: interrupted; the same command goes on from what is finished\n"
BUSY = "while True: pass"
STARTED: list[subprocess.Popen[str]] = []
STUBBORN = """
while True:
    try:
        print("again", flush=True)
        while True:
            pass
    except KeyboardInterrupt:
        pass
"""


def started(body: str, grace_s: float = 60) -> subprocess.Popen[str]:
    """A process that runs the command line with ``body`` in place of it."""
    code = f"""
import sys, types
import morphinfer.signals
morphinfer.signals.GRACE_S = {grace_s}
def main():
    print("ready", flush=True)
    exec({body!r})
sys.modules["morphinfer.cli"] = types.SimpleNamespace(main=main)
from morphinfer.__main__ import main
main()
"""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True)
    STARTED.append(process)
    read(process, "ready")
    return process


@pytest.fixture(autouse=True)
def _ended():
    yield
    while STARTED:
        STARTED.pop().kill()


def read(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{line}\n"


def ended_after(process: subprocess.Popen[str], line: str) -> str:
    """What the process wrote to stderr until its end; a line whose flush a signal broke off comes twice."""
    out, err = process.communicate(timeout=10)
    assert set(out.splitlines()) <= {line}
    return err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_with_a_sentence_and_its_exit_code(number):
    process = started(BUSY)
    process.send_signal(number)
    assert process.communicate(timeout=10) == ("", SENTENCE)
    assert process.returncode == 128 + number


def test_what_goes_on_all_the_same_is_ended():
    process = started(STUBBORN, grace_s=0.1)
    read(process, "again")
    process.send_signal(signal.SIGINT)
    assert ended_after(process, "again") == SENTENCE
    assert process.returncode == 130


def test_the_second_signal_ends_at_once():
    process = started(STUBBORN)
    read(process, "again")
    process.send_signal(signal.SIGINT)
    read(process, "again")
    process.send_signal(signal.SIGINT)
    assert ended_after(process, "again") == SENTENCE
    assert process.returncode == 130


def test_a_thread_that_does_not_end_does_not_hold_up_the_end():
    thread = "threading.Thread(target=time.sleep, args=(60,)).start()"
    process = started(f"import threading, time\n{thread}\n{BUSY}")
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=10) == ("", SENTENCE)
    assert time.monotonic() - began < 10
