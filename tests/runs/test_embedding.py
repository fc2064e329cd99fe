"""Networks that are loaded once serve many arrays, from threads and from processes that were spawned."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from spawned import CPU, labels_of

from morphinfer import load_ensemble, segment_array
from morphinfer.networks import session
from networks import nuclei, save_set

SUPPORT = Path(__file__).parents[1] / "support"

LOOP = """
import sys
from morphinfer import Options, load_ensemble, segment_array
from networks import nuclei


def resident_kb():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


networks = load_ensemble(sys.argv[1], Options(provider="cpu", threads=1))
images = [nuclei(120 + k % 7, 130, seed=k) for k in range(100)]
for image in images[:20]:
    segment_array(image, pixel_size_um=0.65, models=networks)
before = resident_kb()
for image in images[20:]:
    segment_array(image, pixel_size_um=0.65, models=networks)
print(resident_kb() - before)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return str(save_set(tmp_path_factory.mktemp("set"), (46, 62)))


def test_a_loop_over_arrays_loads_each_network_once(models, monkeypatch):
    opened = []
    start = session.Session.__init__
    monkeypatch.setattr(
        session.Session,
        "__init__",
        lambda s, *a, **k: (opened.append(a[0].path), start(s, *a, **k))[1],
    )
    networks = load_ensemble(models, CPU)
    for seed in range(100):
        segment_array(nuclei(60, 70, seed=seed), pixel_size_um=0.65, models=networks)
    assert len(opened) == len(networks.models.used) == 2


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads memory as Linux reports it"
)
def test_a_loop_over_a_hundred_arrays_does_not_grow(models):
    done = subprocess.run(
        [sys.executable, "-c", LOOP, models],
        cwd=SUPPORT,
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 20_000  # kB; 1 to 11 MB were seen, sessions that are kept add 45 MB


def test_threads_may_share_one_ensemble(models):
    networks = load_ensemble(models, CPU)

    def run(seed: int) -> np.ndarray:
        image = nuclei(120, 140, seed=seed)
        return segment_array(image, pixel_size_um=0.65, models=networks).labels

    serial = [run(seed) for seed in range(12)]
    with ThreadPoolExecutor(4) as pool:
        parallel = list(pool.map(run, range(12)))
    assert all((a == b).all() for a, b in zip(serial, parallel, strict=True))


def test_a_spawned_process_gives_the_same_labels(models, monkeypatch):
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(SUPPORT), os.environ.get("PYTHONPATH", "")])
    )
    code = (
        "import sys, numpy as np\n"
        "from multiprocessing import get_context\n"
        "from spawned import labels_of\n"
        "if __name__ == '__main__':\n"
        "    with get_context('spawn').Pool(2) as pool:\n"
        "        np.save(sys.argv[2], pool.starmap(labels_of, [(sys.argv[1], k) for k in range(3)]))\n"
    )
    assert "spawn" in multiprocessing.get_all_start_methods()
    out = Path(models).parent / "spawned.npy"
    script = Path(models).parent / "program.py"
    script.write_text(code, encoding="utf-8")
    subprocess.run([sys.executable, str(script), models, str(out)], check=True, cwd=SUPPORT)
    expected = [labels_of(models, seed) for seed in range(3)]
    np.testing.assert_array_equal(np.load(out), expected)
