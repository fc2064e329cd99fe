"""Empty parts of a slide: skipped alike in any tile, and only where the networks agree or it is asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import FakePredictor, fake_ensemble, fake_plan, put_together, write_slide
from hypothesis import given, settings
from hypothesis import strategies as st

from morphinfer import Options, load_models, segment, segment_array
from morphinfer.errors import ModelError
from morphinfer.geometry import Window
from morphinfer.records import Skipping
from morphinfer.runs.background import SAMPLES, sample_windows, with_skipping
from morphinfer.tiles.empty_positions import find_empty
from morphinfer.tiles.normalisation import Normalisation
from morphinfer.tiles.tiling import gather_tile, read_block
from networks import classes_named, nuclei, save_set

BACKGROUND = 2
CLASSES = classes_named("tissue", "GeneA", "background", "GeneB")
NO_BACKGROUND = classes_named("glass", "tissue", "GeneA", "GeneB")
GLASS = (replace(NO_BACKGROUND[0], role="background"), *NO_BACKGROUND[1:])


def islands(height, width, seed=0):
    """Dim glass with a few rectangles of nuclei."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 21, (height, width)).astype(np.uint8)
    for _ in range(3):
        row, col = rng.integers(0, height), rng.integers(0, width)
        part = image[row : row + height // 4 + 1, col : col + width // 4 + 1]
        part[:] = rng.integers(60, 255, part.shape)
    return image


def plan_of(image, *, on, dark=None, sizes=(14, 4), **changes):
    predictor = FakePredictor(*sizes, dark=dark)
    plan = fake_plan(image, predictor, classes=CLASSES, **changes)
    return replace(
        plan, skipping=Skipping(on=on, reason="a test", background=BACKGROUND)
    ), predictor


def empty_of(plan):
    """Which positions are empty, decided on the whole image at once."""
    window = Window(0, 0, *plan.tiling.shape)
    tile = gather_tile(plan.tiling, read_block(plan.tiling, window), window, plan.intensity)
    tiling = plan.tiling
    return find_empty(tile, tiling.shape, tiling.patch_size_px, tiling.stride_px)


sides = st.integers(1, 160)
patches_and_strides = st.sampled_from([(14, 4), (14, 1), (20, 8), (6, 10)])


@settings(max_examples=30)
@given(sides, sides, st.integers(0, 99), patches_and_strides, st.sampled_from([4, 40, 90, 500]))
def test_only_empty_positions_change_and_they_are_background(height, width, seed, sizes, tile_px):
    image = islands(height, width, seed)
    plain, _ = plan_of(image, on=False, sizes=sizes)
    skipping, _ = plan_of(image, on=True, sizes=sizes, tile_px=tile_px, workers=2)
    empty = empty_of(plain)
    (labels, total), (wanted, wanted_total) = put_together(skipping), put_together(plain)
    np.testing.assert_array_equal(labels[~empty], wanted[~empty])
    np.testing.assert_array_equal(total[:, ~empty], wanted_total[:, ~empty])
    assert (labels[empty] == BACKGROUND).all()
    assert (total[:, empty] == np.eye(4)[BACKGROUND][:, None]).all()


@settings(max_examples=20)
@given(st.data(), st.integers(0, 99), st.sampled_from([4, 40]))
def test_rows_of_positions_skip_what_the_whole_skips(data, seed, tile_px):
    image = islands(150, 120, seed)
    labels, total = put_together(plan_of(image, on=True, tile_px=500)[0])
    start = data.draw(st.integers(0, len(labels) - 1))
    stop = data.draw(st.integers(start + 1, len(labels)))
    part, soft = put_together(plan_of(image, on=True, tile_px=tile_px)[0], start, stop)
    np.testing.assert_array_equal(part[start:stop], labels[start:stop])
    np.testing.assert_array_equal(soft[:, start:stop], total[:, start:stop])


def test_empty_positions_are_not_computed():
    image = np.zeros((400, 400), np.uint8)
    image[100:140, 200:240] = 200
    plan, predictor = plan_of(image, on=True, tile_px=100)
    put_together(plan)
    computed = sum(height * width for height, width in predictor.calls)
    assert computed < 0.1 * 100 * 100


def test_a_slide_that_is_empty_all_over_runs_no_network():
    plan, predictor = plan_of(np.zeros((90, 70), np.uint8), on=True)
    labels, _ = put_together(plan)
    assert (labels == BACKGROUND).all()
    assert predictor.calls == []


# With networks


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    fixed = Normalisation("fixed", 0.0, 255.0)
    folder = tmp_path_factory.mktemp("models") / "set"
    return load_models(save_set(folder, normalisation=fixed))


@pytest.mark.parametrize("stride", [8, 4, 2])
def test_networks_skip_alike_in_any_tile_at_every_stride(models, stride):
    image = islands(230, 310, seed=4)

    def run(skip, tile_px):
        options = Options(
            stride_px=stride, tile_px=tile_px, skip_background=skip, provider="cpu", threads=2
        )
        return segment_array(image, pixel_size_um=0.65, models=models, options=options)

    whole, tiled, plain = run("on", 512), run("on", 48), run("off", 512)
    np.testing.assert_array_equal(tiled.labels, whole.labels)
    np.testing.assert_array_equal(tiled.probabilities, whole.probabilities)
    skipped = whole.probabilities[0] == 1
    assert 0.05 < skipped.mean() < 0.95
    np.testing.assert_array_equal(whole.labels[~skipped], plain.labels[~skipped])
    np.testing.assert_array_equal(
        whole.probabilities[:, ~skipped], plain.probabilities[:, ~skipped]
    )


# The decision


def decided(image, asked, dark, classes=CLASSES, **changes):
    predictor = FakePredictor(dark=dark)
    return with_skipping(fake_plan(image, predictor, classes=classes, **changes), asked).skipping


def test_auto_skips_where_the_networks_call_the_dark_background():
    found = decided(islands(700, 700), "auto", dark=BACKGROUND)
    assert found.on
    assert found.background == BACKGROUND
    assert "empty positions of a sample" in found.reason


@pytest.mark.parametrize("dark", [None, 0])
def test_auto_skips_nothing_where_the_networks_see_something_in_the_dark(dark):
    assert not decided(islands(700, 700), "auto", dark=dark).on


def test_auto_skips_nothing_where_random_networks_guess(models):
    from morphinfer.images.arrays import slide_from_array
    from morphinfer.networks.ensemble import load_ensemble
    from morphinfer.runs.plan import Plan

    slide = slide_from_array(islands(1500, 1500), 0.65)
    options = Options(provider="cpu", threads=1)
    ensemble = load_ensemble(models, options)
    labels = segment_array(
        islands(300, 300),
        pixel_size_um=0.65,
        models=ensemble,
        options=Options(skip_background="off"),
    ).labels
    rare = int(np.bincount(labels.ravel(), minlength=4).argmin())
    names = ["tissue", "GeneA", "GeneB", "GeneC"]
    names[rare] = "background"
    card = replace(models.card, classes=classes_named(*names))
    files = tuple(replace(f, card=replace(f.card, classes=card.classes)) for f in models.files)
    plan = Plan.of(slide, replace(ensemble, models=replace(models, files=files)), options)
    assert not with_skipping(plan, "auto").skipping.on


def test_auto_skips_nothing_on_a_slide_with_hardly_any_glass():
    found = decided(nuclei(400, 400) + np.uint8(60), "auto", dark=BACKGROUND)
    assert not found.on
    assert "0 of 0 empty positions" in found.reason


@given(st.integers(1, 300), st.integers(1, 300))
@settings(max_examples=15)
def test_the_decision_does_not_depend_on_tiles_or_workers(height, width):
    image = islands(height, width)
    one = decided(image, "auto", BACKGROUND, tile_px=8)
    assert one == decided(image, "auto", BACKGROUND, tile_px=900, workers=4)


@pytest.mark.parametrize("asked", ["auto", "off"])
def test_without_a_class_background_nothing_is_skipped(asked):
    assert not decided(islands(700, 700), asked, dark=0, classes=NO_BACKGROUND).on


def test_skipping_that_is_always_on_needs_a_class_background():
    message = (
        r"none of its classes has the role 'background' \(glass: target, tissue: tissue, GeneA"
    )
    with pytest.raises(ModelError, match=message):
        decided(islands(90, 90), "on", dark=0, classes=NO_BACKGROUND)


@pytest.mark.parametrize("asked", ["auto", "on"])
def test_the_role_decides_what_is_skipped_whatever_the_name(asked):
    found = decided(islands(700, 700), asked, dark=0, classes=GLASS)
    assert (found.on, found.background) == (True, 0)


def test_cells_of_any_background_class_agree_and_skipped_ones_get_the_first():
    classes = (CLASSES[0], CLASSES[2], *GLASS[:1], CLASSES[3])
    found = decided(islands(700, 700), "auto", dark=2, classes=classes)
    assert (found.on, found.background) == (True, 1)


@pytest.mark.parametrize(("asked", "on"), [("on", True), ("off", False)])
def test_what_was_asked_for_is_done_without_asking_the_networks(asked, on):
    predictor = FakePredictor(dark=None)
    plan = with_skipping(fake_plan(islands(99, 99), predictor, classes=CLASSES), asked)
    assert (plan.skipping.on, plan.skipping.reason) == (on, "requested")
    assert predictor.calls == []


@pytest.mark.parametrize(("asked", "dark", "on"), [
    ("auto", BACKGROUND, True), ("auto", None, False), ("on", None, True), ("off", 2, False),
])  # fmt: skip
def test_the_decision_stands_in_the_run_record(tmp_path, asked, dark, on):
    slide = write_slide(tmp_path / "s.zarr", islands(300, 300), chunk=64)
    ensemble = fake_ensemble(FakePredictor(dark=dark), classes=CLASSES)
    record = segment(slide, models=ensemble, options=Options(skip_background=asked)).record
    assert record.skipping.on is on
    assert record.skipping.reason


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_sample_windows_lie_on_the_slide(height, width):
    plan = fake_plan(np.zeros((1, 1), np.uint8))
    tiling = replace(plan.tiling, image=replace(plan.image, shape=(height, width)))
    found = sample_windows(replace(plan, tiling=tiling))
    assert len(found) == SAMPLES
    for window in found:
        assert min(window.row, window.col) >= 0
        assert window.row_stop <= tiling.shape[0]
        assert window.col_stop <= tiling.shape[1]
