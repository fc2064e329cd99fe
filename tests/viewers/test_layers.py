"""What becomes of files in napari, and of its layers here; neither napari nor Qt is needed."""

from __future__ import annotations

import shutil
from threading import Event

import numpy as np
import pytest
import zarr
from napari_layers import FakeLayer, shown
from slides import SlideSpec, multiscale_attributes, write_array

from morphinfer import CancelledError, SlideError, evaluate, open_labels, open_slide, segment
from morphinfer.classes import UNLABELLED
from morphinfer.geometry import Window
from morphinfer.networks import Options
from morphinfer.viewers.napari.reader import get_reader, read
from morphinfer.viewers.napari.sources import pixel_size_of, reference_of, source_of
from morphinfer.viewers.napari.work import Request, run, table_of

pytest.importorskip("dask.array", reason="napari brings dask")
PIXEL_UM = 0.65
SHAPE = (150, 200)


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    path = tmp_path_factory.mktemp("layers") / "slide.zarr"
    image = np.random.default_rng(7).integers(0, 60000, (2, *SHAPE), np.uint16)
    spec = SlideSpec([image], axes="cyx", channels=("GFP", "DAPI"), scales=[PIXEL_UM])
    zarr.open_group(str(path), mode="w").attrs.update(multiscale_attributes(spec))
    write_array(path / "s0", image, chunks=(1, 64, 64))
    return path


@pytest.fixture(scope="module")
def labels(slide, random_models):
    options = Options(provider="cpu", threads=1, probabilities=True, uncertainty=True)
    out = slide.with_name("labels.zarr")
    return segment(open_slide(slide), models=random_models, out=out, options=options).labels


def test_a_slide_has_a_layer_for_each_channel(slide):
    layers = read(str(slide))
    assert [attributes["name"] for _, attributes, _ in layers] == [
        "slide.zarr GFP",
        "slide.zarr DAPI",
    ]
    data, attributes, kind = layers[1]
    assert (kind, attributes["scale"], attributes["translate"]) == (
        "image",
        (0.65,) * 2,
        open_slide(slide, channel=1).grid.origin_um,
    )
    assert data.shape == SHAPE
    assert int(data[3, 4]) == int(data[:, ::2][3, 2])


def test_labels_keep_names_colours_and_place(labels):
    *soft, (data, attributes, kind) = read(str(labels.image.path))
    assert kind == "labels"
    assert attributes["features"]["name"] == [c.name for c in labels.classes]
    colours = {value: c.colour for value, c in enumerate(labels.classes)}
    assert attributes["colormap"] == {**colours, UNLABELLED: "#00000000", None: "#00000000"}
    assert attributes["translate"] == labels.image.grid.origin_um
    first = data[0] if attributes["multiscale"] else data
    assert np.array_equal(np.asarray(first), labels.read(Window(0, 0, *labels.image.shape)))
    names = [f"probability of {c.name}" for c in labels.classes]
    assert [each[1]["name"] for each in soft] == [*names, "uncertainty"]
    assert not any(each[1]["visible"] for each in soft)


def test_labels_inside_a_slide_come_with_it(slide, labels, tmp_path):
    copy = shutil.copytree(slide, tmp_path / "slide.zarr")
    shutil.copytree(labels.image.path, copy / "labels" / "regions")
    layers = read(str(copy))
    assert [kind for _, _, kind in layers] == ["image", "image", "labels"]
    assert layers[-1][1]["translate"] == labels.image.grid.origin_um


def test_only_images_are_ours(tmp_path, slide):
    (tmp_path / "empty.zarr").mkdir()
    assert get_reader(str(tmp_path / "empty.zarr")) is None
    assert get_reader([str(slide), str(tmp_path / "a.csv")]) is None
    assert get_reader(str(slide)) is read


def test_a_layer_whose_file_has_its_pixels_is_that_file(slide):
    layer = shown(read(str(slide))[1])
    layer.path = str(slide)
    found, why = source_of(layer, PIXEL_UM).slide()
    assert (found.path, found.channel, why) == (slide, 1, "")
    layer.data = layer.data + 1
    found, why = source_of(layer, PIXEL_UM).slide()
    assert found.path is None
    assert "0 channels" in why


def test_a_layer_without_scale_has_the_pixel_size_of_its_file(slide):
    layer = FakeLayer(np.zeros(SHAPE), path=str(slide))
    assert pixel_size_of(layer) == PIXEL_UM
    assert pixel_size_of(FakeLayer(np.zeros((9, 9)), path=str(slide))) is None
    assert pixel_size_of(FakeLayer(np.zeros(SHAPE))) is None


def test_a_plane_of_a_stack_is_taken_and_colours_are_refused(noise):
    stack = noise(3, *SHAPE)
    layer = FakeLayer(stack, dims=3)
    pixels = source_of(layer, PIXEL_UM, (2,)).pixels
    assert np.array_equal(pixels.read(Window(0, 0, *SHAPE)), stack[2])
    with pytest.raises(SlideError, match="3 axes, and 0 indices"):
        source_of(layer, PIXEL_UM)
    with pytest.raises(SlideError, match="colour image"):
        source_of(FakeLayer(stack, rgb=True), PIXEL_UM)


def ask(slide, models, folder, **fields):
    layer = shown(read(str(slide))[1])
    return Request(source_of(layer, PIXEL_UM), str(models.path), folder, **fields)


def test_a_run_gives_layers_over_the_nuclei(slide, random_models, tmp_path):
    calls = []
    request = ask(slide, random_models, tmp_path, soft=True)
    layers, said = run(request, lambda *call: calls.append(call), Event())
    assert calls[-1][0] == calls[-1][1] > 0
    assert "slide.zarr DAPI_1.zarr: " in said[0]
    _, attributes, kind = layers[-1]
    assert kind == "labels"
    edge = np.subtract(attributes["translate"], np.divide(attributes["scale"], 2))
    first = np.subtract(request.source.frame.origin, PIXEL_UM / 2)
    assert edge == pytest.approx(first, abs=1e-12)
    assert len(layers) == 6


def test_a_view_has_the_labels_of_the_whole_slide(slide, labels, random_models, tmp_path):
    request = ask(slide, random_models, tmp_path, view=Window(30, 40, 60, 90))
    ((data, attributes, _),), _ = run(request, lambda *_: None, Event())
    part = np.asarray(data[0] if attributes["multiscale"] else data)
    whole = labels.read(Window(0, 0, *part.shape))
    inside = part != UNLABELLED
    assert 0 < inside.mean() < 0.5
    assert np.array_equal(part[inside], whole[inside])


def test_a_cancelled_run_says_so(slide, random_models, tmp_path):
    cancel = Event()
    cancel.set()
    with pytest.raises(CancelledError):
        run(ask(slide, random_models, tmp_path), lambda *_: None, cancel)


def test_a_painted_layer_is_a_reference_with_the_classes_of_the_result(labels):
    result = shown(read(str(labels.image.path))[-1])
    strokes = np.zeros(np.multiply(labels.image.shape, 2), int)
    strokes[4:, 10:30] = 2
    painted = FakeLayer(
        strokes,
        name="painted",
        scale=tuple(np.divide(result.scale, 2)),
        translate=tuple(np.subtract(result.translate, np.divide(result.scale, 4))),
    )
    scores = evaluate(labels, reference_of(painted, result))
    assert scores.apart_um == pytest.approx((0, 0), abs=1e-9)
    assert scores.pixels_compared == np.count_nonzero(strokes)
    predicted = labels.read(Window(2, 5, labels.image.shape[0] - 2, 10))
    assert scores.confusion[2].tolist() == [4 * np.sum(predicted == v) for v in range(4)]
    assert table_of(scores)[0].startswith("mean Dice ")


def test_a_label_image_is_a_reference_as_it_is_and_others_are_no_result(labels):
    result = shown(read(str(labels.image.path))[-1])
    same = reference_of(result, result)
    assert same.classes == open_labels(labels.image.path).classes
    with pytest.raises(SlideError, match="'layer' is no label image that this plugin opened"):
        reference_of(FakeLayer(np.zeros((4, 4), int)), FakeLayer(None))
