"""Options are checked when they are made, and against networks that are loaded already."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from morphinfer import Options, load_models, segment_array
from morphinfer.errors import MorphinferError, OptionsError
from morphinfer.networks import load_ensemble
from networks import nuclei, save_set

UM = 0.65


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return load_models(save_set(tmp_path_factory.mktemp("models") / "random", (46,)))


@pytest.fixture(scope="module")
def ensemble(models):
    options = Options(
        provider="cpu", threads=1, tile_px=64, max_memory_mb=900, skip_background="off"
    )
    return load_ensemble(models, options)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "x"),
        ("provider", "gpu"),
        ("provider", None),
        ("skip_background", True),
        ("probabilities", 1),
        ("uncertainty", "yes"),
        ("stride_px", 0),
        ("stride_px", 4.0),
        ("tile_px", -3),
        ("threads", -1),
        ("threads", 1025),
        ("threads", None),
        ("threads", True),
        ("max_memory_mb", 0),
        ("max_memory_mb", float("nan")),
        ("max_memory_mb", float("inf")),
        ("max_memory_mb", "800"),
        ("label_chunk", 0),
        ("label_chunk", 7),
        ("label_chunk", 8.0),
    ],
)
def test_a_value_that_no_run_can_have_is_refused_by_name(name, value):
    with pytest.raises(OptionsError) as refused:
        Options(**{name: value})
    assert str(refused.value).startswith(f"`{name}={value!r}`: ")
    assert isinstance(refused.value, ValueError)
    assert isinstance(refused.value, MorphinferError)


def test_a_refused_choice_lists_those_that_there_are():
    with pytest.raises(OptionsError, match="choose out of None, 'dense', 'windows'"):
        Options(mode="x")


def test_numbers_of_numpy_are_numbers():
    ours = Options(threads=np.int64(3), stride_px=np.uint8(8), max_memory_mb=np.float32(900))
    assert ours == Options(threads=3, stride_px=8, max_memory_mb=900)
    assert json.loads(json.dumps(asdict(ours)))["threads"] == 3
    with pytest.raises(OptionsError, match="`tile_px="):
        Options(tile_px=np.float64(64))


def test_the_defaults_are_legal_and_plain_values():
    json.dumps(asdict(Options(mode="dense", stride_px=4, tile_px=64)))


@pytest.mark.parametrize(
    ("name", "value", "loaded"),
    [
        ("stride_px", 4, 8),
        ("mode", "windows", "dense"),
        ("provider", "cuda", "cpu"),
        ("threads", 3, 1),
        ("tile_px", 128, 64),
        ("max_memory_mb", 400, 900),
    ],
)
def test_options_that_loaded_networks_contradict_are_refused(ensemble, name, value, loaded):
    with pytest.raises(OptionsError) as refused:
        segment_array(
            nuclei(60, 60), pixel_size_um=UM, models=ensemble, options=Options(**{name: value})
        )
    assert f"`{name}={value!r}`: these networks were loaded with {loaded!r}" in str(refused.value)


def test_options_that_agree_with_loaded_networks_pass(ensemble):
    same = replace(ensemble.options, stride_px=8, mode="dense", skip_background="auto")
    assert ensemble.run_options(same) == replace(ensemble.options, skip_background="auto")


def test_without_options_a_run_takes_those_of_the_loaded_networks(ensemble):
    assert ensemble.run_options(None) is ensemble.options
    assert ensemble.run_options(Options()) == replace(ensemble.options, skip_background="auto")


def test_loaded_networks_of_a_finer_stride_are_used_at_it(models):
    fine = load_ensemble(models, Options(provider="cpu", threads=1, stride_px=4))
    image = nuclei(60, 60)
    ours = segment_array(image, pixel_size_um=UM, models=fine)
    theirs = segment_array(
        image, pixel_size_um=UM, models=models, options=Options(provider="cpu", stride_px=4)
    )
    assert ours.labels.shape == (15, 15)
    np.testing.assert_array_equal(ours.labels, theirs.labels)
