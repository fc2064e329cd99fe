"""Images written by other libraries give the labels of the same pixels written by morphinfer.

`make interop` installs the libraries in an environment of their own and runs these tests there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from slides import pixels

from morphinfer import Options, convert, open_slide, segment
from morphinfer.images import create_image
from networks import CLASSES, nuclei, save_brightness_classifier

pytestmark = pytest.mark.filterwarnings("ignore")  # of these libraries and of those that they use
PIXEL_UM = 0.65
SHAPE = (200, 260)


@pytest.fixture(scope="module")
def image():
    """Nuclei that fade to the left, so that the network predicts several classes."""
    return (nuclei(*SHAPE) * np.linspace(5, 250, SHAPE[1])).astype(np.uint16)


@pytest.fixture(scope="module")
def labelled(image, tmp_path_factory):
    """Segment a slide by its brightness; returns the label image."""
    folder = tmp_path_factory.mktemp("interop")
    models = folder / "brightness.onnx"
    save_brightness_classifier(models, 24, (0, 1, 2, 3))
    classes = [{"name": c.name, "colour": c.colour} for c in CLASSES]
    card = {"classes": classes, "pixel_size_um": PIXEL_UM, "stride_px": 8, "output": "logits"}
    models.with_suffix(".json").write_text(json.dumps(card))
    options = Options(provider="cpu", threads=1)

    def run(slide: Any, out: Path) -> Any:
        return segment(slide, models=models, out=out, options=options).labels

    return run


@pytest.fixture(scope="module")
def expected(image, labelled, tmp_path_factory):
    """Labels of the slide that morphinfer wrote."""
    path = tmp_path_factory.mktemp("base") / "base.zarr"
    with create_image(path, shape=SHAPE, dtype="uint16", pixel_size_um=PIXEL_UM) as writer:
        writer.write(image)
    labels = labelled(open_slide(path), path.with_name("labels.zarr"))
    assert len(np.unique(pixels(labels.image))) > 1
    return labels


@pytest.fixture
def check(image, labelled, expected, tmp_path) -> Callable[..., None]:
    """Compare a slide, and its labels, with the base slide."""

    def compare(path: Path, **choices: Any) -> None:
        slide = open_slide(path, **choices)
        assert slide.shape == SHAPE
        assert slide.pixel_size_um == pytest.approx(PIXEL_UM, rel=1e-6)
        assert np.array_equal(pixels(slide), image)
        labels = labelled(slide, tmp_path / f"labels_of_{path.name}")
        assert np.array_equal(pixels(labels.image), pixels(expected.image))
        assert labels.image.pixel_size_um == pytest.approx(expected.image.pixel_size_um, rel=1e-6)
        corner_um = np.subtract(labels.image.grid.corner_um, slide.grid.corner_um)
        assert corner_um == pytest.approx(expected.image.grid.corner_um, abs=1e-6)

    return compare


@pytest.mark.parametrize(("version", "zarr_format"), [("V04", 2), ("V05", 3)])
@pytest.mark.parametrize("axes", ["yx", "cyx", "tczyx"])
def test_ome_zarr_py(image, check, tmp_path, version, zarr_format, axes):
    pytest.importorskip("ome_zarr")
    from ome_zarr import format as formats
    from ome_zarr.scale import Scaler
    from ome_zarr.writer import write_image

    def scale(level: int) -> list[dict[str, Any]]:
        size = PIXEL_UM * 2**level
        return [{"type": "scale", "scale": [size if a in "yx" else 1.0 for a in axes]}]

    types = {"t": "time", "c": "channel"}
    units = {a: {"unit": "micrometer"} for a in "zyx"}
    write_image(
        image.reshape((1,) * (len(axes) - 2) + SHAPE),
        zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=zarr_format),
        scaler=Scaler(max_layer=2),
        axes=[{"name": a, "type": types.get(a, "space"), **units.get(a, {})} for a in axes],
        coordinate_transformations=[scale(level) for level in range(3)],
        fmt=getattr(formats, f"Format{version}")(),
    )
    check(tmp_path / "a.zarr")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ngio(image, check, tmp_path, version):
    ngio = pytest.importorskip("ngio")
    ngio.create_ome_zarr_from_array(
        str(tmp_path / "a.zarr"),
        np.stack([image[::-1], image])[:, None],
        pixelsize=PIXEL_UM,
        axes_names=["c", "z", "y", "x"],
        channels_meta=["GFP", "DAPI"],
        ngff_version=version,
        levels=3,
    )
    check(tmp_path / "a.zarr")
    zipped = shutil.make_archive(str(tmp_path / "b.zarr"), "zip", tmp_path / "a.zarr")
    check(Path(zipped))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_bioio_ome_zarr(image, check, tmp_path, zarr_format):
    writers = pytest.importorskip("bioio_ome_zarr.writers")
    shapes = [(1, 2, 1, SHAPE[0] >> k, SHAPE[1] >> k) for k in range(2)]
    writer = writers.OMEZarrWriter(
        str(tmp_path / "a.zarr"),
        level_shapes=shapes,
        dtype="uint16",
        zarr_format=zarr_format,
        channels=[writers.Channel(label=n, color="FFFFFF") for n in ("GFP", "Hoechst 33342")],
        axes_names=["t", "c", "z", "y", "x"],
        axes_types=["time", "channel", "space", "space", "space"],
        axes_units=[None, None, "micrometer", "micrometer", "micrometer"],
        physical_pixel_size=[1.0, 1.0, 1.0, PIXEL_UM, PIXEL_UM],
    )
    writer.write_full_volume(np.stack([image[::-1], image])[None, :, None])
    check(tmp_path / "a.zarr")


def test_bioio_reads_what_morphinfer_writes(image, expected, tmp_path):
    bioio = pytest.importorskip("bioio")
    reader = pytest.importorskip("bioio_ome_zarr").Reader
    read = bioio.BioImage(str(expected.image.path), reader=reader)
    assert np.array_equal(np.squeeze(read.data), pixels(expected.image))
    assert pytest.approx(expected.image.pixel_size_um) == read.physical_pixel_sizes.Y


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_iohub(image, check, tmp_path, version):
    ngff = pytest.importorskip("iohub.ngff")
    move = ngff.TransformationMeta(type="scale", scale=[1.0, 1.0, 1.0, PIXEL_UM, PIXEL_UM])
    with ngff.open_ome_zarr(
        tmp_path / "a.zarr", layout="fov", mode="w-", channel_names=["GFP", "DAPI"], version=version
    ) as position:
        position.create_image("0", np.stack([image[::-1], image])[None, :, None], transform=[move])
    check(tmp_path / "a.zarr", pixel_size_um=PIXEL_UM)


@pytest.mark.parametrize("where", ["", "images/dapi"])
def test_spatialdata(image, check, tmp_path, where):
    sd = pytest.importorskip("spatialdata")
    from spatialdata.transformations import Scale

    path = tmp_path / "store.zarr"
    um = Scale([PIXEL_UM, PIXEL_UM], axes=("y", "x"))
    parsed = sd.models.Image2DModel.parse(
        image[None], dims="cyx", scale_factors=[2], chunks=(1, 64, 64),
        transformations={"micrometers": um},
    )  # fmt: skip
    sd.SpatialData(images={"dapi": parsed}).write(path)
    check(path / where)


@pytest.mark.parametrize(("driver", "version"), [("zarr", "0.4"), ("zarr3", "0.5")])
def test_tensorstore(image, check, tmp_path, driver, version):
    tensorstore = pytest.importorskip("tensorstore")
    path = tmp_path / "a.zarr"
    store = tensorstore.open(
        {"driver": driver, "kvstore": {"driver": "file", "path": f"{path / '0'}/"}},
        create=True,
        dtype=tensorstore.uint16,
        shape=SHAPE,
        chunk_layout=tensorstore.ChunkLayout(chunk_shape=(64, 64)),
    ).result()
    store.write(image).result()
    write_group(path, version)
    check(path)
    check(path / "0", pixel_size_um=PIXEL_UM)


def write_group(path: Path, version: str) -> None:
    """The metadata of an image of one level, as text: tensorstore writes arrays only."""
    steps = [{"type": "scale", "scale": [PIXEL_UM, PIXEL_UM]}]
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
    block: dict[str, Any] = {
        "axes": axes,
        "datasets": [{"path": "0", "coordinateTransformations": steps}],
    }
    if version == "0.4":
        (path / ".zgroup").write_text('{"zarr_format": 2}')
        (path / ".zattrs").write_text(json.dumps({"multiscales": [{**block, "version": "0.4"}]}))
        return
    ome = {"ome": {"version": "0.5", "multiscales": [block]}}
    group = {"zarr_format": 3, "node_type": "group", "attributes": ome}
    (path / "zarr.json").write_text(json.dumps(group))


TIFFS: dict[str, dict[str, Any]] = {
    "tiled.ome.tif": {"ome": True, "tile": (64, 64), "compression": "zlib"},
    "big.ome.tif": {"ome": True, "bigtiff": True, "rowsperstrip": 16},
    "plain.tif": {"resolution": (1e4 / PIXEL_UM, 1e4 / PIXEL_UM), "resolutionunit": "CENTIMETER"},
    "imagej.tif": {"imagej": True, "resolution": (1 / PIXEL_UM, 1 / PIXEL_UM)},
}


@pytest.fixture(params=sorted(TIFFS))
def tiff(request, image, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    metadata: dict[str, Any] = {"axes": "YX"}
    if "ome" in request.param:
        metadata |= {"PhysicalSizeX": PIXEL_UM, "PhysicalSizeY": PIXEL_UM}
    if "imagej" in request.param:
        metadata["unit"] = "um"
    path = tmp_path / request.param
    tifffile.imwrite(
        path, image, photometric="minisblack", metadata=metadata, **TIFFS[request.param]
    )
    return path


def test_tifffile_converted(tiff, check, tmp_path):
    convert(tiff, tmp_path / "converted.zarr")
    check(tmp_path / "converted.zarr")


def test_tifffile(tiff, check):
    check(tiff)
