"""Defaults of options in a file of the user."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from commands import refused

from morphinfer.cli.defaults import VARIABLE, config_path
from morphinfer.images import open_slide

pytest_plugins = ["commands"]

SMALL = ("--size", "64", "64")


@pytest.fixture
def file(monkeypatch, tmp_path):
    """The file, which does not exist yet."""
    path = tmp_path / "settings" / "config.toml"
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def test_the_file_lies_in_the_folder_of_the_platform(monkeypatch):
    monkeypatch.delenv(VARIABLE)
    assert config_path() == Path(click.get_app_dir("morphinfer")) / "config.toml"


def test_a_default_holds_for_all_commands_that_have_the_option(call, file):
    assert call("config", "pixel-size=0.5", "phantom.seed=3") == (0, f"{file}\n", "")
    code, _, err = call("phantom", "section", *SMALL)
    assert code == 0
    assert err.startswith(f"defaults of {file}: --seed 3 --pixel-size 0.5\n")
    assert open_slide("section/slide.zarr").pixel_size_um == 0.5
    taken = json.loads(call("config", "--json")[1])["defaults"]
    having = {name for name, values in taken.items() if "pixel_size_um" in values}
    assert {"segment", "plan", "regions"} < having
    assert "evaluate" not in having


def test_the_command_line_overrides_the_file_and_quiet_hides_the_notice(call, file):
    call("config", "phantom.seed=3", "phantom.pixel-size=0.5")
    _, _, err = call("phantom", "section", *SMALL, "--pixel-size", "1")
    assert err.startswith(f"defaults of {file}: --seed 3\n")
    assert open_slide("section/slide.zarr").pixel_size_um == 1
    assert call("phantom", "other", *SMALL, "-q") == (0, "", "")


def test_lines_that_a_user_wrote_stay(call, file):
    file.parent.mkdir()
    file.write_text("# ours\nmodels = 'pancreas'  # since May\n\n[segment]\nstride = 4")
    call(
        "config",
        "models=septum",
        "threads=2",
        "segment.stride=",
        "train.device=cpu",
        "uncertainty=true",
    )
    assert file.read_text() == (
        '# ours\nmodels = "septum"\n\nthreads = 2\nuncertainty = true\n[segment]\n[train]\ndevice = "cpu"\n'
    )
    _, out, _ = call("config", "--json")
    taken = json.loads(out)["defaults"]
    assert taken["train"] == {"threads": 2, "device": "cpu"}
    assert taken["segment"] == {"models": "septum", "threads": 2, "uncertainty": True}
    assert "septum" in call("config", "--show")[1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("modles = 'x'", "modles is no option of any command; did you mean 'models'?"),
        ("[segment]\ntyle = 4", "[segment] tyle is no option of 'morphinfer segment'; did you mean 'tile'?"),
        ("[segmnt]\ntile = 4", "[segmnt] is no command; did you mean 'segment'?"),
        ("overwrite = true", "overwrite: belongs to one call; give --overwrite on its command line"),
        ("threads = 'many'", "threads: 'many' is not a valid integer range"),
        ("threads = true", "threads: True is not one value, as --threads needs it"),
        ("uncertainty = 1", "uncertainty: 1 is not true or false, as --uncertainty needs it"),
        ("models", "cannot be read"),
    ],
)  # fmt: skip
def test_what_no_option_takes_is_refused_in_one_sentence(call, file, text, sentence):
    file.parent.mkdir()
    file.write_text(text)
    refused(call("models"), str(file), sentence)
    refused(call("config", "--show"), str(file), sentence)


def test_a_wrong_key_is_not_written(call, file):
    refused(
        call("config", "chanel=DAPI"), "chanel is no option of any command; did you mean 'channel'?"
    )
    refused(call("config", "a.b=1"), "'a.b=1': [a] is no command; 'morphinfer --help' lists")
    refused(call("config", "models"), "'models' is not OPTION=VALUE", code=2)
    assert not file.exists()
