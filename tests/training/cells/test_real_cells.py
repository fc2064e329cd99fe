"""Classes of the cells of real sections equal direct look-ups; skipped where the sections are absent."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from morphinfer import Options, segment
from morphinfer.classes import UNLABELLED
from morphinfer.images.writing.multiscale import create_image
from morphinfer_training.cells import classify_cells

DATA = Path(os.environ.get("MORPHINFER_DATA", Path(__file__).parents[4] / "shared" / "data"))
SIDE = 600
"""Side of the part that is segmented, in pixels."""


@pytest.mark.parametrize(
    ("section", "models", "pixel_um", "file", "corner"),
    [
        ("septum_1", "septum", 0.30, "cell_counts.parquet", (3300, 4300)),
        ("ca1", "hippocampus", 0.325, "spots.parquet", (1500, 1900)),
    ],
)
def test_the_cells_of_a_section_have_the_classes_of_their_positions(
    tmp_path, section, models, pixel_um, file, corner
):
    if not (DATA / section).is_dir():
        pytest.skip(f"{DATA / section} is not there; set MORPHINFER_DATA to the real sections")
    import tifffile

    row, col = corner
    image = tifffile.imread(DATA / section / "nuclei.tif")[row : row + SIDE, col : col + SIDE]
    with create_image(
        tmp_path / "s.zarr", shape=image.shape, dtype=np.uint8, pixel_size_um=pixel_um, channel="D"
    ) as writer:
        writer.write(np.ascontiguousarray(image))
    options = Options(provider="cpu", probabilities=True, uncertainty=True)
    result = segment(tmp_path / "s.zarr", models=models, options=options)
    spots = pq.read_table(DATA / section / file, columns=["x", "y"])
    x, y = np.unique(np.stack([spots["x"], spots["y"]]), axis=1)
    pq.write_table(pa.table({"x": x, "y": y}), tmp_path / "cells.parquet")
    found = classify_cells(result.labels, tmp_path / "cells.parquet", shift=(-col, -row))

    grid = result.grid
    i, j = ((places + 0.5) * pixel_um / grid.pixel_size_um for places in (y - row, x - col))
    i, j = np.floor(i + 1e-6).astype(int), np.floor(j + 1e-6).astype(int)
    inside = (i >= 0) & (i < grid.shape[0]) & (j >= 0) & (j < grid.shape[1])
    assert np.count_nonzero(inside) > 20
    np.testing.assert_array_equal(found.inside, inside)
    assert (found.value[~inside] == UNLABELLED).all()
    i, j, value = i[inside], j[inside], found.value[inside]
    labels = result.labels.image.levels[0].array[:, :]
    np.testing.assert_array_equal(value, labels[i, j])
    stored = result.probabilities[:][value, i, j], result.uncertainty[:][i, j]
    for share, layer in zip((found.probability, found.uncertainty), stored, strict=True):
        np.testing.assert_allclose(share[inside], layer / 255, atol=1e-4)
