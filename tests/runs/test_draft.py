"""Drafts: rows in any order by any process, one publication, and whose draft it is."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from drafting import OUTPUTS, SHAPE, VERSIONS, doubtful, fill, layout_of, opened, values
from fakes import names, published
from run_records import START, without

from morphinfer.errors import MorphinferError, OutputError
from morphinfer.geometry import Window
from morphinfer.images.labels.label_image import LABEL_CHUNK, LAYERS, create_labels, layer_path
from morphinfer.images.labels.opening import open_labels
from morphinfer.images.writing.multiscale import write_image
from morphinfer.networks.uncertainty import UNCERTAIN_BELOW
from morphinfer.records import RECORD_VERSION
from morphinfer.runs.draft import Draft
from networks import CLASSES

BACKGROUND_IS_TISSUE = (replace(CLASSES[0], role="tissue"), *CLASSES[1:])

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


# Whose draft it is


def test_the_rows_of_a_draft_that_did_not_count_the_uncertain_are_computed_again(tmp_path):
    draft = fill(opened(tmp_path, layers=("probabilities",)))
    (journal,) = draft.folder.glob("journal-*")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    older = [{k: v for k, v in line.items() if k != "uncertain"} for line in lines]
    journal.write_text("".join(json.dumps(line) + "\n" for line in older))
    header = json.loads((draft.folder / "draft.json").read_text())
    del header["uncertainty"]
    (draft.folder / "draft.json").write_text(json.dumps(header))
    again = opened(tmp_path, layers=("probabilities",))
    assert again.missing() == [0, 1, 2, 3, 4]
    fill(again).finish()
    assert names(tmp_path) == ["l.zarr", "l_probabilities.zarr"]


def test_a_draft_of_a_version_without_roles_goes_on_and_is_published(tmp_path):
    draft = fill(opened(tmp_path), [1, 3])
    header = json.loads((draft.folder / "draft.json").read_text())
    for each in header["layout"]["classes"]:
        del each["role"]
    (draft.folder / "draft.json").write_text(json.dumps(header))
    again = opened(tmp_path, roles=None)
    assert again.missing() == [0, 2, 4]
    fill(again, again.missing())
    loaded = Draft.load(tmp_path / "l.zarr")
    assert loaded.layout == draft.layout
    loaded.finish()
    assert open_labels(tmp_path / "l.zarr").classes == CLASSES


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


def test_a_draft_goes_on_with_the_rows_that_stand(tmp_path):
    fill(opened(tmp_path), [4, 1])
    assert opened(tmp_path).missing() == [0, 2, 3]
    assert opened(tmp_path, overwrite=True).missing() == [0, 2, 3]


@pytest.mark.parametrize("change", [
    {"options": {"tile_px": 64}}, {"tiling": replace(START.tiling, workers=9)}, {"tiling": None},
    {"slide": replace(START.slide, path="elsewhere/s.zarr")},
    {"provider": replace(START.provider, why="another reason")},
    {"skipping": replace(START.skipping, reason="another")}, {"record_version": 0},
    {"models": replace(START.models, provenance=None)},
])  # fmt: skip
def test_what_moves_no_result_may_differ(tmp_path, change):
    fill(opened(tmp_path), [0])
    assert opened(tmp_path, **change).missing() == [1, 2, 3, 4]


@pytest.mark.parametrize(("change", "difference"), [
    ({"mode": "windows"}, "mode"), ({"layers": ("uncertainty",)}, "probabilities"),
    ({"layers": ("probabilities",)}, "uncertainty"),
    ({"slide": replace(START.slide, identity="xyz")}, "slide"),
    ({"provider": replace(START.provider, ran="cuda")}, "provider"),
    ({"skipping": replace(START.skipping, on=True)}, "skipping"),
    ({"models": replace(START.models, sha256={"p046.onnx": "1"})}, "models"),
    ({"intensity": replace(START.intensity, high=1.1)}, "intensity"),
    ({"morphinfer": "9.0"}, "morphinfer"), ({"model_shape": (600, 97)}, "model_shape"),
    ({"pixel_size_um": 0.5}, "pixel_size_um"), ({"stride_px": 4}, "stride_px"),
    ({"layout": layout_of((75, 13))}, "layout"), ({"layout": layout_of(version="0.4")}, "layout"),
    ({"layout": layout_of(chunk=32)}, "layout"),
    ({"layout": replace(layout_of(), classes=CLASSES[:3])}, "classes"),
    ({"layout": replace(layout_of(), classes=BACKGROUND_IS_TISSUE)}, "classes"),
])  # fmt: skip
def test_the_draft_of_another_run_is_refused_and_replaced_with_overwrite(
    tmp_path, change, difference
):
    fill(opened(tmp_path), [0])
    with pytest.raises(OutputError, match=rf"another {difference}; .*`overwrite=True`"):
        opened(tmp_path, **change)
    assert opened(tmp_path).missing() == [1, 2, 3, 4]
    begun = opened(tmp_path, overwrite=True, **change)
    assert begun.missing() == list(range(begun.row_count))
    assert names(tmp_path) == ["l.zarr.unfinished"]


def test_the_header_of_a_draft_keeps_the_keys_of_its_layout(tmp_path):
    """Runs that an earlier version has left unfinished must be able to go on."""
    folder = opened(tmp_path).folder
    layout = json.loads((folder / "draft.json").read_text(encoding="utf-8"))["layout"]
    assert set(layout) == {"shape", "pixel_size_um", "corner_um", "classes", "version", "chunk"}
    assert layout["shape"] == list(SHAPE)
    assert (layout["pixel_size_um"], layout["corner_um"]) == (5.2, [1.0, -2.0])
    assert Draft.load(tmp_path / "l.zarr").layout == layout_of()


def older(content):
    """The header as it was written before records had a version."""
    record = without(without(content["record"], "", "record_version"), "models", "provenance")
    return without({**content, "record": record}, "layout", "chunk")


def test_a_draft_of_an_earlier_version_is_resumed_and_finished(tmp_path):
    layout = layout_of((600, 12), chunk=LABEL_CHUNK)
    draft = fill(opened(tmp_path, layout=layout), [0, 1])
    header = draft.folder / "draft.json"
    header.write_text(json.dumps(older(json.loads(header.read_text()))))
    assert Draft.load(tmp_path / "l.zarr").missing() == [2]
    fill(opened(tmp_path, layout=layout), [2])
    Draft.load(tmp_path / "l.zarr").finish()
    record = open_labels(tmp_path / "l.zarr").run_record()
    assert (record.record_version, record.models.provenance) == (RECORD_VERSION, None)


@pytest.mark.parametrize("text", ["", "x", "[]", "null", "{}", '{"record": {}}', '{"layout": 3}'])
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_folder_that_is_no_draft_is_refused_with_a_message(tmp_path, text, overwrite):
    folder = tmp_path / "l.zarr.unfinished"
    folder.mkdir()
    (folder / "draft.json").write_text(text)
    with pytest.raises(MorphinferError):
        opened(tmp_path, overwrite=overwrite)
    with pytest.raises(MorphinferError):
        Draft.load(tmp_path / "l.zarr")


def test_a_folder_of_the_user_is_no_draft(tmp_path):
    (tmp_path / "l.zarr.unfinished").mkdir()
    (tmp_path / "l.zarr.unfinished" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="remove the folder"):
        opened(tmp_path, overwrite=True)
    assert names(tmp_path / "l.zarr.unfinished") == ["thesis.txt"]


def test_a_draft_without_any_row_is_discarded_and_one_with_rows_kept(tmp_path):
    draft = opened(tmp_path)
    assert draft.discard_if_empty()
    assert names(tmp_path) == []
    assert draft.discard_if_empty()
    draft = fill(opened(tmp_path), [2])
    assert not draft.discard_if_empty()
    assert names(tmp_path) == ["l.zarr.unfinished"]


@pytest.mark.parametrize("count", [2, 8])
def test_several_that_open_one_draft_at_once_all_work_on_it(tmp_path, count):
    for attempt in range(2):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        together = threading.Barrier(count)

        def work(k, folder=folder, together=together):
            together.wait()
            fill(opened(folder), range(k, 5, count))

        with ThreadPoolExecutor(count) as pool:
            list(pool.map(work, range(count)))
        assert names(folder) == ["l.zarr.unfinished"]
        assert opened(folder).missing() == []
