"""The built wheel in an empty environment: what an operator without torch gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel that MORPHINFER_WHEEL names (.ci/run: that of `make dist`), or one of this checkout."""
    if named := os.environ.get("MORPHINFER_WHEEL"):
        return Path(named)
    out = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(out)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True)
    return next(out.glob("morphinfer-*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """Interpreter of an environment that holds the wheel and its plain dependencies alone."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    binary = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    constraints = ["-c", str(ROOT / "constraints.txt")]
    uv_pip(binary, "install", "--quiet", *constraints, f"{wheel}[cpu]")
    return binary


def uv_pip(python: Path, action: str, *words: str) -> str:
    """Output of uv, which installs in a fifth of pip's time."""
    command = [sys.executable, "-m", "uv", "pip", action, "--python", python, *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def run(python: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
    command = [python, "-m", "morphinfer", *words]
    return subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True)


def test_one_wheel_serves_all_versions_of_python(wheel):
    assert "-cp311-abi3-" in wheel.name


def test_every_module_and_model_is_in_the_wheel(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    sources = {
        "morphinfer": ROOT / "infer/morphinfer",
        "morphinfer_training": ROOT / "training/morphinfer_training",
        "morphinfer/models": ROOT / "models",
    }
    for package, folder in sources.items():
        for pattern in ("*.py", "*.pyi", "*.typed", "*.onnx", "*.json", "*.yaml", "page/*"):
            for path in folder.rglob(pattern):
                assert f"{package}/{path.relative_to(folder).as_posix()}" in inside
    for name in ("gather", "resample", "fuse", "confusion"):
        assert inside & {f"morphinfer/_kernels/{name}.{end}" for end in ("abi3.so", "pyd")}
    assert not any(n.startswith(("infer/", "training/", "ext/", "tests/")) for n in inside)


def test_an_environment_without_torch_segments_a_slide(python, tmp_path):
    names = {line.partition("==")[0].lower() for line in uv_pip(python, "freeze").splitlines()}
    assert not names & {"torch", "scipy", "onnx", "matplotlib", "pyarrow"}
    assert "onnxruntime" in names
    made = run(python, "phantom", "section", "--seed", "3", "--size", "512", "640", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    words = ("segment", "section/slide.zarr", "--models", "phantom", "--json", "-q")
    done = run(python, *words, "--reference", "section/reference.zarr", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["provider"] == "cpu"
    assert summary["dice"]["mean"] > 0.5
    assert (tmp_path / "section" / "slide_labels.zarr").is_dir()


def test_a_training_command_says_which_extra_it_needs(python, tmp_path):
    (tmp_path / "config.toml").write_text("name = 'x'\n")
    done = run(python, "train", "config.toml", "--out", "set", cwd=tmp_path)
    assert done.returncode == 1
    assert "morphinfer[train]" in done.stderr
    assert "Traceback" not in done.stderr
