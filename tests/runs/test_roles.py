"""The background of a foreign classifier may be its first class, any other, or none: its role counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fakes import write_slide
from slides import pixels

from morphinfer import Options, open_slide, segment, segment_array
from morphinfer.errors import ModelError
from morphinfer.networks.uncertainty import UNCERTAIN_BELOW
from morphinfer.reports.overlay import overlay
from morphinfer.reports.write import write_report
from networks import save_brightness_classifier

UM, STRIDE_PX = 0.65, 16
COLOURS = {"dense": "#e69f00", "sparse": "#56b4e9"}
CPU = {"provider": "cpu", "threads": 1}
OFF = Options(skip_background="off", **CPU)


def speckled(height: int = 480, width: int = 640) -> np.ndarray:
    """Patches of any brightness on the right, dark glass on the left."""
    rng = np.random.default_rng(5)
    coarse = rng.uniform(0, 160, (height // 40, width // 40))
    image = np.kron(coarse, np.ones((40, 40)))
    image[:, : width // 2] = 8
    return (image + rng.uniform(0, 8, image.shape)).astype(np.uint8)


@dataclass(frozen=True)
class Case:
    """A classifier of three grades of brightness, and which of its classes is background."""

    models: Path
    names: tuple[str, ...]
    background: int | None

    def is_tissue(self, labels: np.ndarray) -> np.ndarray:
        """Which values are no background."""
        return np.ones(labels.shape, bool) if self.background is None else labels != self.background


ORDERS = {
    "first": ("background", "dense", "sparse"),
    "last": ("dense", "sparse", "background"),
    "between, by its role": ("dense", "glass", "sparse"),
    "absent": ("dense", "sparse", "dark"),
}


@pytest.fixture(params=ORDERS)
def case(request, tmp_path):
    names = ORDERS[request.param]
    ranks = tuple({"sparse": 1, "dense": 2}.get(name, 0) for name in names)
    path = tmp_path / "theirs.onnx"
    save_brightness_classifier(path, 32, ranks)
    classes = [{"name": n, "colour": COLOURS.get(n, "#990044")} for n in names]
    if "glass" in names:
        classes[names.index("glass")]["role"] = "background"
    path.with_suffix(".json").write_text(
        json.dumps({
            "classes": classes, "pixel_size_um": UM, "stride_px": STRIDE_PX, "output": "logits",
            "normalisation": {"method": "fixed", "low": 0, "high": 255},
        })
    )  # fmt: skip
    return Case(path, names, None if request.param == "absent" else ranks.index(0))


@pytest.fixture
def slide(tmp_path):
    return write_slide(tmp_path / "s.zarr", speckled(), chunk=128)


def test_the_share_of_uncertain_tissue_is_that_of_the_probabilities(case, slide):
    found = segment_array(speckled(), pixel_size_um=UM, models=case.models, options=OFF)
    labels, doubt = found.labels, found.probabilities.max(axis=0) < UNCERTAIN_BELOW
    assert np.bincount(labels.ravel(), minlength=3).min() > 50
    tissue = case.is_tissue(labels)
    expected = (doubt & tissue).sum() / tissue.sum()
    assert 0.05 < expected < 0.5
    result = segment(slide, models=case.models, options=OFF)
    assert result.record.uncertain_fraction == expected
    assert result.summary["uncertain_fraction"] == expected
    if case.background != 0:
        by_index = (doubt & (labels != 0)).sum() / (labels != 0).sum()
        assert by_index != expected


def test_record_and_summary_say_what_each_class_stands_for(case, slide):
    result = segment(slide, models=case.models, options=OFF)
    roles = dict.fromkeys(case.names, "target")
    if case.background is not None:
        roles[case.names[case.background]] = "background"
    assert result.record.roles == result.summary["roles"] == roles
    assert {c.name: c.role for c in result.labels.classes} == roles


def test_the_picture_outlines_every_class_but_the_background(case, slide):
    result = segment(slide, models=case.models, options=OFF)
    picture = overlay(open_slide(slide), result.labels).pixels
    values = np.kron(pixels(result.labels.image), np.ones((STRIDE_PX, STRIDE_PX), np.uint8))
    for value, c in enumerate(result.labels.classes):
        shown = picture[values == value].astype(int)
        colour = list(bytes.fromhex(c.colour.removeprefix("#")))
        outlined = (shown == colour).all(axis=1).any()
        tinted = (np.ptp(shown, axis=1) > 0).all()
        plain = (np.ptp(shown, axis=1) == 0).all()
        assert (outlined, tinted, plain) == (
            (False, False, True) if value == case.background else (True, True, False)
        )


def test_what_is_dark_is_skipped_where_a_class_has_the_role_of_background(case, slide):
    full = segment(slide, models=case.models, options=OFF, out=slide.with_name("full.zarr"))
    result = segment(slide, models=case.models, options=Options(**CPU))
    skipping = result.record.skipping
    assert (skipping.on, skipping.background) == (case.background is not None, case.background)
    np.testing.assert_array_equal(pixels(result.labels.image), pixels(full.labels.image))
    if case.background is None:
        with pytest.raises(ModelError, match=r"role 'background' \(dense: target, sparse: target"):
            segment(
                slide, models=case.models, out=slide.with_name("on.zarr"),
                options=Options(skip_background="on", **CPU),
            )  # fmt: skip


def test_the_report_counts_all_but_the_background_as_tissue(case, slide):
    result = segment(slide, models=case.models, options=OFF)
    labels = pixels(result.labels.image)
    area = case.is_tissue(labels).sum() * (STRIDE_PX * UM) ** 2 / 1e6
    page = write_report(open_slide(slide), result.labels, result.summary).page
    assert f"<b>{area:.3g} mm²</b><span>tissue</span>" in page.read_text("utf-8")
