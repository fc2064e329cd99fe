"""Whether a slide looks like the training sections of a set: what differs is named, else nothing is said."""

from __future__ import annotations

import json

import numpy as np
import pytest

from morphinfer.errors import ModelError
from morphinfer.networks.fit import compare, misfit, training_appearances
from morphinfer.networks.session import ModelFile, ModelSet
from morphinfer.records import RunRecord
from morphinfer.records.parsing import parse_fields, to_plain
from morphinfer.records.run import RunFit
from morphinfer.tiles.appearance import Appearance
from networks import card_of


def appearance(**changes):
    medians = {"skewness": 3.0, "grain": 0.4, "detail_um": 5.0, "peaks": 20.0, **changes}
    return Appearance(**{name: (v - 0.1, v, v + 0.1) for name, v in medians.items()})


SECTIONS = {"a.zarr": appearance(), "b.zarr": appearance(grain=0.3, detail_um=7.0)}


def model_set(tmp_path, sections):
    card = card_of(46, provenance={"sections": sections})
    return ModelSet("s", tmp_path, (ModelFile(tmp_path / "p046.onnx", card, ""),))


def test_a_slide_that_looks_like_one_section_fits():
    fit = compare(SECTIONS, appearance(detail_um=6.8, grain=0.3))
    assert (fit.checked, fit.nearest) == (True, "b.zarr")
    assert fit.distance < 0.2
    assert misfit(fit, "x.zarr", "s") is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"skewness": -2.0}, "dark on bright ground"),
        ({"skewness": 0.5}, "fewer bright nuclei stand out"),
        (
            {"grain": 4.0, "detail_um": 1.6, "peaks": 160.0},
            "it is mostly noise (grain 4, in training",
        ),
        (
            {"detail_um": 14.0},
            "coarser: larger nuclei, blur, or a pixel size stated too large (14 micro",
        ),
        ({"detail_um": 2.5}, "finer: smaller nuclei, or a pixel size stated too small (2.5 micro"),
        (
            {"peaks": 80.0},
            "it has more nuclei (80 peaks per square of 100 micrometres, in training 20)",
        ),
        ({"peaks": 3.0}, "it has fewer nuclei (3 peaks"),
    ],
)
def test_what_differs_is_named_with_its_value(changes, words):
    fit = compare(SECTIONS, appearance(**changes))
    assert fit.distance > 1
    sentence = misfit(fit, "x.zarr", "s")
    assert sentence.startswith(
        "x.zarr: does not look like the training sections of the model set 's'"
    )
    assert words in sentence


def test_small_departures_add_up():
    changes = {"skewness": 1.6, "detail_um": 8.6, "grain": 0.2, "peaks": 12.0}
    for name, value in changes.items():
        assert compare({"a": SECTIONS["a.zarr"]}, appearance(**{name: value})).distance < 2
    fit = compare({"a": SECTIONS["a.zarr"]}, appearance(**changes))
    assert fit.distance == pytest.approx(np.hypot.reduce(list(fit.departures.values())), abs=2e-3)
    assert misfit(fit, "x.zarr", "s") is not None


def test_without_statistics_in_the_cards_nothing_is_checked(tmp_path):
    sections = training_appearances(model_set(tmp_path, [{"name": "a.zarr"}]))
    fit = compare(sections, appearance(skewness=-9.0))
    assert not fit.checked
    assert "hold no statistics" in fit.reason
    assert misfit(fit, "x.zarr", "s") is None


def test_a_slide_with_too_little_tissue_is_not_checked():
    fit = compare(SECTIONS, None)
    assert (fit.checked, fit.distance) == (False, None)
    assert "too little tissue" in fit.reason
    assert misfit(fit, "x.zarr", "s") is None


@pytest.mark.parametrize("sections", ["two", [3], None, [{"name": "a", "appearance": None}]])
def test_a_provenance_of_other_form_counts_as_without_statistics(tmp_path, sections):
    assert training_appearances(model_set(tmp_path, sections)) == {}


@pytest.mark.parametrize("spoiled", [[3, 2, 1], [1, 2], ["a", 1, 2], [1, 2, float("nan")], None])
def test_statistics_that_cannot_be_read_are_refused(tmp_path, spoiled):
    plain = to_plain(appearance())
    models = model_set(tmp_path, [{"name": "a.zarr", "appearance": {**plain, "grain": spoiled}}])
    with pytest.raises(ModelError, match="'appearance' of a section in its card cannot be read"):
        training_appearances(models)


def test_statistics_survive_the_way_through_a_card(tmp_path):
    plain = json.loads(json.dumps(to_plain(SECTIONS["b.zarr"])))
    models = model_set(tmp_path, [{"name": "b.zarr", "appearance": plain}, {"name": "c.zarr"}])
    assert training_appearances(models) == {"b.zarr": SECTIONS["b.zarr"]}


def test_the_record_of_a_comparison_survives_json():
    fit = compare(SECTIONS, appearance())
    plain = json.loads(json.dumps(to_plain(fit), allow_nan=False))
    assert parse_fields(RunFit, plain) == fit
    assert "fit" in RunRecord.__dataclass_fields__
