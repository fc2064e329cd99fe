"""Which ONNX Runtime and which execution provider run, and how a damaged model is refused."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

from morphinfer import load_models
from morphinfer.errors import ModelError, ProviderError
from morphinfer.networks import runtime
from morphinfer.networks.cards import TestVector
from morphinfer.networks.modelsets import describe_sets, verify_set
from morphinfer.networks.runtime import ProviderChoice, choose_provider, load_runtime
from morphinfer.networks.session import Session
from networks import CLASSES, card_of, save_foreign, save_padding_free, save_set


def installed(monkeypatch, *names):
    def distribution(name):
        if name not in names:
            raise PackageNotFoundError(name)

    monkeypatch.setattr(runtime, "distribution", distribution)


def test_without_a_runtime_one_sentence_says_what_to_install(monkeypatch):
    installed(monkeypatch, "numpy")
    with pytest.raises(ProviderError, match=r"not installed; install one of morphinfer\[cpu\]"):
        load_runtime()


def test_two_runtimes_are_refused_by_name(monkeypatch):
    installed(monkeypatch, "onnxruntime", "onnxruntime-gpu")
    with pytest.raises(
        ProviderError, match="onnxruntime and onnxruntime-gpu are installed together"
    ):
        load_runtime()


@pytest.fixture
def probe(tmp_path):
    save_padding_free(tmp_path / "probe.onnx", card_of(46))
    return (tmp_path / "probe.onnx").read_bytes()


def test_auto_says_what_it_took_and_why(monkeypatch, probe):
    monkeypatch.setattr(runtime, "_has_nvidia_driver", lambda: False)
    choice = choose_provider("auto", probe)
    assert choice.name in ("cpu", "directml")
    assert "cuda: " in choice.reason or choice.name == "directml"


def test_auto_takes_the_first_provider_that_loads(monkeypatch, probe):
    monkeypatch.setattr(runtime, "why_not", lambda name, _: "" if name == "directml" else "broken")
    assert choose_provider("auto", probe).name == "directml"


def test_a_provider_that_cannot_run_is_refused_in_one_line(monkeypatch, probe):
    monkeypatch.setattr(runtime, "_has_nvidia_driver", lambda: False)
    for name in ("cuda", "tensorrt", "openvino"):
        with pytest.raises(ProviderError, match=f"provider '{name}' cannot run here") as caught:
            choose_provider(name, probe)
        assert "\n" not in str(caught.value)


def test_a_provider_whose_libraries_do_not_load_is_not_taken_for_running(monkeypatch, probe):
    monkeypatch.setattr(runtime, "_has_nvidia_driver", lambda: True)
    if "CUDAExecutionProvider" not in load_runtime().get_available_providers():
        pytest.skip("this ONNX Runtime knows no CUDA provider, so there is nothing to mistake")
    if runtime.why_not("cuda", probe) == "":
        pytest.skip("CUDA runs on this machine")
    assert choose_provider("auto", probe).name == "cpu"


def test_a_provider_is_tried_on_one_thread(monkeypatch, probe):
    tried = []
    take = runtime.open_session
    monkeypatch.setattr(runtime, "open_session", lambda *a: (tried.append(a[1]), take(*a))[1])
    assert runtime.why_not("cpu", probe) == ""
    assert [settings.intra_op_num_threads for settings in tried] == [1]


def test_a_truncated_model_is_refused_with_its_path(tmp_path):
    path = tmp_path / "p046.onnx"
    save_padding_free(path, card_of(46))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ModelError, match=r"p046\.onnx: .*truncated"):
        load_models(tmp_path)


def test_a_file_that_is_no_onnx_is_refused(tmp_path):
    (tmp_path / "x.onnx").write_text("hello")
    with pytest.raises(ModelError, match="truncated or no ONNX"):
        load_models(tmp_path / "x.onnx")


def test_a_foreign_model_without_a_card_is_refused_with_how_to_describe_it(tmp_path):
    save_foreign(tmp_path / "theirs.onnx", 32, 2)
    with pytest.raises(ModelError, match=r"theirs\.json"):
        load_models(tmp_path)


def test_an_unknown_set_is_refused_with_those_that_are_shipped():
    with pytest.raises(ModelError, match="no such model set; shipped are"):
        load_models("nosuchset")


def test_a_folder_without_models_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"no \.onnx file"):
        load_models(tmp_path)


def with_vectors(path, *, spoil: float):
    """A network that carries its own output for one input, changed by ``spoil``."""
    save_padding_free(path, card_of(46))
    image = np.random.default_rng(0).random((62, 62), np.float32)
    session = Session(load_models(path).files[0], ProviderChoice("cpu", ""), 1)
    output = session.run(image[None, None])[0] + np.float32(spoil)
    save_padding_free(path, card_of(46, test_vectors=(TestVector(image, output),)))


def test_verify_repeats_the_parity_from_the_embedded_vectors(tmp_path):
    with_vectors(tmp_path / "p046.onnx", spoil=0)
    (check,) = verify_set(tmp_path)
    assert check["network"] == "p046"
    assert check["largest_difference"] <= 1e-6
    assert check["dense_difference"] <= 1e-5


def test_verify_refuses_a_network_that_differs(tmp_path):
    with_vectors(tmp_path / "p046.onnx", spoil=0.01)
    with pytest.raises(ModelError, match="embedded vectors"):
        verify_set(tmp_path)


def test_sets_in_a_folder_are_described(tmp_path):
    save_set(tmp_path / "mine", (46, 94))
    (described,) = describe_sets(tmp_path)
    assert described["patch_sizes_px"] == [46, 94]
    assert described["classes"] == [c.name for c in CLASSES]
