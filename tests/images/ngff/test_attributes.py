"""NGFF metadata that are written: read back as they were built, with all levels at one place."""

from __future__ import annotations

import pytest

from morphinfer.images.ngff.attributes import image_attributes, label_attributes
from morphinfer.images.ngff.multiscales import parse_multiscale

WINDOW = {"start": 0.0, "end": 9.0, "min": 0.0, "max": 255.0}


def attributes(version="0.5", **changes):
    start = {"name": "n", "level_paths": ["0", "1", "2"], "pixel_size_um": 0.5}
    return image_attributes(version=version, **{**start, "origin_um": (3.0, 4.0), **changes})


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_attributes_that_were_built_are_read_back(version):
    meta = parse_multiscale(attributes(version, channel="DAPI", windows=[WINDOW]), "s")
    assert (meta.version, meta.axes, meta.channels) == (version, ("y", "x"), ("DAPI",))
    assert meta.units == ("micrometer", "micrometer")
    assert meta.datasets[0].translation == (3.0, 4.0)


def test_all_levels_share_their_outer_corner():
    datasets = parse_multiscale(attributes(), "s").datasets
    corners = {
        tuple(t - s / 2 for s, t in zip(d.scale, d.translation, strict=True)) for d in datasets
    }
    assert corners == {(2.75, 3.75)}


def test_channels_put_an_axis_in_front():
    meta = parse_multiscale(attributes(channels=["a", "b"], windows=[WINDOW] * 2), "s")
    assert (meta.axes, meta.channels) == (("c", "y", "x"), ("a", "b"))
    assert meta.datasets[1].scale == (1.0, 1.0, 1.0)


def test_an_image_without_a_pixel_size_gets_no_unit():
    assert parse_multiscale(attributes(pixel_size_um=None), "s").units == (None, None)


def test_each_labelled_channel_needs_a_window():
    with pytest.raises(ValueError, match="shorter"):
        attributes(channels=["a", "b"], windows=[WINDOW])


def test_classes_have_name_colour_and_role_in_an_image_label_block():
    metadata = label_attributes(
        [(0, "glass", "#000000", "background"), (2, "unlabelled", "#e69f00", None)], "0.4"
    )
    assert metadata["image-label"] == {
        "version": "0.4",
        "colors": [
            {"label-value": 0, "rgba": [0, 0, 0, 255]},
            {"label-value": 2, "rgba": [230, 159, 0, 255]},
        ],
        "properties": [
            {"label-value": 0, "class": "glass", "role": "background"},
            {"label-value": 2, "class": "unlabelled"},
        ],
    }
