"""The baselines, on small synthetic sections."""

from __future__ import annotations

from functools import partial
from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

pytest.importorskip("torch", reason="the baselines are trained as networks are: morphinfer[train]")

from morphinfer.classes import UNLABELLED
from morphinfer.geometry import Window
from morphinfer.phantom.section import Section as Phantom
from morphinfer_training.baselines import density as simple
from morphinfer_training.baselines import forest
from morphinfer_training.baselines import nuclei_features as features
from morphinfer_training.config import TrainConfig, parse_config
from morphinfer_training.learning.sections import Section
from morphinfer_training.learning.split import Split, split_section
from morphinfer_training.learning.validation import dice_of, mean_dice

SIDE = 768
CLASSES = 4
Trained = tuple[list[Section], list[Split], TrainConfig]


SMALL = forest.ForestSize(trees=12, positions=4000, tiles=24)
BASELINES = [
    simple.majority,
    simple.otsu_density,
    partial(forest.forest, size=SMALL),
    partial(forest.wider_forest, size=SMALL),
]


def synthetic(seed: int, offset: int = 0) -> Section:
    """A synthetic section whose brightness is normalised by its percentiles."""
    phantom = Phantom(seed, (SIDE, SIDE), 0.65)
    pixels = phantom.pixels(Window(0, 0, SIDE, SIDE)).astype(np.float32)
    low, high = np.percentile(pixels, [40, 97])
    image = ((pixels - low) / (high - low)).clip(-0.5, 2).astype(np.float32)
    labels = phantom.regions(Window(0, 0, SIDE // 8, SIDE // 8)).astype(np.uint8)
    return Section(f"synthetic {seed}", str(seed), image, labels, 1.0, synthetic=True)


@pytest.fixture(scope="module")
def trained() -> Trained:
    config = parse_config(
        {
            "name": "synthetic",
            "sections": [{"slide": "s.zarr", "reference": "r.zarr"}],
            "patch_sizes_px": [48],
            "validation": {"block_um": 60.0},
        },
        "synthetic.toml",
    )
    section = synthetic(1)
    return [section], [split_section(section.labels, config, 0)], config


@pytest.fixture(scope="module")
def fitted(trained):
    return [make(*trained) for make in BASELINES]


def dice(predictor, section: Section) -> float:
    found = predictor(section.image)
    known = section.labels != UNLABELLED
    return mean_dice(dice_of(section.labels[known], found[known], CLASSES))


def blobs(*places: tuple[int, int], side: int = 328, radius: float = 5.0, height: float = 1.0):
    rows, cols = np.indices((side, side))
    image = np.zeros((side, side), np.float32)
    for row, col in places:
        image[np.hypot(rows - row, cols - col) <= radius] = height
    return image


def test_each_baseline_beats_the_weaker_ones_on_another_synthetic_section(fitted):
    unseen = synthetic(2)
    reached = [dice(each, unseen) for each in fitted[:3]]
    assert reached == sorted(reached)
    assert len(set(reached)) == len(reached)


def test_the_forest_is_the_same_each_time(trained, fitted):
    image = synthetic(2).image
    again = BASELINES[2](*trained)
    np.testing.assert_array_equal(fitted[2](image), again(image))


def test_every_baseline_gives_a_class_to_each_position_of_a_slide_of_any_size(fitted):
    image = np.zeros((203, 129), np.float32)
    for each in fitted:
        found = each(image)
        assert found.dtype == np.uint8
        assert found.shape == (26, 17)
        assert found.max() < CLASSES


def test_a_forest_predicts_the_scored_positions_alike_and_no_other_block(trained, fitted):
    (section,), (split,), _ = trained
    scored = split.validation & (np.indices(split.validation.shape)[1] < 20)
    part = fitted[2](section.image, scored)
    np.testing.assert_array_equal(fitted[2](section.image)[scored], part[scored])
    assert not part[:, 20:].any()


def test_the_majority_is_counted_at_training_positions_alone(trained):
    sections, (split,), config = trained
    labels = sections[0].labels
    only = Split(split.train & (labels == 3), split.validation)
    assert simple.majority(sections, [only], config).value == 3


def test_thresholds_are_the_best_of_all_choices():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 300).astype(np.uint8)
    density = np.round(labels * 0.2 + rng.normal(0, 0.15, 300), 1).astype(np.float32)
    order = np.array([0, 1, 2], np.uint8)
    thresholds, reached = simple.best_thresholds(density, labels, order)

    def score(limits):
        found = np.searchsorted(limits, density, side="right")
        return mean_dice(dice_of(labels, found, 3))

    every = combinations_with_replacement([-np.inf, *np.unique(density), np.inf], 2)
    assert reached == pytest.approx(max(map(score, every)))
    assert reached == pytest.approx(score(thresholds))


def test_classes_are_ordered_by_their_density():
    density = np.array([0.9, 0.1, 0.5, 0.7], np.float32)
    labels = np.array([1, 3, 0, 1], np.uint8)
    assert simple.by_density(density, labels).tolist() == [3, 0, 1]


def test_density_is_the_share_of_bright_area(trained):
    image = np.zeros((400, 400), np.float32)
    image[:, 1::4] = 1.0
    density = simple.nuclei_density(image, 10.0, trained[2])
    np.testing.assert_allclose(density, 0.25, atol=1e-6)


def test_the_forest_learns_from_equal_parts_of_the_classes():
    labels = np.repeat(np.arange(3, dtype=np.uint8), [1000, 200, 30])
    drawn = forest._balanced(labels, 300, np.random.default_rng(0))
    assert np.bincount(labels[drawn]).tolist() == [100, 100, 30]
    assert len(np.unique(drawn)) == len(drawn)


def test_a_nucleus_is_found_once_with_its_area():
    nuclei = features.find_nuclei(blobs((100, 100), (100, 160)), 0.65)
    assert nuclei.places.tolist() == [[100, 100], [100, 160]]
    area, contrast, elongation, spacing = nuclei.measures[:, [0, 1, 4, 5]].T
    np.testing.assert_allclose(area, np.pi * 25 * 0.65**2, rtol=0.1)
    np.testing.assert_allclose(contrast, 1.0, atol=0.02)
    np.testing.assert_allclose(elongation, 1.0, atol=0.05)
    np.testing.assert_allclose(spacing, 60 * 0.65, rtol=1e-6)


def test_a_long_nucleus_is_elongated():
    image = np.zeros((200, 200), np.float32)
    rows, cols = np.indices(image.shape)
    image[((rows - 100) / 7) ** 2 + ((cols - 100) / 3.5) ** 2 <= 1] = 1.0
    nuclei = features.find_nuclei(image, 0.65)
    assert len(nuclei.places) == 1
    assert nuclei.measures[0, 4] == pytest.approx(2.0, rel=0.1)


def test_each_position_with_a_whole_patch_has_features():
    patch = features.patch_px(0.65, 8)
    tile = np.zeros((patch + 8 * 4, patch + 8 * 2), np.float32)
    found = features.position_features(tile, 0.65, 8)
    assert found.shape[:2] == (5, 3)
    assert np.isfinite(found).all()


def test_a_patch_holds_the_largest_radius():
    for pixel_size_um in (0.325, 0.65, 1.0):
        patch = features.patch_px(pixel_size_um, 8)
        assert patch * pixel_size_um >= 2 * features.RADII_UM[-1]
        assert patch % 16 == 8


def test_features_move_with_the_nuclei():
    patch = features.patch_px(0.65, 8)
    side = patch + 8 * 20
    rng = np.random.default_rng(5)
    places = [tuple(p) for p in rng.integers(120, side - 120, (12, 2))]
    here = features.position_features(blobs(*places, side=side), 0.65, 8)
    there = features.position_features(blobs(*((r + 16, c) for r, c in places), side=side), 0.65, 8)
    np.testing.assert_allclose(here[4:-6, 4:-4], there[6:-4, 4:-4], rtol=1e-3, atol=1e-3)


def variance_between(values, threshold):
    low, high = values[values < threshold], values[values >= threshold]
    return len(low) * len(high) * (low.mean() - high.mean()) ** 2


@given(hnp.arrays(np.float64, st.integers(2, 40), elements=st.integers(0, 50).map(float)))
@example(np.array([0.0, 9.0, 12.0, 21.0]))
def test_otsus_threshold_separates_as_well_as_any_other(values):
    assume(len(np.unique(values)) > 1)
    chosen = variance_between(values, simple.otsu_threshold(values, bins=5000))
    best = max(variance_between(values, t) for t in np.unique(values)[1:])
    assert chosen == pytest.approx(best, rel=1e-2)


def test_otsus_threshold_of_equal_values_is_that_value():
    assert simple.otsu_threshold(np.full(9, 3.5)) == 3.5
