"""Mutated JSON that morphinfer parses: NGFF attributes, cards, sidecars, polygons, records, drafts."""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from mutations import mutate_bytes, mutate_json

from morphinfer.classes import default_classes
from morphinfer.errors import MorphinferError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import StoredContent, slide_from_array
from morphinfer.images.labels.annotations import open_annotations
from morphinfer.images.labels.roi import open_roi
from morphinfer.images.ngff import image_attributes, parse_multiscale
from morphinfer.images.slides import place_levels
from morphinfer.networks import Options, load_ensemble
from morphinfer.networks.cards import TestVector, decode_card, encode_card
from morphinfer.networks.fit import training_appearances
from morphinfer.networks.integrity import stored_card
from morphinfer.networks.provenance import FIGURES, provenance_of
from morphinfer.networks.session import ModelFile, ModelSet
from morphinfer.networks.sidecar import card_in_sidecar
from morphinfer.records import RunRecord, to_plain
from morphinfer.runs import make_plan
from morphinfer.runs.draft_header import HEADER, DraftHeader
from morphinfer.runs.journal import SUM, RowDone, read_journals, signed
from morphinfer.runs.open_rows import OpenRow, Part
from morphinfer.runs.plan import run_start
from morphinfer.tiles.appearance import STATISTICS
from networks import card_of, save_set

FRAME = PixelGrid((400, 500), 0.5, (0.0, 0.0))
RUN = "a-draft"
APPEARANCE = {name: [0.1, 0.5, 0.9] for name in STATISTICS}


def _provenance() -> dict[str, Any]:
    curve = {"step": [1, 2], "loss": [0.5, 0.25]}
    return {
        "date": "2026-01-01", "protocol": "fixed", "validation": {"dice": {"mean": 0.5}},
        "sections": [{"name": "a", "appearance": APPEARANCE}], "history": {"p046": curve},
        "config": {"card": {"use": "nuclei", "limits": "mouse"}},
    }  # fmt: skip


class CardInputs:
    """Cards of models, as text."""

    def __init__(self, folder: Path) -> None:
        noise = np.random.default_rng(1).random((8, 8)).astype(np.float32)
        vector = TestVector(noise, noise[:4, :1, None])
        card = card_of(46, provenance=_provenance(), test_vectors=(vector,))
        self._plain = json.loads(encode_card(card))

    def write(self, rng: Random, trial: Path) -> Path:
        """A damaged card."""
        (trial / "card.json").write_bytes(mutate_json(self._plain, rng))
        return trial / "card.json"

    def use(self, path: Path, rng: Random) -> None:
        """Decode it, and take from it what the run record and the comparison of slides take."""
        card = decode_card(path.read_bytes().decode("latin-1"), "a.onnx")
        models = ModelSet("a", path.parent, (ModelFile(path, card, ""),))
        json.dumps(to_plain(provenance_of(models)), allow_nan=False)
        training_appearances(models)


class SidecarInputs:
    """What lies beside networks: the card of a foreign one, card.json and figures.json of a set."""

    def __init__(self, folder: Path) -> None:
        classes = [{"name": n, "colour": "#808080"} for n in ("background", "tissue", "GeneA")]
        classes[2]["role"] = "target"
        scored = {"name": "a", "dice": {"mean": 0.5}, "intervals": {"mean": [0.4, 0.6]}}
        self._plain: dict[str, Any] = {
            "theirs.json": {
                "classes": classes, "pixel_size_um": 0.65, "stride_px": 8, "patch_size_px": 24,
                "output": "logits", "padding_free": False,
                "normalisation": {"method": "fixed", "low": 50, "high": 75, "clip": [0, 1]},
            },
            "card.json": {"networks": [{"file": "p046.onnx", "sha256": "0" * 64}]},
            FIGURES: {"sections": [{"section": "a", "independent": True, "methods": [scored]}]},
        }  # fmt: skip

    def write(self, rng: Random, trial: Path) -> Path:
        """One of the three, damaged."""
        name = rng.choice(sorted(self._plain))
        (trial / name).write_bytes(mutate_json(self._plain[name], rng))
        return trial / name

    def use(self, path: Path, rng: Random) -> None:
        """Read it."""
        if path.name == FIGURES:
            provenance_of(ModelSet("a", path, (ModelFile(path, card_of(46), ""),)))
        elif path.name == "card.json":
            stored_card(path.parent)
        else:
            text, _ = card_in_sidecar(path, ["n", 1, 24, 24])
            decode_card(text, str(path))


class PolygonInputs:
    """Regions of interest and annotations: GeoJSON and CSV."""

    def __init__(self, folder: Path) -> None:
        ring: list[list[float]] = [[10, 10], [10, 200.5], [300, 200], [10, 10]]
        hole = [[20, 20], [20, 40], [40, 40], [20, 20]]
        named = {"classification": {"name": "Tumor", "color": [200, 0, 0]}}
        shapes = [
            {"type": "Polygon", "coordinates": [ring, hole]},
            {"type": "MultiPolygon", "coordinates": [[ring], [hole]]},
        ]
        features = [{"type": "Feature", "properties": named, "geometry": s} for s in shapes]
        self._plain = {"type": "FeatureCollection", "features": features}
        self._csv = b"# Area (\xc2\xb5m\xc2\xb2)\nSelection,X,Y\n" + b"".join(
            b"a,%d,%d\n" % (x, y) for x, y in ring
        )

    def write(self, rng: Random, trial: Path) -> Path:
        """A damaged file."""
        if rng.random() < 0.3:
            path = trial / "a.csv"
            path.write_bytes(mutate_bytes(self._csv, rng))
        else:
            path = trial / "a.geojson"
            path.write_bytes(mutate_json(self._plain, rng))
        return path

    def use(self, path: Path, rng: Random) -> None:
        """Open it, and draw what it holds."""
        prefix = rng.choice(("", "um:"))
        problems = []
        for read in (self._roi, self._annotations)[: 1 if path.suffix == ".csv" else 2]:
            try:
                read(path, prefix)
            except MorphinferError as problem:
                problems.append(problem)
        if problems:
            raise rng.choice(problems)

    def _roi(self, path: Path, prefix: str) -> None:
        open_roi(f"{prefix}{path}", FRAME).count(PixelGrid((40, 50), 5.0, (0.0, 0.0)))

    def _annotations(self, path: Path, prefix: str) -> None:
        labels = open_annotations(path, FRAME, PixelGrid((40, 50), 5.0, (0.0, 0.0)))
        labels.read(Window(0, 0, 40, 50))


class Claimed:
    """An array that exists in its metadata alone."""

    dtype = np.dtype("uint16")

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.ndim, self.chunks = shape, len(shape), shape


class NgffInputs:
    """Attributes of images, without arrays."""

    def __init__(self, folder: Path) -> None:
        settings: dict[str, Any] = {"pixel_size_um": 0.5, "origin_um": (0.25, 0.25), "name": "a"}
        made = [
            image_attributes(version=v, level_paths=("0", "1"), channel="DAPI", windows=[{}], **settings)
            for v in ("0.4", "0.5")
        ]  # fmt: skip
        axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "yx"]
        steps = [
            {"type": "scale", "scale": [0.5, 0.5]},
            {"type": "affine", "affine": [[1, 0, 2], [0, 1, 3]]},
            {"type": "mapAxis", "mapAxis": {"x": "x", "y": "y"}},
        ]
        system = {
            "type": "sequence",
            "transformations": steps,
            "input": {"name": "a", "axes": axes},
        }
        placed = deepcopy(made[1])
        placed["ome"]["multiscales"][0]["coordinateTransformations"] = [
            {**system, "output": {"name": "global", "axes": axes}},
            {"type": "identity", "output": {"name": "microns"}},
        ]
        self._bases = [*made, placed]

    def write(self, rng: Random, trial: Path) -> Path:
        """Damaged attributes."""
        (trial / "zarr.json").write_bytes(mutate_json(rng.choice(self._bases), rng))
        return trial / "zarr.json"

    def use(self, path: Path, rng: Random) -> None:
        """Parse them, and place levels by them."""
        try:
            attributes = json.loads(path.read_bytes())
        except (ValueError, RecursionError):  # zarr parses it
            return
        if not isinstance(attributes, dict):
            return
        meta = parse_multiscale(attributes, "a.zarr")
        arrays = [Claimed((2,) * (len(meta.axes) - 2) + (400 >> k, 500 >> k)) for k in range(8)]
        arrays = [arrays[min(k, 7)] for k in range(len(meta.datasets))]
        place_levels(meta, arrays, "a.zarr", rng.choice((None, 0.5)))


class DraftInputs:
    """What an interrupted run leaves, and run records, with the hashes of what they claim."""

    def __init__(self, folder: Path) -> None:
        ensemble = load_ensemble(save_set(folder / "models", (46,)), Options(provider="cpu"))
        image = np.random.default_rng(3).integers(0, 60000, (80, 96)).astype(np.uint16)
        plan = make_plan(slide_from_array(image, pixel_size_um=0.65), ensemble)
        start, content = run_start(plan), StoredContent("a", "b")
        DraftHeader(plan.layout, ("uncertainty",), start, content, RUN).write(folder)
        header = json.loads((folder / HEADER).read_bytes())
        classes = default_classes(("a", "b"))
        record = RunRecord.of(
            start, seconds=1.0, class_fractions={c.name: 0.5 for c in classes},
            uncertain_fraction=0.1, uncertain_below=0.6, warnings=(),
        )  # fmt: skip
        self._plain: dict[str, dict[str, Any]] = {
            HEADER: {key: value for key, value in header.items() if key != SUM},
            "journal-a.jsonl": to_plain(RowDone(0, (1, 2), (10, 20, 30), 5, 1.5)),
            "part-0-a.bin": to_plain(Part(0, ((0, 0, 8, 8),), (1,), 5, 1.0)),
            "record.json": record.to_json(),
        }

    def write(self, rng: Random, trial: Path) -> Path:
        """One of the files, damaged."""
        name = rng.choice(sorted(self._plain))
        data = mutate_json(self._plain[name], rng)
        if name != "record.json":
            with suppress(ValueError, TypeError, RecursionError):  # no JSON that can be signed
                data = signed(RUN, json.loads(data))
        (trial / name).write_bytes(data + bytes(64))
        return trial / name

    def use(self, path: Path, rng: Random) -> None:
        """Read it, as the command that resumes does."""
        if path.name == HEADER:
            path.write_bytes(path.read_bytes()[:-64])
            DraftHeader.read(path.parent)
        elif path.name == "record.json":
            try:
                plain = json.loads(path.read_bytes()[:-64])
            except (ValueError, RecursionError):  # zarr parses it
                return
            if isinstance(plain, dict):
                RunRecord.from_json(plain, "labels.zarr")
        elif path.suffix == ".jsonl":
            read_journals(path.parent, RUN)
        else:
            OpenRow.load(path, RUN, 0, Window(0, 0, 8, 8), [()])
