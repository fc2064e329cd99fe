"""Mutated zarr metadata, format 2 and 3: slides, label images and containers of several images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import zarr
from mutations import mutate_bytes, mutate_json

from morphinfer.classes import default_classes
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import Slide, create_image, create_labels, open_labels, open_slide
from morphinfer.networks import Options, load_ensemble
from morphinfer.runs import make_plan
from morphinfer.runs.plan import run_start
from networks import save_set

SHAPE = (80, 96)
METADATA = ("zarr.json", ".zattrs", ".zarray", ".zgroup", ".zmetadata")
INSIDE = {"plate": "A/1/0", "spatialdata": "images/dapi", "bf2raw": "1"}
"""An image inside each container."""
CLASSES = default_classes(("background", "tissue", "GeneA", "GeneB"))


class ZarrInputs:
    """Writes images once, and replaces one of their files for each trial."""

    def __init__(self, folder: Path) -> None:
        self._bases = _write_bases(folder / "bases")
        self._ensemble = load_ensemble(save_set(folder / "models", (46,)), Options(provider="cpu"))

    def write(self, rng: Random, trial: Path) -> Path:
        """Folder of a damaged image, or of an image in a damaged container."""
        base = rng.choice(self._bases)
        path = trial / base.name
        shutil.copytree(base, path)
        files = sorted(p for p in path.rglob("*") if p.is_file())
        metadata = [p for p in files if p.name in METADATA]
        if rng.random() < 0.06:
            _damage_file(rng.choice(files), rng)
        else:
            target = rng.choice(metadata)
            target.write_bytes(mutate_json(json.loads(target.read_bytes()), rng))
        return path / INSIDE[base.stem] if base.stem in INSIDE and rng.random() < 0.5 else path

    def use(self, path: Path, rng: Random) -> None:
        """Open, read, plan: what 'morphinfer plan' and 'morphinfer dice' do first."""
        if path.name.startswith("labels") or rng.random() < 0.05:
            labels = open_labels(path)
            repr(labels)
            _read_corners(labels.image)
        choices: dict[str, Any] = {
            "channel": rng.choice((None, None, None, 0, 0, 1, "DAPI")),
            "z": rng.choice(("max", "max", 0)),
            "pixel_size_um": rng.choice((None, 0.5)),
        }
        slide = open_slide(path, **choices)
        _read_corners(slide)
        run_start(make_plan(slide, self._ensemble))


def _read_corners(slide: Slide) -> None:
    repr(slide)
    slide.level_for(1.3)
    for number, level in enumerate(slide.levels[:4]):
        height, width = (min(side, 40) for side in level.shape)
        slide.read(Window(0, 0, height, width), number)
        slide.read(Window(level.shape[0] - height, level.shape[1] - width, height, width), number)


def _damage_file(path: Path, rng: Random) -> None:
    kind = rng.random()
    data = path.read_bytes()
    path.unlink()
    if kind < 0.2:
        path.mkdir()
    elif kind < 0.8:
        path.write_bytes(mutate_bytes(data, rng))


def _write_bases(folder: Path) -> list[Path]:
    folder.mkdir()
    rng = np.random.default_rng(3)
    image = rng.integers(0, 60000, SHAPE).astype(np.uint16)
    for version in ("0.4", "0.5"):
        size: dict[str, Any] = {"pixel_size_um": 0.65, "version": version}
        with create_image(
            folder / f"image{version}.zarr",
            shape=SHAPE,
            dtype="uint16",
            channel="DAPI",
            chunk=32,
            **size,
        ) as writer:
            writer.write(image)
        grid = PixelGrid((40, 48), 1.3, (0.0, 0.0))
        with create_labels(
            folder / f"labels{version}.zarr", grid=grid, classes=CLASSES, version=version, chunk=16
        ) as labels:
            labels.write(Window(0, 0, 40, 48), rng.integers(0, 4, (40, 48)).astype(np.uint8))
        _write_stack(folder / f"stack{version}.zarr", version)
    _write_containers(folder, image)
    return sorted(folder.iterdir())


def _write_stack(path: Path, version: str) -> None:
    """An image of two channels and three planes."""
    form = 2 if version == "0.4" else 3
    group = zarr.open_group(str(path), mode="w", zarr_format=form)
    steps = [{"type": "scale", "scale": [1, 1, 2.0, 0.65, 0.65]}]
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    block = {
        "axes": axes,
        "datasets": [{"path": "0", "coordinateTransformations": steps}],
        "name": "a",
    }
    window = {"start": 0, "end": 1, "min": 0, "max": 1}
    omero = {"channels": [{"label": "DAPI", "window": window}, {"label": "GFP"}]}
    content: dict[str, Any] = {"multiscales": [block], "omero": omero}
    if version == "0.4":
        block["version"] = "0.4"
    else:
        content = {"ome": {"version": "0.5", **content}}
    group.attrs.update(content)
    stack = np.random.default_rng(4).integers(0, 60000, (1, 2, 3, *SHAPE)).astype(np.uint16)
    array = group.create_array("0", shape=stack.shape, dtype="uint16", chunks=(1, 1, 1, 40, 96))
    array[...] = stack


def _write_containers(folder: Path, image: Any) -> None:
    """bioformats2raw, SpatialData, plate, plain arrays, and a sharded array."""
    written = folder / "image0.5.zarr"
    bf2raw = zarr.open_group(str(folder / "bf2raw.zarr"), mode="w")
    bf2raw.attrs.update({"ome": {"version": "0.5", "bioformats2raw.layout": 3}})
    bf2raw.create_group("OME", attributes={"ome": {"version": "0.5", "series": ["0", "1"]}})
    for series in "01":
        shutil.copytree(written, folder / "bf2raw.zarr" / series)
    store = zarr.open_group(str(folder / "spatialdata.zarr"), mode="w")
    store.attrs.update(
        {"spatialdata_attrs": {"version": "0.2", "spatialdata_software_version": "0.7.0"}}
    )
    store.create_group("images")
    shutil.copytree(written, folder / "spatialdata.zarr" / "images" / "dapi")
    plate = zarr.open_group(str(folder / "plate.zarr"), mode="w")
    wells = [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}]
    names = {"rows": [{"name": "A"}], "columns": [{"name": "1"}], "wells": wells}
    plate.attrs.update({"ome": {"version": "0.5", "plate": names}})
    plate.create_group(
        "A/1", attributes={"ome": {"version": "0.5", "well": {"images": [{"path": "0"}]}}}
    )
    shutil.copytree(written, folder / "plate.zarr" / "A" / "1" / "0")
    for form in (2, 3):
        plain = zarr.create_array(
            str(folder / f"plain{form}.zarr"),
            shape=SHAPE,
            chunks=(32, 32),
            dtype="uint16",
            zarr_format=form,
        )
        plain[...] = image
    sharded = folder / "sharded.zarr"
    shutil.copytree(written, sharded)
    shutil.rmtree(sharded / "0")
    shards = zarr.create_array(
        str(sharded / "0"), shape=SHAPE, chunks=(16, 16), shards=(32, 32), dtype="uint16"
    )
    shards[...] = image
    zarr.consolidate_metadata(str(sharded))
