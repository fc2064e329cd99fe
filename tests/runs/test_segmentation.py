"""The whole path on real (random) networks: contracts C1 to C5 and what is published."""

from __future__ import annotations

from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morphinfer import Options, load_models, open_slide, segment, segment_array
from morphinfer.classes import default_classes
from morphinfer.errors import AlignmentError, CancelledError, OutputError, SlideError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.label_image import create_labels
from morphinfer.images.labels.opening import open_labels
from morphinfer.images.writing.multiscale import create_image
from morphinfer.runs.steps import Progress
from morphinfer.tiles.model_image import ModelImage
from morphinfer.tiles.normalisation import Normalisation, measure_intensity
from morphinfer.tiles.tiling import read_model_image
from networks import nuclei, save_set

UM = 0.65
CPU = {"provider": "cpu", "threads": 1}


@pytest.fixture(scope="module")
def fixed_models(tmp_path_factory):
    """Networks that take intensities as they are, so that the smallest image has a contrast."""
    fixed = Normalisation("fixed", 0.0, 255.0)
    folder = tmp_path_factory.mktemp("models") / "fixed"
    return load_models(save_set(folder, normalisation=fixed))


@pytest.fixture
def slide_path(tmp_path):
    image = nuclei(301, 423)
    with create_image(
        tmp_path / "slide.zarr", shape=image.shape, dtype="uint8", pixel_size_um=UM, chunk=64
    ) as writer:
        writer.write(image)
    return tmp_path / "slide.zarr"


@settings(max_examples=25)
@given(
    shape=st.tuples(st.integers(1, 190), st.integers(1, 190)),
    tile_px=st.sampled_from([8, 24, 64, 1024]),
    um=st.sampled_from([0.65, 0.325, 0.5, 1.1]),
)
def test_the_label_image_is_the_same_for_any_tile_size(fixed_models, shape, tile_px, um):
    whole, tiled = (
        segment_array(
            nuclei(*shape),
            pixel_size_um=um,
            models=fixed_models,
            options=Options(tile_px=px, max_memory_mb=8000, skip_background="off", **CPU),
        )
        for px in (4096, tile_px)
    )
    np.testing.assert_array_equal(whole.labels, tiled.labels)
    np.testing.assert_allclose(whole.probabilities, tiled.probabilities, atol=1e-6)


@pytest.mark.parametrize("stride", [8, 4, 2, 1])
def test_dense_equals_windows_at_every_stride(random_models, stride):
    image = nuclei(57, 70)
    dense, windows = (
        segment_array(
            image,
            pixel_size_um=UM,
            models=random_models,
            options=Options(mode=mode, stride_px=stride, tile_px=40, **CPU),
        )
        for mode in ("dense", "windows")
    )
    assert dense.labels.shape == (-(-57 // stride), -(-70 // stride))
    np.testing.assert_allclose(dense.probabilities, windows.probabilities, atol=1e-5)


@pytest.mark.parametrize("shape", [(64, 64), (65, 64), (64, 127), (1, 1), (20, 300)])
def test_every_position_is_the_prediction_of_the_patch_centred_on_it(random_models, shape):
    image = nuclei(*shape)
    image.flat[0], image.flat[-1] = 255, image.flat[-1]
    if shape == (1, 1):
        with pytest.raises(SlideError, match="constant"):
            segment_array(image, pixel_size_um=UM, models=random_models)
        return
    result = segment_array(image, pixel_size_um=UM, models=random_models, options=Options(**CPU))
    from morphinfer.images.arrays import slide_from_array
    from morphinfer.networks.runtime import ProviderChoice
    from morphinfer.networks.session import Session

    card = random_models.card
    scaled = read_model_image(slide_from_array(image, UM), UM, card.normalisation)
    row, col = result.labels.shape[0] - 1, result.labels.shape[1] // 2
    total = 0.0
    for file in random_models.files:
        patch = file.card.patch_size_px
        padded = np.pad(scaled, patch, mode="symmetric")
        top, left = (round((k + 0.5) * 8 - patch / 2) + patch for k in (row, col))
        crop = padded[top : top + patch, left : left + patch]
        session = Session(file, ProviderChoice("cpu", ""), 1)
        total = total + session.run(np.ascontiguousarray(crop)[None, None])[0, :, 0, 0]
    np.testing.assert_allclose(result.probabilities[:, row, col], total / 2, atol=1e-6)


def test_the_label_image_lies_exactly_over_a_slide_with_a_pyramid_and_odd_sizes(
    tmp_path, random_models
):
    image = nuclei(611, 1203)
    with create_image(
        tmp_path / "s.zarr",
        shape=image.shape,
        dtype="uint8",
        pixel_size_um=0.21,
        origin_um=(100.0, -50.0),
    ) as writer:
        writer.write(image)
    slide = open_slide(tmp_path / "s.zarr")
    assert ModelImage.of(slide, UM).level == 1
    labels = segment(slide, models=random_models, options=Options(**CPU)).labels
    assert labels.image.grid.corner_um == pytest.approx(slide.grid.corner_um)
    assert labels.image.pixel_size_um == pytest.approx(8 * UM)
    far, slide_far = labels.image.grid.extent_um[2:], slide.grid.extent_um[2:]
    for ours, theirs in zip(far, slide_far, strict=True):
        assert -0.42 <= ours - theirs < 8 * UM


def test_stride_one_carries_the_half_pixel_in_its_translation(slide_path, random_models, tmp_path):
    options = Options(stride_px=1, **CPU)
    labels = segment(
        slide_path, models=random_models, out=tmp_path / "l.zarr", options=options
    ).labels
    assert labels.image.grid.corner_um == pytest.approx((-UM / 2, -UM / 2))


def test_a_resampled_read_by_bands_equals_the_read_of_the_whole(tmp_path, random_models):
    image = nuclei(700, 300)
    with create_image(
        tmp_path / "s.zarr", shape=image.shape, dtype="uint8", pixel_size_um=0.4, chunk=32
    ) as writer:
        writer.write(image)
    slide = open_slide(tmp_path / "s.zarr")
    view = ModelImage.of(slide, UM)
    intensity = measure_intensity(slide, random_models.card.normalisation, UM)
    whole = view.read(Window(0, 0, *view.shape))
    scaled = ((whole - intensity.low) / (intensity.high - intensity.low)).clip(*intensity.clip)
    banded = read_model_image(slide, UM, random_models.card.normalisation)
    np.testing.assert_allclose(banded, scaled, atol=1e-5)


def test_the_result_follows_the_ngff_version_of_the_slide(tmp_path, random_models):
    image = nuclei(130, 140)
    for version in ("0.4", "0.5"):
        path = tmp_path / f"slide{version[-1]}.zarr"
        with create_image(
            path, shape=image.shape, dtype="uint8", pixel_size_um=UM, version=version
        ) as writer:
            writer.write(image)
        result = segment(path, models=random_models, options=Options(**CPU))
        assert result.labels.image.version == version
        assert [c.name for c in result.labels.classes] == [
            c.name for c in random_models.card.classes
        ]


def test_the_record_says_what_ran(slide_path, random_models):
    record = segment(slide_path, models=random_models, options=Options(**CPU)).record
    assert record.provider.ran == "cpu"
    assert record.models.sha256 == {f.path.name: f.sha256 for f in random_models.files}
    assert record.slide.identity == open_slide(slide_path).identity
    assert sum(record.class_fractions.values()) == pytest.approx(1)


def test_probabilities_are_kept_beside_the_labels(slide_path, random_models, tmp_path):
    out = tmp_path / "l.zarr"
    segment(slide_path, models=random_models, out=out, options=Options(probabilities=True, **CPU))
    soft = [open_slide(tmp_path / "l_probabilities.zarr", channel=c) for c in range(4)]
    stack = np.stack([s.read(Window(0, 0, *s.shape)) for s in soft]).astype(int)
    assert np.abs(stack.sum(axis=0) - 255).max() <= 2
    labels = open_labels(out)
    hard = labels.read(Window(0, 0, *labels.image.shape))
    assert (stack.argmax(axis=0) == hard).mean() > 0.99


def test_probabilities_of_an_earlier_run_do_not_outlive_its_labels(
    slide_path, random_models, tmp_path
):
    out = tmp_path / "l.zarr"
    segment(slide_path, models=random_models, out=out, options=Options(probabilities=True, **CPU))
    segment(slide_path, models=random_models, out=out, options=Options(**CPU), overwrite=True)
    assert out.exists()
    assert not (tmp_path / "l_probabilities.zarr").exists()


def test_an_existing_output_is_refused_before_any_work(slide_path, random_models, tmp_path):
    (tmp_path / "l.zarr").mkdir()
    with pytest.raises(OutputError, match="`overwrite=True`"):
        segment(slide_path, models=random_models, out=tmp_path / "l.zarr")


def test_an_end_before_any_tile_is_done_leaves_nothing_behind(slide_path, random_models, tmp_path):
    cancel = Event()
    cancel.set()
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(CancelledError):
        segment(slide_path, models=random_models, out=tmp_path / "l.zarr", cancel=cancel)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_progress_counts_every_tile(slide_path, random_models):
    seen: list[Progress] = []
    options = Options(tile_px=128, **CPU)
    segment(slide_path, models=random_models, options=options, progress=seen.append)
    assert len(seen) > 4
    assert [progress.tiles for progress in seen] == list(range(1, len(seen) + 1))
    assert {progress.all_tiles for progress in seen} == {len(seen)}
    assert seen[-1].megapixels == pytest.approx(seen[-1].all_megapixels)


def test_a_reference_of_another_shape_is_refused_before_any_work(
    slide_path, random_models, tmp_path
):
    classes = default_classes(("background", "tissue", "GeneA", "GeneB"))
    with create_labels(
        tmp_path / "r.zarr", grid=PixelGrid((9, 9), 5.2, (0, 0)), classes=classes
    ) as writer:
        writer.write(Window(0, 0, 9, 9), np.ones((9, 9), np.uint8))
    with pytest.raises(AlignmentError, match="covers"):
        segment(slide_path, models=random_models, reference=tmp_path / "r.zarr")
    assert not (tmp_path / "slide_labels.zarr").exists()


def test_a_perfect_reference_scores_one(slide_path, random_models, tmp_path):
    first = segment(
        slide_path, models=random_models, out=tmp_path / "a.zarr", options=Options(**CPU)
    )
    again = segment(
        slide_path,
        models=random_models,
        out=tmp_path / "b.zarr",
        reference=first.labels,
        options=Options(**CPU),
    )
    assert again.summary["dice"]["mean"] == 1
    assert again.summary["pixels_compared"] == 38 * 53


def test_a_float_slide_with_nan_is_refused_with_its_place(random_models):
    image = nuclei(100, 90, dtype="float32")
    image[17, 23] = np.nan
    with pytest.raises(SlideError, match="row 17, column 23"):
        segment_array(image, pixel_size_um=UM, models=random_models)


def test_a_constant_slide_is_refused(random_models):
    with pytest.raises(SlideError, match="constant"):
        segment_array(np.full((99, 99), 7, np.uint8), pixel_size_um=UM, models=random_models)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_all_pixel_types_give_the_same_labels(random_models, dtype):
    image = nuclei(120, 130)
    first = segment_array(image, pixel_size_um=UM, models=random_models, options=Options(**CPU))
    other = segment_array(
        image.astype(dtype), pixel_size_um=UM, models=random_models, options=Options(**CPU)
    )
    np.testing.assert_array_equal(first.labels, other.labels)


def test_the_model_set_is_never_replaced(tmp_path, slide_path):
    models = save_set(tmp_path / "set", (46,))
    (models / "card.json").write_text("{}")
    with pytest.raises(OutputError, match="which is read"):
        segment(slide_path, models=models, out=models, overwrite=True, options=Options(**CPU))
    assert (models / "p046.onnx").is_file()
