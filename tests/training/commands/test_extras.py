"""Commands say which extra to install if one of their packages is missing."""

from __future__ import annotations

import sys

import pytest
from commands import refused

from morphinfer.errors import MorphinferError
from morphinfer_training.commands.extras import require_modules

pytest_plugins = ["commands"]


def test_installed_modules_are_accepted_and_not_loaded(monkeypatch):
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    require_modules("half", ("wave", "email.mime"))
    assert "wave" not in sys.modules


@pytest.mark.parametrize("module", ["no_such_module", "no_such_module.part", "json.no_such_module"])
def test_a_missing_module_is_named_with_its_extra(module):
    with pytest.raises(MorphinferError) as refusal:
        require_modules("half", ("json", module), extra="some")
    assert str(refusal.value) == (
        f"morphinfer half needs {module}, which is not installed: pip install 'morphinfer[some]'"
    )


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        ("bioimageio set --out a.zip", "bioimageio.core", "bioimageio"),
        ("half set --out a", "onnx", "train"),
        ("regions a.zarr a.csv --gene-a A --out b.zarr", "pyarrow", "train"),
        ("train a.toml --out a", "torch", "train"),
    ],
)
def test_each_command_says_what_to_install(call, monkeypatch, command, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    refused(call(*command.split()), f"needs {module}", f"pip install 'morphinfer[{extra}]'")
