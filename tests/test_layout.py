"""The layout of the packages: a package is used through its ``__init__`` and says what lives in it."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = {
    "morphinfer": ROOT / "infer/morphinfer",
    "morphinfer_training": ROOT / "training/morphinfer_training",
}
PACKAGES = sorted(
    ".".join((top, *init.relative_to(folder).parts[:-1]))
    for top, folder in SOURCES.items()
    for init in folder.glob("*/**/__init__.py")
)
BY_THEIR_OWN_NAME = {
    "morphinfer.images.convert",  # tifffile and imagecodecs load slowly
    "morphinfer.cli.completing",  # values that options of other commands have too
    "morphinfer.cli.console",  # what commands of other packages print with
    "morphinfer.cli.progress",  # and how they show progress
    "morphinfer.cli.pictures",  # an option that commands of other packages have too
    "morphinfer.cli.wording",
}


def imports_of(path: Path) -> list[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module]


@pytest.mark.parametrize("top", SOURCES)
def test_other_packages_import_from_the_package_and_not_from_its_modules(top):
    folder = SOURCES[top]
    for path in folder.rglob("*.py"):
        own = ".".join((top, *path.relative_to(folder).parts[:-1]))
        for name in imports_of(path):
            package, _, module = name.rpartition(".")
            inside = package in PACKAGES and name not in BY_THEIR_OWN_NAME
            assert not inside or not module or f"{own}.".startswith(f"{package}."), (
                f"{path}: {name}"
            )


@pytest.mark.parametrize("top", SOURCES)
def test_no_module_imports_the_package_that_its_own_lies_in(top):
    folder = SOURCES[top]
    for path in folder.rglob("*.py"):
        own = ".".join((top, *path.relative_to(folder).parts[:-1]))
        above = {name for name in PACKAGES if f"{own}.".startswith(f"{name}.")}
        assert not above & set(imports_of(path)), path


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_says_what_lives_there_and_lists_its_names(name):
    package = import_module(name)
    assert package.__doc__
    for exported in getattr(package, "__all__", ()):
        assert getattr(package, exported) is not None


@pytest.mark.parametrize("folder", ["benchmarks", "training/research", "tests/faults"])
def test_scripts_find_all_that_they_import(folder):
    names = [p.stem for p in (ROOT / folder).glob("*.py") if not p.stem.startswith("test_")]
    support = [str(ROOT / "tests/support"), str(ROOT / "training/research")]
    code = f"import importlib, sys; sys.path[:0] = {['.', *support]}; "
    code += f"[importlib.import_module(n) for n in {sorted(names)}]"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / folder, check=True)
