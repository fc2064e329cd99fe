"""ONNX Runtime's environment belongs to the process, and another user of it notices nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from morphinfer import Options, load_models, segment_array
from morphinfer.errors import OptionsError, ProviderError
from morphinfer.networks import load_ensemble, runtime
from morphinfer.networks.printing import unprinted
from networks import nuclei, save_set

UM = 0.65
IMAGE = nuclei(120, 130)

OTHER_USER = """
import json, sys
import numpy as np
import onnxruntime
from morphinfer import Options, segment_array
from morphinfer.networks import load_ensemble
from networks import nuclei

models, path, own = sys.argv[1], sys.argv[2], sys.argv[3] == "own"
onnxruntime.set_default_logger_severity(1)  # the other user wants to read the log,
memory = onnxruntime.OrtMemoryInfo(
    "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
)  # and has an arena that is too small for a large image
onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg({"max_mem": 4_000_000}))


def use():
    sys.stderr.write("<use>")
    sys.stderr.flush()
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    try:
        session.run(None, {session.get_inputs()[0].name: np.ones((1, 1, 800, 800), np.float32)})
        return "fits"
    except Exception as problem:
        return "Available memory" in str(problem)


before = use()
ensemble = load_ensemble(models, Options(provider="cpu"), own_environment=own)
segment_array(nuclei(300, 300), pixel_size_um=0.65, models=ensemble)
print(json.dumps([before, use()]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_set(tmp_path_factory.mktemp("models") / "random")


def other_user(folder: Path, whose: str) -> tuple[list[object], list[bool]]:
    """What another user of ONNX Runtime finds before and after a run, and whether its log speaks."""
    done = subprocess.run(
        [sys.executable, "-c", OTHER_USER, str(folder), str(folder / "p046.onnx"), whose],
        cwd=Path(__file__).parents[1] / "support",
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    uses = done.stderr.split("<use>")[1:]
    return json.loads(done.stdout), ["Session successfully initialized" in use for use in uses]


def test_another_user_of_onnx_runtime_notices_nothing(folder):
    assert other_user(folder, "theirs") == ([True, True], [True, True])


@pytest.mark.skipif(
    tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 23),
    reason="ONNX Runtime before 1.23 keeps the arena that was registered first",
)
def test_in_an_environment_of_our_own_the_log_is_silent_and_the_arena_ours(folder):
    assert other_user(folder, "own") == ([True, "fits"], [True, False])


def test_an_environment_of_our_own_changes_no_bit(folder):
    options = Options(provider="cpu", threads=1)
    ours, theirs = (
        segment_array(
            IMAGE, pixel_size_um=UM, models=load_ensemble(folder, options, own_environment=own)
        )
        for own in (True, False)
    )
    np.testing.assert_array_equal(ours.probabilities, theirs.probabilities)


def test_a_callers_session_options_are_taken_as_they_are(folder, tmp_path):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.enable_profiling = True
    settings.profile_file_prefix = str(tmp_path / "profile")
    ensemble = load_ensemble(folder, Options(provider="cpu"), session_options=settings)
    result = segment_array(IMAGE, pixel_size_um=UM, models=ensemble)
    usual = segment_array(IMAGE, pixel_size_um=UM, models=folder, options=Options(provider="cpu"))
    np.testing.assert_array_equal(result.labels, usual.labels)
    assert settings.log_severity_level == onnxruntime.SessionOptions().log_severity_level
    assert list(tmp_path.glob("profile*"))  # their names differ by the second alone


def test_a_callers_session_options_open_the_files_for_their_cards_too(folder, tmp_path):
    settings = onnxruntime.SessionOptions()
    settings.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    load_models(folder / "p046.onnx", session_options=settings)
    assert (tmp_path / "optimised.onnx").exists()


def test_a_callers_providers_are_tried_in_order_and_the_one_that_ran_is_recorded(folder):
    providers = [("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})]
    ensemble = load_ensemble(folder, providers=providers)
    assert ensemble.provider.name == "cpu"
    assert ensemble.provider.reason == "the caller gave CPUExecutionProvider"
    assert segment_array(IMAGE, pixel_size_um=UM, models=ensemble).labels.shape == (15, 17)


def test_providers_that_onnx_runtime_does_not_take_are_refused(folder):
    with pytest.raises(ProviderError, match=r"does not take CPUExecutionProvider .*give others"):
        load_ensemble(folder, providers=[("CPUExecutionProvider", "fast")])


def test_providers_and_a_provider_exclude_each_other(folder):
    with pytest.raises(OptionsError, match="give one of the two"):
        load_ensemble(folder, Options(provider="cpu"), providers=["CPUExecutionProvider"])


def test_a_missing_cuda_library_is_named_and_nothing_is_printed(folder, monkeypatch, capfd):
    monkeypatch.setattr(runtime, "_has_nvidia_driver", lambda: True)
    if "CUDAExecutionProvider" not in runtime.load_runtime().get_available_providers():
        pytest.skip("this ONNX Runtime knows no CUDA provider")
    reason = runtime.choose_provider("auto", (folder / "p046.onnx").read_bytes()).reason
    if "cublas" not in reason:
        pytest.skip("the libraries of CUDA are installed")
    assert reason.startswith("cuda: libcublas")
    assert capfd.readouterr() == ("", "")


def test_only_what_the_own_thread_prints_is_kept_from_stdout(capsys):
    with unprinted() as lines:
        print("ours")
        other = threading.Thread(target=print, args=("theirs",))
        other.start()
        other.join()
        assert not sys.stdout.isatty()
    print("later")
    assert lines.getvalue() == "ours\n"
    assert capsys.readouterr().out == "theirs\nlater\n"


def test_two_threads_that_collect_at_once_leave_stdout_as_it_was():
    before = sys.stdout
    entered, leave = threading.Event(), threading.Event()

    def collect():
        with unprinted():
            entered.set()
            leave.wait()

    other = threading.Thread(target=collect)
    with unprinted():
        other.start()
        entered.wait(0.2)  # in vain while only one thread at a time collects
    leave.set()
    other.join()
    assert sys.stdout is before


def test_a_run_prints_nothing(folder, capfd):
    segment_array(IMAGE, pixel_size_um=UM, models=load_models(folder))
    assert capfd.readouterr() == ("", "")


def test_a_first_piece_of_any_size_is_registered():
    code = (
        "import logging, sys\n"
        "from morphinfer.networks.environment import take_environment\n"
        "logging.basicConfig(stream=sys.stdout, level=logging.DEBUG, format='%(message)s')\n"
        "logging.getLogger('morphinfer').setLevel(logging.DEBUG)\n"
        "take_environment(2**33)\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "registered before" not in printed
