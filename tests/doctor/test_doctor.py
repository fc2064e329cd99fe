"""Each fault that segmentation can have on a machine is found, and answered with what mends it."""

from __future__ import annotations

import errno
import json
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import onnx
import pytest

import morphinfer.networks
from morphinfer.doctor import devices, installed, places
from morphinfer.doctor.devices import cuda_needs, nvidia
from morphinfer.doctor.diagnosis import CHECKS, diagnose
from morphinfer.doctor.finding import Finding
from morphinfer.doctor.nvml import Driver, GraphicsCard, find_driver
from morphinfer.doctor.places import here, temporary
from morphinfer.doctor.trials import model_sets, segmentation
from morphinfer.errors import ModelError
from morphinfer.networks import trial
from morphinfer.networks.loading import shipped_sets

pytest_plugins = ["commands"]

CARD = Driver("550.1", "12.4", (GraphicsCard("A10", 24_000, 23_000, "8.6"),))
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def flavours(monkeypatch):
    """Pretend that some flavours of ONNX Runtime are installed."""

    def install(*names):
        monkeypatch.setattr(installed, "packages_distributions", lambda: {"onnxruntime": [*names]})
        monkeypatch.setattr(installed, "version", lambda name: "1.25.0")
        monkeypatch.setattr("morphinfer.doctor.finding.find_spec", lambda name: True)

    return install


@pytest.fixture
def driver(monkeypatch):
    """Pretend that there is a driver, or none."""
    return lambda found: monkeypatch.setattr(devices, "find_driver", lambda: found)


def test_here_segmentation_works(call):
    code, out, err = call("doctor", "--json")
    diagnosis = json.loads(out)
    assert (code, diagnosis["works"]) == (0, True), (diagnosis, err)
    assert [each["name"] for each in diagnosis["checks"]] == list(CHECKS)
    facts = {each["name"]: each["facts"] for each in diagnosis["checks"]}
    assert facts["providers"]["works"][0] == "cpu"
    assert facts["segmentation"]["provider"] in facts["providers"]["works"]
    assert facts["model sets"]["sets"] == list(shipped_sets())


def test_a_fault_is_printed_with_its_commands_and_the_exit_code_is_1(call, monkeypatch):
    fault = Finding("none", {}, "there is no X; install it", ("pip install X",), "failed")
    monkeypatch.setattr("morphinfer.doctor.diagnosis.CHECKS", {"X": lambda: fault})
    code, out, err = call("doctor")
    assert (code, err) == (1, "")
    assert (
        "X: there is no X; install it\n    pip install X\nsegmentation does not work here\n" in out
    )


def test_a_warning_leaves_the_exit_code_0(call, monkeypatch):
    slow = Finding("slow", {}, "it is slow", (), "warning")
    monkeypatch.setattr("morphinfer.doctor.diagnosis.CHECKS", {"X": lambda: slow})
    code, out, _ = call("doctor")
    assert code == 0
    assert out.endswith("X: it is slow\nsegmentation works here\n")


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def broken():
        import nosuchmodule  # noqa: F401

    monkeypatch.setattr("morphinfer.doctor.diagnosis.CHECKS", {"X": broken, "Y": installed.python})
    first, second = diagnose()["checks"]
    assert (first["state"], first["problem"]) == ("failed", "No module named 'nosuchmodule'")
    assert first["commands"][0].endswith("pip install nosuchmodule")
    assert second["state"] == "ok"


def test_a_part_of_this_package_that_is_missing_is_mended_by_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "morphinfer._kernels.fuse", None)

    def broken():
        import morphinfer._kernels.fuse  # noqa: F401

    monkeypatch.setattr("morphinfer.doctor.diagnosis.CHECKS", {"X": broken})
    assert diagnose()["checks"][0]["commands"][0].endswith("--no-deps morphinfer")


def test_two_runtimes_at_once_are_the_fault(flavours):
    flavours("onnxruntime", "onnxruntime-gpu")
    finding = installed.runtime()
    assert finding.state == "failed"
    assert "onnxruntime and onnxruntime-gpu are installed together" in finding.problem
    remove, install = finding.commands
    assert remove.endswith("uninstall -y onnxruntime onnxruntime-gpu")
    assert install.endswith("install onnxruntime-gpu")


def test_an_environment_without_pip_is_mended_with_uv(flavours, monkeypatch):
    flavours("onnxruntime", "onnxruntime-openvino")
    monkeypatch.setattr("morphinfer.doctor.finding.find_spec", lambda name: None)
    assert installed.runtime().commands == (
        "uv pip uninstall onnxruntime onnxruntime-openvino",
        "uv pip install onnxruntime-openvino",
    )


def test_no_runtime_and_one_that_does_not_load_are_faults(flavours, monkeypatch):
    flavours()
    assert installed.runtime().commands[0].endswith("install onnxruntime")
    flavours("onnxruntime")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    finding = installed.runtime()
    assert (finding.state, "does not load" in finding.problem) == ("failed", True)
    assert segmentation().state == devices.providers().state == "failed"


def test_a_kernel_that_does_not_load_is_a_fault(monkeypatch):
    monkeypatch.setitem(sys.modules, "morphinfer._kernels.fuse", None)
    finding = installed.kernels()
    assert finding.state == "failed"
    assert list(finding.facts["broken"]) == ["fuse"]


def test_a_codec_that_is_missing_is_named(monkeypatch):
    import imagecodecs

    monkeypatch.setattr(imagecodecs, "WEBP", imagecodecs.NONE)
    monkeypatch.setattr(imagecodecs.NONE, "available", False, raising=False)
    assert installed.tiff_codecs().state == "warning"
    monkeypatch.setattr(installed, "ZARR_CODECS", ("zstd", "nosuchcodec"))
    finding = installed.zarr_codecs()
    assert finding.state == "failed"
    assert "the codec nosuchcodec of numcodecs does not work" in finding.problem


def test_a_folder_without_room_or_permission_is_named(monkeypatch):
    monkeypatch.setattr(places.shutil, "disk_usage", lambda path: Usage(0, 0, 7_000_000))
    finding = here()
    assert (finding.state, finding.facts["free_mb"]) == ("failed", 7)
    assert "has only 7 MB free of the 200" in finding.problem

    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(places.tempfile, "TemporaryFile", refuse)
    assert "cannot be written (Permission denied)" in here().problem
    assert temporary().state == "warning"


def test_a_damaged_set_is_named(tmp_path, monkeypatch):
    folder = shutil.copytree(shipped_sets()["phantom"], tmp_path / "phantom")
    (folder / "p048.onnx").write_bytes(b"")
    monkeypatch.setattr(morphinfer.networks, "shipped_sets", lambda: {"phantom": folder})
    finding = model_sets()
    assert (finding.state, finding.facts["damaged"]) == ("failed", "phantom")
    assert "p048.onnx: has the SHA-256 e3b0c44298fc" in finding.problem


def test_a_segmentation_that_fails_gives_its_reason(monkeypatch):
    def refuse(*_, **__):
        raise ModelError("m: damaged; copy it again")

    monkeypatch.setattr("morphinfer.runs.segment_array", refuse)
    assert segmentation().problem == "m: damaged; copy it again"


# Execution providers and cards


def test_the_tiny_network_is_a_convolution():
    model = onnx.load_from_string(trial.TINY)
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Conv"]


def test_a_provider_that_computes_wrong_does_not_work(monkeypatch):
    class Wrong:
        def run(self, names, feeds):
            return (np.zeros((1, 1, 6, 6), np.float32),)

    assert morphinfer.networks.try_providers()["cpu"] == ""
    monkeypatch.setattr(trial, "open_session", lambda *_: Wrong())
    finding = devices.providers()
    assert finding.state == "failed"
    assert "a convolution of ones gives wrong numbers" in finding.problem


def test_no_card_is_no_fault(driver, flavours):
    driver(None)
    flavours("onnxruntime")
    assert nvidia() == Finding(
        "no card with a driver", {"driver": None, "needs": None, "loaded": None}
    )


def test_a_card_that_the_runtime_cannot_use_is_a_warning(driver, flavours):
    driver(CARD)
    flavours("onnxruntime")
    finding = nvidia()
    assert finding.state == "warning"
    assert finding.found == "A10 (24000 MB, 23000 free), driver 550.1 for CUDA 12.4"
    assert finding.commands[0].endswith("uninstall -y onnxruntime")
    assert finding.commands[1].endswith('install "onnxruntime-gpu[cuda,cudnn]"')


@pytest.mark.parametrize(("needed", "words"), [
    ("13.0", "the driver 550.1 runs CUDA 12.4 and ONNX Runtime needs 13.0"),
    ("12.8", "CUDA does not load: no cuDNN"),
    ("unknown", "CUDA does not load: no cuDNN"),
])  # fmt: skip
def test_a_driver_or_libraries_that_do_not_suffice_are_named(driver, monkeypatch, needed, words):
    driver(CARD)
    needs = {"package": "onnxruntime-gpu", "cuda": needed, "cudnn": "9"}
    monkeypatch.setattr(devices, "cuda_needs", lambda: needs)
    monkeypatch.setattr(morphinfer.networks, "try_providers", lambda: {"cuda": "no cuDNN"})
    monkeypatch.setattr(devices, "_load", lambda name: None)
    finding = nvidia()
    assert (finding.state, words in finding.problem) == ("warning", True)
    assert finding.facts["loaded"] == {"cuda": "none", "cudnn": "none"}


def test_what_a_runtime_needs_is_read_from_its_files(monkeypatch, flavours, tmp_path):
    class Installed:
        requires = ("numpy", 'nvidia-cudnn-cu12~=9.0; extra == "cudnn"')

        def locate_file(self, name):
            return tmp_path / Path(name).name

    flavours("onnxruntime-gpu")
    monkeypatch.setattr(devices, "distribution", lambda name: Installed())
    assert cuda_needs() == {"package": "onnxruntime-gpu", "cuda": "12", "cudnn": "9"}
    (tmp_path / "build_and_package_info.py").write_text("cuda_version = '12.8'\n")
    assert cuda_needs()["cuda"] == "12.8"
    Installed.requires = None
    assert cuda_needs()["cudnn"] == "unknown"


class Nvml:
    """The calls of NVML that are used, of a machine with one card."""

    def nvmlInit_v2(self):  # noqa: N802
        return 0

    def __getattr__(self, name):
        texts = {"nvmlSystemGetDriverVersion": b"550.1", "nvmlDeviceGetName": b"A10"}
        numbers = {
            "nvmlSystemGetCudaDriverVersion_v2": (12040,),
            "nvmlDeviceGetCount_v2": (1,),
            "nvmlDeviceGetCudaComputeCapability": (8, 6),
        }.get(name, ())

        def call(*arguments):
            if name in texts:
                arguments[-2].value = texts[name]
            elif name == "nvmlDeviceGetMemoryInfo":
                arguments[-1]._obj.total, arguments[-1]._obj.free = 24 * 10**9, 23 * 10**9
            for target, number in zip(arguments[-len(numbers) :], numbers, strict=False):
                target._obj.value = number

        return call


def test_the_driver_is_asked_for_its_cards():
    assert find_driver(Nvml()) == CARD
    assert find_driver(object()) is None
