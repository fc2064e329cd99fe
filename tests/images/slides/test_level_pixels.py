"""A coarser level is used only where its pixels are those of level 0, shrunk (contract C9)."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, maximum_filter

from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.arrays import slide_from_array
from morphinfer.images.opening import open_slide
from morphinfer.images.slides.level_checks import MOST_COMPARED_BYTES, verify_level_for
from morphinfer.images.slides.levels import Level
from morphinfer.tiles import ModelImage
from networks import nuclei

UM = 0.65


def mean(image, k):
    height, width = (n // k for n in image.shape)
    blocks = image[: height * k, : width * k].reshape(height, k, width, k)
    return blocks.mean((1, 3)).astype(image.dtype)


def filtered(image, k, function, start):
    smooth = function(image.astype(np.float32)).astype(image.dtype)
    return smooth[start::k, start::k][: image.shape[0] // k, : image.shape[1] // k]


SOUND = {
    "mean": mean,
    "nearest": lambda image, k: filtered(image, k, lambda a: a, 0),
    "central pixel": lambda image, k: filtered(image, k, lambda a: a, k // 2),
    "gaussian": lambda image, k: filtered(image, k, lambda a: gaussian_filter(a, k / 3), 0),
    "wide gaussian": lambda image, k: filtered(
        image, k, lambda a: gaussian_filter(a, k * 0.8), k // 2
    ),
    "maximum": lambda image, k: filtered(image, k, lambda a: maximum_filter(a, k), k // 2),
}
WRONG = {
    "blank": lambda image, k: mean(image, k) * 0,
    "constant": lambda image, k: np.full_like(mean(image, k), 57),
    "blank below": lambda image, k: np.where(
        np.indices(mean(image, k).shape)[0] < 60, mean(image, k), 0
    ),
    "of another image": lambda image, k: mean(image, k)[::-1, ::-1],
    "mirrored": lambda image, k: mean(image, k)[:, ::-1],
    "shifted": lambda image, k: np.roll(mean(image, k), 6, 0),
    "inverted": lambda image, k: image.max() - mean(image, k),
    "brighter": lambda image, k: mean(image, k) * 3 + 20,
    "darker": lambda image, k: mean(image, k) // 5,
}


def stained(dtype="uint16", shape=(520, 640)):
    image = nuclei(*shape).astype(np.float32)
    image += np.random.default_rng(3).normal(12, 2, shape)
    return (image.clip(0) * {"uint8": 0.6, "uint16": 30, "float32": 1 / 255}[dtype]).astype(dtype)


def with_level(image, level, k, chunk=256):
    """Slide of two levels in memory."""
    slide = slide_from_array(image, UM, chunk=chunk)
    coarse = Level(
        level.astype(image.dtype), PixelGrid(level.shape, UM * k, (0, 0)), (chunk, chunk), "1"
    )
    return replace(slide, levels=(*slide.levels, coarse))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("kind", SOUND)
def test_levels_of_sound_pyramids_are_used(kind, k, dtype):
    image = stained(dtype)
    slide = verify_level_for(with_level(image, SOUND[kind](image, k), k), UM * k)
    assert (len(slide.levels), slide.warnings) == (2, ())


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("kind", WRONG)
def test_a_level_that_differs_from_level_0_is_left_out_with_a_warning(kind, k, caplog):
    image = stained()
    with caplog.at_level(logging.WARNING):
        slide = verify_level_for(with_level(image, WRONG[kind](image, k), k), UM * k)
    assert len(slide.levels) == 1
    assert slide.warnings == tuple(caplog.messages)
    assert "array: level '1' is left out: " in slide.warnings[0]


@settings(max_examples=20)
@given(st.integers(2, 5), st.integers(0, 4), st.integers(0, 4), st.booleans())
def test_levels_of_any_whole_factor_and_cut_are_used(k, rows, cols, nearest):
    image = stained(shape=(330 + rows, 330 + cols))
    level = SOUND["nearest" if nearest else "mean"](image, k)
    assert not verify_level_for(with_level(image, level, k, chunk=100), UM * k).warnings


def test_a_level_of_noise_follows_noise(noise):
    image = noise(300, 300)
    assert len(verify_level_for(with_level(image, mean(image, 2), 2), 2 * UM).levels) == 2
    assert len(verify_level_for(with_level(image, noise(150, 150, seed=8), 2), 2 * UM).levels) == 1


def test_a_small_tissue_in_a_large_frame_is_found():
    image = np.zeros((2000, 2000), np.uint16)
    image[1500:1700, 300:500] = stained(shape=(200, 200))
    assert not verify_level_for(with_level(image, mean(image, 2), 2), 2 * UM).warnings
    assert verify_level_for(with_level(image, mean(image, 2) * 0, 2), 2 * UM).warnings


def test_a_level_that_nothing_can_verify_is_left_out():
    image = np.zeros((300, 300), np.uint16)
    slide = verify_level_for(with_level(image, mean(image, 2), 2), 2 * UM)
    assert len(slide.levels) == 1
    assert "level '0' shows no structure" in slide.warnings[0]


def test_the_next_level_is_verified_in_turn():
    image = stained()
    slide = with_level(image, mean(image, 2), 2)
    third = with_level(image, mean(image, 4) * 0, 4).levels[1]
    slide = verify_level_for(replace(slide, levels=(*slide.levels, replace(third, path="2"))), 9)
    assert [level.path for level in slide.levels] == ["0", "1"]
    assert ["level '2' is left out" in text for text in slide.warnings] == [True]


def test_a_level_that_was_verified_is_not_read_again():
    image = stained()
    slide = verify_level_for(with_level(image, mean(image, 2), 2), 2 * UM)
    broken = replace(slide.levels[1], array=None)
    assert (
        verify_level_for(replace(slide, levels=(slide.levels[0], broken)), 2 * UM).levels[1]
        is broken
    )


def test_levels_that_are_not_used_are_not_looked_at():
    image = stained()
    slide = with_level(image, mean(image, 2) * 0, 2)
    assert verify_level_for(slide, UM) is slide


def test_a_level_whose_chunks_are_too_large_to_compare_is_used_with_a_warning(monkeypatch):
    image = stained()
    monkeypatch.setattr("morphinfer.images.slides.level_checks.MOST_COMPARED_BYTES", 100_000)
    slide = verify_level_for(with_level(image, mean(image, 2) * 0, 2), 2 * UM)
    assert len(slide.levels) == 2
    assert "used without being compared with level '0', since chunks of" in slide.warnings[0]
    assert MOST_COMPARED_BYTES > 100_000


def test_few_pixels_of_both_levels_are_read(monkeypatch):
    image = stained(shape=(1536, 1536))
    slide = with_level(image, mean(image, 2), 2)
    areas = []
    read = type(slide).read

    def count(self, window: Window, level: int = 0):
        areas.append(window.height * window.width)
        return read(self, window, level)

    monkeypatch.setattr(type(slide), "read", count)
    verify_level_for(slide, 2 * UM)
    assert sum(areas[1:]) < 8 * 256 * 256  # the first is the guide, the level itself here


@pytest.mark.parametrize("axes", ["zyx", "czyx"])
def test_the_levels_of_a_stack_are_compared_by_a_plane(make_slide, axes):
    rng = np.random.default_rng(0)
    planes = np.stack([stained(shape=(200, 200)) * rng.random() for _ in range(6)]).astype("uint16")
    levels = [planes, np.stack([mean(plane, 2) for plane in planes])]
    levels = [level[np.newaxis] if "c" in axes else level for level in levels]
    slide = open_slide(make_slide(*levels, axes=axes, chunk=64))
    assert not verify_level_for(slide, 1.0).warnings
    levels[1] = levels[1][..., ::-1, :]
    slide = open_slide(make_slide(*levels, axes=axes, chunk=64))
    assert verify_level_for(slide, 1.0).warnings


def test_the_model_image_reads_level_0_where_a_level_differs(make_slide):
    image = stained()
    path = make_slide(image, mean(image, 2) * 0, scales=[UM / 2, UM], chunk=128)
    wrong = ModelImage.of(open_slide(path), UM)
    assert wrong.level == 0
    assert "level 's1' is left out" in wrong.slide.warnings[0]
    expected = ModelImage.of(slide_from_array(image, UM / 2), UM)
    whole = Window(0, 0, *expected.shape)
    np.testing.assert_array_equal(wrong.read(whole), expected.read(whole))


def test_a_damaged_chunk_of_a_coarse_level_leaves_it_out(make_slide):
    image = stained()
    path = make_slide(image, mean(image, 2), chunk=128)
    for file in (path / "s1" / "c").rglob("*"):
        if file.is_file():
            file.write_bytes(b"garbage")
    slide = verify_level_for(open_slide(path), 1.0)
    assert len(slide.levels) == 1
    assert "cannot be read" in slide.warnings[0]


def test_a_damaged_chunk_of_level_0_is_passed_over(make_slide):
    image = stained(shape=(512, 512))
    path = make_slide(image, mean(image, 2), chunk=64)
    (path / "s0" / "c" / "3" / "3").write_bytes(b"garbage")
    assert len(verify_level_for(open_slide(path), 1.0).levels) == 2


def test_a_level_that_was_never_written_is_left_out(make_slide):
    image = stained()
    path = make_slide(image, mean(image, 2), chunk=64)
    zarr.create_array(
        str(path / "s1"), shape=(260, 320), chunks=(64, 64), dtype="uint16", overwrite=True
    )
    assert len(verify_level_for(open_slide(path), 1.0).levels) == 1


def test_a_level_without_one_chunk_that_level_0_has_is_left_out(make_slide):
    image = stained(shape=(1024, 1024))
    path = make_slide(image, mean(image, 2), mean(image, 4), chunk=64)
    assert len(verify_level_for(open_slide(path), 1.0).levels) == 3
    (path / "s1" / "c" / "6" / "1").unlink()
    slide = verify_level_for(open_slide(path), 1.0)
    assert [level.path for level in slide.levels] == ["s0", "s2"]
    assert "level 's1' is left out: around its row 4" in slide.warnings[0]
