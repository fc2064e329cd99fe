"""Drafts: rows in any order by any process, and one publication."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drafting import OUTPUTS, SHAPE, VERSIONS, doubtful, fill, layout_of, opened, values
from fakes import names, published
from run_records import START

from morphinfer.errors import OutputError
from morphinfer.geometry import Window
from morphinfer.images.labels.label_image import LAYERS, create_labels, layer_path
from morphinfer.images.labels.opening import open_labels
from morphinfer.images.writing.multiscale import write_image
from morphinfer.networks.uncertainty import UNCERTAIN_BELOW
from morphinfer.runs.draft import Draft
from networks import CLASSES

# Publication


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("shape", "chunk"), [((1, 1), 16), (SHAPE, 16), ((530, 12), 64)])
def test_what_is_published_has_the_bytes_of_labels_written_in_one_go(
    tmp_path, version, shape, chunk
):
    layout = layout_of(shape, version, chunk)
    draft = opened(tmp_path, layout=layout)
    fill(draft, np.random.default_rng(1).permutation(draft.row_count))
    draft.finish()
    labels, soft, uncertainty = values(shape)
    other = tmp_path / "other" / "l.zarr"
    other.parent.mkdir()
    with create_labels(
        other, grid=layout.grid, classes=CLASSES, version=version, chunk=chunk
    ) as writer:
        writer.write(Window(0, 0, *shape), labels)
    for layer, planes in zip(LAYERS, (soft, [uncertainty]), strict=True):
        with write_image(layer_path(other, layer), layout.layer(layer, f"l_{layer}")) as writers:
            for writer, plane in zip(writers, planes, strict=True):
                writer.write(plane)
    assert published(tmp_path / "l.zarr") == published(other)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("layers", [(), *((layer,) for layer in LAYERS), LAYERS])
def test_nothing_but_the_outputs_remains(tmp_path, version, layers):
    fill(opened(tmp_path, layers=layers, layout=layout_of(version=version))).finish()
    assert names(tmp_path) == ["l.zarr", *(f"l_{layer}.zarr" for layer in layers)]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_of_an_earlier_run_goes_when_its_labels_are_replaced(tmp_path, layer):
    fill(opened(tmp_path)).finish()
    fill(opened(tmp_path, layers=(layer,))).finish(overwrite=True)
    assert names(tmp_path) == ["l.zarr", f"l_{layer}.zarr"]


def test_the_record_holds_what_is_known_only_at_the_end(tmp_path):
    fill(opened(tmp_path), [3, 1])
    fill(opened(tmp_path), [0, 2, 4])
    opened(tmp_path).finish()
    record = open_labels(tmp_path / "l.zarr").run_record()
    shares = np.bincount(values()[0].ravel(), minlength=4) / (75 * 12)
    assert list(record.class_fractions.values()) == pytest.approx(shares.tolist())
    uncertain = np.count_nonzero(doubtful()) / np.count_nonzero(values()[0])
    assert 0.1 < record.uncertain_fraction < 0.5
    assert record.uncertain_fraction == pytest.approx(uncertain)
    assert record.uncertain_below == UNCERTAIN_BELOW
    assert record.seconds > 0
    assert record.megapixels_per_second == pytest.approx(0.0576 / record.seconds)
    assert {k: v for k, v in record.to_json().items() if k in START.to_json()} == START.to_json()


def test_where_there_is_no_tissue_none_is_uncertain(tmp_path):
    draft = opened(tmp_path, layers=(), layout=layout_of((16, 12)))
    empty = np.zeros((16, 12), np.uint8)
    draft.writer().write(Window(0, 0, 16, 12), [empty], empty.astype(bool))
    draft.finish()
    assert open_labels(tmp_path / "l.zarr").run_record().uncertain_fraction is None


@pytest.mark.parametrize("rows", [(), (0, 1, 2, 3), (4,), (3, 1)])
def test_a_draft_with_rows_missing_is_not_published(tmp_path, rows):
    draft = fill(opened(tmp_path), rows)
    missing = sorted({0, 1, 2, 3, 4} - set(rows))
    assert draft.missing() == missing
    with pytest.raises(OutputError, match=rf"{len(missing)} of 5 .* first is {missing[0]}\)"):
        draft.finish()
    assert names(tmp_path) == ["l.zarr.unfinished"]
    fill(draft, missing)
    assert draft.missing() == []


def test_a_draft_is_found_again_by_the_name_of_its_target(tmp_path):
    draft = fill(opened(tmp_path))
    found = Draft.load(tmp_path / "l.zarr")
    assert found == draft
    found.finish()
    assert names(tmp_path) == OUTPUTS


def test_a_draft_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"l\.zarr has no unfinished parts"):
        Draft.load(tmp_path / "l.zarr")


def test_finishing_replaces_labels_only_with_overwrite(tmp_path):
    fill(opened(tmp_path), seed=1).finish()
    before = published(tmp_path / "l.zarr")
    draft = fill(opened(tmp_path))
    with pytest.raises(OutputError, match="`overwrite=True`"):
        draft.finish()
    assert published(tmp_path / "l.zarr") == before
    draft.finish(overwrite=True)
    assert published(tmp_path / "l.zarr") != before
    assert names(tmp_path) == OUTPUTS


@pytest.mark.parametrize(("roles", "background"), [
    (("target", "tissue", "target", "background"), [3]),
    (("background", "target", "tissue", "background"), [0, 3]),
    (("target", "tissue", "target", "target"), []),
])  # fmt: skip
def test_the_share_of_uncertain_tissue_goes_by_role(tmp_path, roles, background):
    classes = tuple(replace(c, role=r) for c, r in zip(CLASSES, roles, strict=True))
    fill(opened(tmp_path, layout=replace(layout_of(), classes=classes))).finish()
    tissue = ~np.isin(values()[0], background)
    found = open_labels(tmp_path / "l.zarr").record["uncertain_fraction"]
    assert found == doubtful().sum() / tissue.sum()
