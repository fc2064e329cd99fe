"""Importing morphinfer, and asking it for help, loads nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("zarr", "onnxruntime", "torch", "numpy", "onnx", "scipy", "tifffile")


def run_python(*arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments], capture_output=True, text=True, check=True
    )


def heavy_after(code):
    script = (
        f"import json, sys\n{code}\nprint(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    )
    return json.loads(run_python("-c", script).stdout.splitlines()[-1])


def test_importing_morphinfer_loads_nothing_heavy():
    assert heavy_after("import morphinfer") == []


def test_importing_the_command_line_loads_nothing_heavy():
    assert heavy_after("import morphinfer.cli") == []


def test_asking_for_help_loads_nothing_heavy():
    code = (
        "sys.argv = ['morphinfer', '--help']\n"
        "import runpy\n"
        "try:\n    runpy.run_module('morphinfer', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code"
    )
    assert heavy_after(code) == []


@pytest.mark.parametrize(
    "command", ["segment", "evaluate", "models", "convert", "phantom", "regions", "train"]
)
def test_help_lists_every_command(command):
    listed = run_python("-m", "morphinfer", "--help").stdout
    assert f"\n  {command} " in listed


def test_the_version_is_that_of_the_package():
    from importlib.metadata import version

    assert version("morphinfer") in run_python("-m", "morphinfer", "--version").stdout


def test_the_public_names_are_found_where_they_live():
    import morphinfer

    for name in set(morphinfer.__all__) - {"__version__"}:
        assert getattr(morphinfer, name).__module__.startswith("morphinfer.")
    assert set(morphinfer.__all__) | {"training"} <= set(dir(morphinfer))


def test_every_error_of_the_package_is_public():
    import morphinfer
    from morphinfer import errors

    leaves = {n for n, e in vars(errors).items() if isinstance(e, type)}
    assert leaves <= set(morphinfer.__all__)


def test_the_names_of_training_are_those_of_its_package():
    from importlib.metadata import version

    pytest.importorskip("torch", reason="needs the extra 'train'")
    import morphinfer
    from morphinfer_training.train import train

    assert morphinfer.training.train is train
    assert morphinfer.__version__ == version("morphinfer")


def test_without_the_training_extra_its_names_say_what_to_install():
    code = (
        "import sys\nsys.modules['torch'] = None\nimport morphinfer\n"
        "assert not hasattr(morphinfer, 'training')\n"
        "try:\n    morphinfer.training\n"
        "except AttributeError as problem:\n    print(problem)"
    )
    assert "pip install 'morphinfer[train]'" in run_python("-c", code).stdout


def test_a_name_that_is_not_there_is_refused():
    import morphinfer

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = morphinfer.nothing
