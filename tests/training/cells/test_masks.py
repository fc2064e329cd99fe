"""Centres of labelled nuclei are those of their pixels, whatever the bands and the file."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from morphinfer.errors import SlideError, SpotsError
from morphinfer.geometry import PixelGrid
from morphinfer.images import create_image
from morphinfer_training.cells import classify_cells
from morphinfer_training.cells import masks as module
from morphinfer_training.cells.masks import read_masks

pytest_plugins = ["label_images"]
RNG = np.random.default_rng(5)
MASKS = np.kron(RNG.integers(0, 60, (12, 15)), np.ones((5, 4), int)).astype(np.uint32) * 70001
FRAME = PixelGrid(MASKS.shape, 0.5, (3.0, 7.0))


def centres():
    return {
        int(n): tuple(np.mean(np.nonzero(n == MASKS), axis=1)) for n in np.unique(MASKS[MASKS > 0])
    }


def written(folder, masks=MASKS, **choices):
    path = folder / "masks.zarr"
    choices = {"pixel_size_um": 0.5, "origin_um": FRAME.origin_um, **choices}
    with create_image(
        path, shape=masks.shape, dtype=masks.dtype, reduction="mode", **choices
    ) as out:
        out.write(masks)
    return path


def test_each_nucleus_has_the_mean_of_its_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 7)
    cells = read_masks(written(tmp_path), FRAME)
    found = dict(zip(cells.names.to_pylist(), zip(cells.row, cells.col, strict=True), strict=True))
    assert found == {n: pytest.approx(place) for n, place in centres().items()}


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.int32])
def test_a_tiff_file_is_on_the_pixels_of_the_slide(tmp_path, dtype):
    small = (MASKS // 70001).astype(dtype)
    tifffile.imwrite(tmp_path / "masks.tif", small)
    cells = read_masks(tmp_path / "masks.tif", FRAME)
    assert cells.names.to_pylist() == sorted(set(small.ravel().tolist()) - {0})
    assert cells.row == pytest.approx([place[0] for place in centres().values()])


def test_masks_of_other_pixels_lie_where_their_metadata_say(tmp_path):
    cells = read_masks(
        written(tmp_path, pixel_size_um=2.0, origin_um=(5.0, 3.0)),
        PixelGrid((9, 9), 0.5, (3.0, 7.0)),
    )
    row, col = (np.array(each) for each in zip(*centres().values(), strict=True))
    assert cells.row == pytest.approx((row * 2 + 5 - 3.25) / 0.5)
    assert cells.col == pytest.approx((col * 2 + 3 - 7.25) / 0.5)
    assert cells.x == pytest.approx(col)


def test_what_holds_no_nuclei_is_refused(tmp_path):
    with pytest.raises(SpotsError, match="all pixels are 0"):
        read_masks(written(tmp_path, MASKS * 0), FRAME)
    tifffile.imwrite(tmp_path / "f.tif", MASKS.astype(np.float32))
    with pytest.raises(SpotsError, match="pixels of float32"):
        read_masks(tmp_path / "f.tif", FRAME)
    tifffile.imwrite(tmp_path / "other.tif", MASKS[:9].astype(np.uint16))
    with pytest.raises(SlideError, match="pixel size"):
        read_masks(tmp_path / "other.tif", FRAME)


def test_nuclei_get_the_class_at_their_centre(make, tmp_path):
    values = RNG.integers(0, 4, (8, 8), np.uint8)
    labels = make(values, 4.0, (3.0, 7.0))
    slide = written(tmp_path)
    found = classify_cells(labels, slide, masks=True, slide=slide)
    expected = [
        values[int((row + 0.5) * 0.5 / 4), int((col + 0.5) * 0.5 / 4)]
        for row, col in centres().values()
    ]
    assert found.value.tolist() == expected
    with pytest.raises(SpotsError, match="leave out"):
        classify_cells(labels, slide, masks=True, slide=slide, unit="pixel")
