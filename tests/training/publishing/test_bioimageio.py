"""BioImage.IO packages of small sets, run by bioimage.io's validator and predictor."""

from __future__ import annotations

import json
import time
import zipfile

import numpy as np
import pytest
from commands import refused
from hypothesis import given
from hypothesis import strategies as st

from morphinfer import segment_array
from morphinfer.errors import ExportError, ModelError, OutputError
from morphinfer.tiles.normalisation import Normalisation
from networks import nuclei, save_foreign, save_set

core = pytest.importorskip(
    "bioimageio.core", reason="bioimageio.core is not installed: morphinfer[bioimageio]"
)
from morphinfer_training.publishing import bioimageio  # noqa: E402
from morphinfer_training.publishing.bioimageio import export_package  # noqa: E402
from morphinfer_training.publishing.bioimageio_description import pixel_scale  # noqa: E402

pytest_plugins = ["commands"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

FIXED = Normalisation("fixed", 20.0, 200.0)
ABOUT = {
    "description": "Random networks.", "organism": "synthetic", "licence": "BSD-3-Clause",
    "authors": ["A. Name"], "limits": ["Do not use for livers."],
}  # fmt: skip
CPU = ["CPUExecutionProvider"]


@pytest.fixture(autouse=True)
def leaked_files():
    """Close the files that bioimageio.spec leaves open, which would cause a warning in a later test."""
    yield
    with bioimageio.leaked_files_closed():
        pass


def make_set(folder, about=ABOUT, **changes):
    """A set of two networks of random weights whose files contain the texts of a card."""
    provenance = {"date": "2026-01-02", "config": {"card": about}}
    return save_set(folder, provenance=provenance, **changes)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    summary = export_package(make_set(folder / "own", normalisation=FIXED), folder / "own.zip")
    return folder / "own.zip", summary


def predicted(path, image):
    """Probabilities by bioimageio.core, tile by tile, shape (classes, rows, cols)."""
    model = core.load_model_description(path)
    tensor = core.Tensor(image[None, None].astype(np.float32), dims=("batch", "channel", "y", "x"))
    sample = core.Sample(members={"image": tensor}, stat={}, id="synthetic")
    with core.create_prediction_pipeline(model, devices=CPU) as pipeline:
        result = pipeline.predict_sample_with_blocking(sample, ns=3)
    return result.members["probabilities"].data.to_numpy()[0]


def test_the_validator_passes_the_package(package):
    path, summary = package
    assert summary["status"] == "passed"
    assert core.test_model(path, devices=CPU).status == "passed"


def test_bioimageio_core_in_tiles_equals_morphinfer(package):
    path, _ = package
    image = nuclei(256, 320)
    expected = segment_array(image, pixel_size_um=0.65, models=path.with_name("own"))
    output = predicted(path, image)
    np.testing.assert_allclose(output, expected.probabilities, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(output.argmax(axis=0), expected.labels)


def test_sides_may_be_any_multiple_of_the_stride(package):
    image = nuclei(256, 264).astype(np.float32)[None, None]
    output = core.predict(model=package[0], inputs=image).members["probabilities"]
    assert output.data.shape == (1, 4, 32, 33)


def test_the_same_set_gives_the_same_bytes_on_another_day(package, tmp_path, monkeypatch):
    path, summary = package
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + 86400)
    again = export_package(path.with_name("own"), tmp_path / "own.zip")
    assert again["sha256"] == summary["sha256"]


def test_the_description_repeats_the_card(package):
    model = core.load_model_description(package[0])
    assert model.name == "morphinfer random"
    assert str(model.license) == "BSD-3-Clause"
    assert [author.name for author in model.authors] == ["A. Name"]
    assert model.config.bioimageio.out_of_scope_use == "Do not use for livers."
    assert model.timestamp.root.date().isoformat() == "2026-01-02"
    assert list(model.outputs[0].axes[1].channel_names) == [
        "background", "tissue", "GeneA", "GeneB",
    ]  # fmt: skip
    assert [axis.halo for axis in model.outputs[0].axes[2:]] == [4, 4]


def test_the_package_contains_the_cards_and_a_cover_twice_as_wide_as_high(package):
    import imagecodecs

    with zipfile.ZipFile(package[0]) as files:
        assert json.loads(files.read("card.json"))["name"] == "random"
        assert b"## Input" in files.read("README.md")
        height, width, _ = imagecodecs.png_decode(files.read("cover.png")).shape
    assert width == 2 * height


def test_normalising_by_the_slide_is_left_to_the_user(tmp_path):
    export_package(make_set(tmp_path / "own"), tmp_path / "own.zip")
    steps = core.load_model_description(tmp_path / "own.zip").inputs[0].preprocessing
    assert {step.id for step in steps} == {"clip", "ensure_dtype"}


def test_a_set_without_a_card_is_exported_with_warnings(tmp_path):
    summary = export_package(save_set(tmp_path / "own"), tmp_path / "own.zip")
    assert summary["status"] == "passed"
    assert any(warning.startswith("license: ") for warning in summary["warnings"])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"licence": "mine"}, ModelError, "the licence 'mine', which is not an SPDX identifier"),
        ({"authors": ["A/B"]}, ExportError, "bioimage.io's specification refuses it"),
    ],
)
def test_values_that_the_specification_does_not_allow_are_refused(
    tmp_path, changes, error, message
):
    own = make_set(tmp_path / "own", {**ABOUT, **changes})
    with pytest.raises(error, match=message) as refusal:
        export_package(own, tmp_path / "own.zip")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "own.zip").exists()


def test_a_package_that_does_not_pass_is_not_written(tmp_path, monkeypatch):
    run = bioimageio.run_joined
    monkeypatch.setattr(
        bioimageio, "run_joined", lambda *arguments: run(*arguments)[:, ::-1].copy()
    )
    with pytest.raises(ExportError, match=r"does not pass the package: .* nothing was written"):
        export_package(make_set(tmp_path / "own"), tmp_path / "own.zip")
    assert not (tmp_path / "own.zip").exists()


def test_an_existing_file_is_replaced_only_with_overwrite(tmp_path):
    own = make_set(tmp_path / "own")
    (tmp_path / "own.zip").write_text("kept")
    with pytest.raises(OutputError, match="exists already"):
        export_package(own, tmp_path / "own.zip")
    assert (tmp_path / "own.zip").read_text() == "kept"
    export_package(own, tmp_path / "own.zip", overwrite=True)
    assert zipfile.is_zipfile(tmp_path / "own.zip")


def test_the_command_prints_the_result_of_the_validator(call, tmp_path):
    make_set(tmp_path / "own")
    code, out, err = call("bioimageio", "own", "--out", "own.zip")
    assert (code, out) == (0, "package  own.zip\n"), err
    assert ": passed" in err
    code, out, _ = call("bioimageio", "own", "--out", "other.zip", "--json", "-q")
    assert json.loads(out)["networks"] == {"p046": 0.5, "p062": 0.5}


def test_the_command_refuses_in_one_sentence(call, tmp_path):
    save_foreign(tmp_path / "theirs.onnx", 32, 4)
    make_set(tmp_path / "own")
    refused(call("bioimageio", "theirs.onnx", "--out", "own.zip"), "a foreign ONNX model")
    refused(call("bioimageio", "own", "--out", "own.tar"), "a package is a ZIP file")
    refused(call("bioimageio", "nosuch", "--out", "own.zip"), "no such model set")


@given(st.integers(1, 2**17), st.integers(100_000, 5_000_000))
def test_sizes_of_the_output_are_exact_for_any_pixel_size(positions, picometres):
    _, scale = pixel_scale(picometres / 1e6)
    assert int(8 * positions * scale / (8 * scale)) == positions
