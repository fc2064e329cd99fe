"""Seams: changes of class at tile borders, counted in bands, against the same grid moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from run_records import RECORD

from morphinfer.classes import UNLABELLED, default_classes
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.label_image import LABEL_CHUNK, create_labels
from morphinfer.images.labels.opening import open_labels
from morphinfer.reports.seams import (
    SeamCheck,
    check_seams,
    count_changes,
    find_seams,
    seams_json,
    verdict,
)

CLASSES = default_classes(("background", "tissue", "GeneA", "GeneB"))


@pytest.fixture
def make(tmp_path):
    def build(values, record=None, chunk=LABEL_CHUNK):
        path = tmp_path / f"l{len(list(tmp_path.iterdir()))}.zarr"
        with create_labels(
            path,
            grid=PixelGrid(values.shape, 4.0, (0.0, 0.0)),
            classes=CLASSES,
            chunk=chunk,
            record=None if record is None else record.to_json(),
        ) as out:
            out.write(Window(0, 0, *values.shape), values.astype(np.uint8))
        return open_labels(path)

    return build


def blobs(height, width, seed=0):
    """Smooth synthetic regions, without any grid."""
    noise = np.fft.rfft2(np.random.default_rng(seed).normal(size=(height, width)))
    rows, cols = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    noise = np.fft.irfft2(noise * np.exp(-2000 * (rows**2 + cols**2)), (height, width))
    return np.digitize(noise, np.quantile(noise, (0.3, 0.6, 0.8)))


def tiled(row_edges, col_edges):
    """A run record with these borders of tiles."""
    tiling = replace(RECORD.tiling, row_edges=row_edges, col_edges=col_edges)
    return replace(RECORD, tiling=tiling)


def test_changes_are_those_between_neighbours(make):
    values = np.random.default_rng(0).choice([0, 1, 2, UNLABELLED], (37, 23))
    down, across = count_changes(make(values, chunk=8))
    labelled = values != UNLABELLED
    for changes, first, second, first_has, second_has, axis in (
        (down, values[:-1], values[1:], labelled[:-1], labelled[1:], 1),
        (across, values[:, :-1], values[:, 1:], labelled[:, :-1], labelled[:, 1:], 0),
    ):
        both = first_has & second_has
        assert (changes.pairs[0], changes.changed[0]) == (0, 0)
        np.testing.assert_array_equal(changes.pairs[1:], both.sum(axis=axis))
        differs = both & (first != second)
        np.testing.assert_array_equal(changes.changed[1:], differs.sum(axis=axis))


def test_a_label_image_without_seams_shows_none(make):
    seams = find_seams(
        count_changes(make(blobs(200, 300))), (50, 100, 150), (50, 100, 150, 200, 250)
    )
    assert seams.borders == 8
    assert seams.seen is False
    assert 0.7 < seams.ratio < 1.4
    assert len(seams.offsets) == len(seams.shares) == 49
    assert "no sign of seams" in verdict(seams)


def test_tiles_that_differ_are_seen(make):
    values = blobs(200, 300)
    values[50:100, 100:150] = (values[50:100, 100:150] + 1) % 4
    seams = find_seams(count_changes(make(values)), (50, 100, 150), (50, 100, 150, 200, 250))
    assert seams.seen is True
    assert seams.reached == 0
    assert "the tiles show" in verdict(seams)
    assert seams_json(SeamCheck(verdict(seams), seams))["seen"] is True


def test_shares_are_those_of_the_pairs_that_borders_cut(make):
    values = np.zeros((4, 6))
    values[:, 3:] = 1
    seams = find_seams(count_changes(make(values)), (2,), (3,))
    assert seams.at_borders == pytest.approx(4 / (4 + 6))
    assert seams.elsewhere == 0
    assert seams.ratio is None
    assert seams.seen is None
    assert dict(zip(seams.offsets, seams.shares, strict=True)) == {-1: 0.0, 1: 0.0}


def test_one_tile_has_no_borders(make):
    check = check_seams(make(blobs(60, 60), tiled((), ())))
    assert seams_json(check) == {
        "verdict": "There is one tile only, so there are no borders to check (n/a)."
    }


def test_borders_are_those_of_the_run_record(make):
    image = make(blobs(150, 140), tiled((50, 100), (70,)))
    assert check_seams(image).seams == find_seams(count_changes(image), (50, 100), (70,))


def test_the_verdict_says_that_the_record_states_no_borders(make):
    for record in (tiled(None, None), replace(RECORD, tiling=None)):
        verdict = check_seams(make(blobs(20, 20), record)).verdict
        assert "does not state the tile borders" in verdict


def test_edges_off_the_label_image_are_no_borders(make):
    changes = count_changes(make(blobs(60, 60)))
    assert find_seams(changes, (0, 60), (99,)) is None
