"""The pages for people name only what exists: paths, tests, links, commands, options, imports.

Pages are read as text. A path is checked where it begins with a folder of the top level; one that
holds NAME stands for any, and is not. A file that is named alone, such as `plan.py`, must exist somewhere.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import click
import pytest

from morphinfer.cli import cli

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("benchmarks/*.md"),
        *ROOT.glob("training/**/*.md"),
    )
)
README_LINES = 110
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "urls"
]["Repository"]
BASES = (f"{REPOSITORY}/blob/main/", f"{REPOSITORY}/raw/main/")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(
    r"(?<![\w./$-])((?:\.ci|docs|infer|training|ext|models|tests|benchmarks)/[\w./*-]*)"
)
FILE = re.compile(r"(?<![\w/.*-])(\w+\.(?:py|pyx|pyi|pxd))\b")
TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
CODE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"(?:^|(?<=[\s;&|(]))(?<!from )morphinfer ([a-z][a-z-]*)([^#;&|`]*)")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def code_of(page: str) -> Iterator[str]:
    """Spans and lines of code; a line that ends in a backslash goes on with the next."""
    text = re.sub(r"\\\n\s*", "", text_of(page))
    for line in text.splitlines():
        yield from [line] if line.startswith("    ") else CODE.findall(line)


def slugs(path: Path) -> set[str]:
    """Anchors of the headings of a page, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings_that_exist(page):
    for target in LINK.findall(text_of(page)):
        base = next(filter(target.startswith, BASES), "")
        if "://" in target and not base:
            continue
        path, _, anchor = target.removeprefix(base).partition("#")
        file = (ROOT if base else (ROOT / page).parent) / path if path else ROOT / page
        assert file.exists(), f"{page}: {target}"
        assert not anchor or anchor in slugs(file), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_paths_exist(page):
    for named in PATH.findall(text_of(page)):
        path = named.rstrip(".-")
        if "NAME" not in path and not path.endswith("*"):
            assert any(ROOT.glob(path)), f"{page}: {path}"


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_alone_exist(page):
    known = {path.name for top in ("infer", "training", "ext", "tests", "benchmarks")
             for path in (ROOT / top).rglob("*")}  # fmt: skip
    for name in chain.from_iterable(map(FILE.findall, code_of(page))):
        assert name in known, f"{page}: {name}"


@pytest.mark.parametrize("page", PAGES)
def test_tests_that_are_named_exist(page):
    for file, name in TEST.findall(text_of(page)):
        assert f"\ndef {name}(" in text_of(file), f"{page}: {file}::{name}"


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_their_options_exist(page):
    for name, words in chain.from_iterable(map(COMMAND.findall, code_of(page))):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, f"{page}: morphinfer {name}"
        parts = [command, *(command.commands.values() if isinstance(command, click.Group) else ())]
        known = {word for part in parts for option in part.params for word in option.opts}
        known |= {
            word for part in parts for option in part.params for word in option.secondary_opts
        }
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", words):
            assert option in {*known, "--help"}, f"{page}: morphinfer {name} {option}"


def test_links_of_the_readme_are_absolute_as_pypi_needs_them():
    assert [target for target in LINK.findall(text_of("README.md")) if "://" not in target] == []


def test_readme_is_short():
    assert len(text_of("README.md").splitlines()) <= README_LINES


def test_every_contract_that_the_code_cites_is_defined():
    defined = set(re.findall(r"^## (C\d+)", text_of("docs/contracts.md"), re.MULTILINE))
    cited = {
        name
        for top, endings in (("infer", "py"), ("training", "py"), ("ext", "pyx"), ("tests", "py"))
        for path in (ROOT / top).rglob(f"*.{endings}")
        for name in re.findall(r"contracts? (C\d+)", path.read_text(encoding="utf-8"))
    }
    assert cited
    assert cited <= defined


SOURCES = {
    "morphinfer": ROOT / "infer/morphinfer",
    "morphinfer_training": ROOT / "training/morphinfer_training",
}


PACKAGES = {f"{t}.{p.parent.name}" for t, f in SOURCES.items() for p in f.glob("*/__init__.py")}
MODULES = {f"{t}.{p.stem}" for t, f in SOURCES.items() for p in f.glob("*.py")}


def imported_from(package: str) -> set[str]:
    """Packages and single modules that the modules of a package import from."""
    top, _, _ = package.partition(".")
    folder = SOURCES[top] / package.removeprefix(top).lstrip(".")
    sources = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                sources.add(".".join(node.module.split(".")[:2]))
    return sources - {package, "morphinfer._kernels"}


def test_the_package_map_says_what_each_package_imports():
    rows = re.findall(r"^\| `(morphinfer\w*\.\w+)` \| [^|]+ \| ([^|]*) \|", text_of("CONTRIBUTING.md"),
                      re.MULTILINE)  # fmt: skip
    said = {name: set(CODE.findall(imports)) for name, imports in rows}
    assert set(said) == PACKAGES - {"morphinfer._kernels"}
    for name, imports in said.items():
        top, _, _ = name.partition(".")
        full = {i if i.startswith("morphinfer") else f"{top}.{i}" for i in imports}
        assert full == imported_from(name) & PACKAGES, name


def test_the_package_map_names_the_single_modules_that_packages_import():
    sentence = re.search(r"Each package may also import [^.]+\.", text_of("CONTRIBUTING.md"))
    imported = set().union(*(imported_from(name) & MODULES for name in PACKAGES))
    named = set(CODE.findall(sentence[0])) - {"commands"}
    assert named == {name.partition(".")[2] for name in imported}


def test_the_conda_recipe_needs_what_the_package_needs():
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    needed = {*project["dependencies"], *project["optional-dependencies"]["cpu"]}
    needed.add(f"python{project['requires-python']}")
    recipe = text_of("docs/deploy/recipe.yaml")
    run = recipe[recipe.index("  run:") : recipe.index("tests:")]
    assert {
        line.replace(" ", "") for line in re.findall(r"^    - (.+)$", run, re.MULTILINE)
    } == needed
    assert f"  version: {project['version']}\n" in recipe
