"""Shells complete commands, options and values: model sets, channels, genes, classes of the reference."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from click.shell_completion import get_completion_class

from morphinfer.cli import cli
from morphinfer.cli.completion import SHELLS, VARIABLE, use_shells
from morphinfer.phantom import make_phantom

pytest_plugins = ["commands"]


@pytest.fixture
def completed(monkeypatch, tmp_path):
    """What a shell is offered for a line that ends at the cursor."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "bash_complete")
    use_shells()

    def run(line: str, word: str | None = None) -> list[str]:
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_WORD", line.split(" ")[-1] if word is None else word)
        shell = get_completion_class("bash")(cli, {}, "morphinfer", VARIABLE)
        return shell.complete().split("\n")

    return run


def test_commands_options_and_choices_are_completed(completed):
    assert completed("morphinfer se") == ["plain,segment"]
    assert completed("morphinfer segment --skip-b") == ["plain,--skip-background"]
    assert completed("morphinfer segment --skip-background ") == [
        "plain,off",
        "plain,on",
        "plain,auto",
    ]


def test_model_sets_are_completed_and_else_files(completed):
    assert "plain,phantom" in completed("morphinfer segment s.zarr --models ")
    assert completed("morphinfer models show pan") == ["plain,pancreas"]
    assert completed("morphinfer half ./mine") == ["file,./mine"]


def test_what_is_offered_replaces_the_word_as_the_shell_cuts_it(completed):
    line = "morphinfer plan s.zarr --models=ph"
    assert completed(line, "ph") == ["plain,phantom"]  # bash
    assert completed(line, "--models=ph") == ["plain,--models=phantom"]  # fish, PowerShell


def test_channels_of_the_slide_are_completed(completed, make_slide):
    make_slide(
        np.zeros((2, 64, 64), np.uint8), axes="cyx", channels=("DAPI", "Deep red"), name="s.zarr"
    )
    assert completed("morphinfer segment s.zarr --channel D") == ["plain,DAPI", "plain,Deep red"]
    assert completed("morphinfer plan --channel D") == [""]


def test_genes_of_the_spots_are_completed_after_the_name_and_after_commas(completed, tmp_path):
    pytest.importorskip("pyarrow", reason="needs the extra 'train'")
    (tmp_path / "spots.csv").write_text("gene,x,y\nPlp1,1,2\nNeurod6,3,4\nNeurod1,3,4\n")
    line = "morphinfer regions slide.zarr spots.csv --class layer="
    assert completed(f"{line}Neu", "Neu") == ["plain,Neurod1", "plain,Neurod6"]
    assert completed(f"{line}Plp1,Neurod6", "Plp1,Neurod6") == ["plain,Plp1,Neurod6"]
    assert completed(f"{line.replace('spots', 'absent')}Neu", "Neu") == [""]


def test_classes_of_the_reference_are_completed(completed, tmp_path):
    make_phantom(tmp_path / "section", seed=1, size=(64, 64))
    line = "morphinfer evaluate l.zarr section/reference.zarr --ignore "
    assert completed(f"{line}Gene") == ["plain,GeneA", "plain,GeneB"]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_a_script_that_calls_the_program(call, shell):
    code, script, err = call("completion", shell)
    assert (code, err) == (0, "")
    assert f"{shell}_complete" in script


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_script_for_bash_completes_in_bash(tmp_path):
    program = tmp_path / "morphinfer"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m morphinfer "$@"\n')
    program.chmod(0o755)
    line = "morphinfer segment s.zarr --models=pha"
    script = (
        f'eval "$(morphinfer completion bash)"; COMP_LINE="{line}"; COMP_POINT={len(line)}\n'
        "compopt() { :; }; _morphinfer_completion morphinfer pha =; echo ${COMPREPLY[@]}"
    )
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "--norc", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True
    )  # fmt: skip
    assert ended.stdout == "phantom\n", ended.stderr
