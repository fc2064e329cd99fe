"""A slide and a model set are data: no socket, no process, no pickle, no text that is run as code."""

from __future__ import annotations

import ast
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import CPU, refused

pytest_plugins = ["commands"]

ROOT = Path(__file__).parents[2]
GUARD = ROOT / "tests/support/guard.py"
FORBIDDEN = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "subprocess", "pty",
             "http.client", "ftplib", "smtplib", "requests", "code", "runpy"}  # fmt: skip


def guarded(*words, cwd):
    done = subprocess.run(
        [sys.executable, str(GUARD), *words], cwd=cwd, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_segmenting_opens_no_socket_starts_nothing_and_executes_no_text(slide, models, tmp_path):
    words = ("segment", slide, "--models", models, "--uncertainty", *CPU)
    ended, err = guarded(*words, cwd=tmp_path)
    assert ended == {"code": 0, "seen": []}, err
    assert (tmp_path / "slide_labels.html").is_file()


@pytest.mark.parametrize(("code", "event"), [
    ("import socket; socket.socket()", "socket.__new__ by socket"),
    ("import subprocess, sys; subprocess.run([sys.executable, '-V'])", "subprocess.Popen by subprocess"),
    ("import os; os.system('')", "os.system by __main__"),
    ("import pickle; pickle.loads(b'cos\\nsep\\n.')", "pickle.find_class by __main__"),
    ("eval('1')", "exec by __main__"),
])  # fmt: skip
def test_the_guard_sees(code, event, tmp_path):
    ended, _ = guarded("--try", code, cwd=tmp_path)
    assert event in ended["seen"][2:]  # the first two are the guard's own


class Payload:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


@pytest.mark.parametrize("key", ["compressor", "filters"])
def test_a_chunk_that_holds_a_pickle_is_refused_and_not_unpickled(call, make_slide, tmp_path, key):
    path = make_slide(np.ones((64, 64), np.uint8), version="0.4", chunk=64)
    metadata = path / "s0/.zarray"
    array = {**json.loads(metadata.read_text()), "compressor": None, "filters": None}
    codec = {"id": "pickle", "protocol": 5}
    metadata.write_text(json.dumps({**array, key: codec if key == "compressor" else [codec]}))
    chunk = next(p for p in (path / "s0").rglob("*") if p.is_file() and not p.name.startswith("."))
    chunk.write_bytes(pickle.dumps(Payload()))
    refused(call("segment", str(path), "--models", "phantom", *CPU))
    assert not (tmp_path / "unpickled").exists()
    pickle.loads(chunk.read_bytes())  # it would have
    assert (tmp_path / "unpickled").is_dir()


def test_the_inference_package_imports_nothing_that_could():
    for path in (ROOT / "infer/morphinfer").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert not FORBIDDEN & set(names), f"{path}: {names}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile", "__import__"), path
