"""Which draft is resumed, which is refused, and which is discarded with a sentence."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from drafting import CONTENT, SHAPE, fill, layout_of, opened
from fakes import everything, names
from run_records import START

from morphinfer.errors import MorphinferError, OutputError
from morphinfer.images.stores.contents import StoredContent
from morphinfer.runs.draft import Draft
from networks import CLASSES

BACKGROUND_IS_TISSUE = (replace(CLASSES[0], role="tissue"), *CLASSES[1:])

# Whose draft it is


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


def edited(draft, change):
    """The header of a draft, changed by hand."""
    header = draft.folder / "draft.json"
    content = json.loads(header.read_text(encoding="utf-8"))
    change(content)
    header.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("change", [
    lambda c: c.clear(), lambda c: c.pop("content"), lambda c: c.update(run="another"),
    lambda c: c["record"].update(stride_px=7), lambda c: c.pop("sum"), lambda c: c.update(sum=[]),
    lambda c: [c.pop(key) for key in ("content", "run", "sum")],  # as earlier versions wrote it
])  # fmt: skip
def test_a_header_that_is_not_whole_begins_a_new_draft_with_a_sentence(tmp_path, caplog, change):
    draft = fill(opened(tmp_path))
    edited(draft, change)
    with pytest.raises(OutputError, match="its header is damaged, or an earlier version made it"):
        Draft.load(tmp_path / "l.zarr")
    assert opened(tmp_path).missing() == [0, 1, 2, 3, 4]
    assert "l.zarr: an unfinished run is discarded, since its header is damaged" in caplog.text


@pytest.mark.parametrize("text", ["", "x", "[]", "null", "{}", '{"run": 3}', "[" * 100000])
def test_a_header_that_a_power_cut_has_torn_begins_a_new_draft(tmp_path, text):
    (tmp_path / "l.zarr.unfinished").mkdir()
    (tmp_path / "l.zarr.unfinished/draft.json").write_text(text)
    with pytest.raises(MorphinferError):
        Draft.load(tmp_path / "l.zarr")
    assert opened(tmp_path).missing() == [0, 1, 2, 3, 4]


# Only what is the same


@pytest.mark.parametrize("key", ["files", "pixels"])
def test_a_slide_that_has_changed_begins_a_new_draft_with_a_sentence(tmp_path, caplog, key):
    fill(opened(tmp_path), [0])
    assert opened(tmp_path).missing() == [1, 2, 3, 4]
    assert opened(tmp_path, content=replace(CONTENT, **{key: "2"})).missing() == [0, 1, 2, 3, 4]
    assert len(caplog.messages) == 1
    assert "is discarded, since the slide has changed since" in caplog.text


def test_resume_never_begins_a_new_draft_whatever_is_there(tmp_path, caplog):
    fill(opened(tmp_path, mode="windows"), [0])
    assert opened(tmp_path, how={"resume": "never"}).missing() == [0, 1, 2, 3, 4]
    assert "is discarded, since `resume='never'` asks for it" in caplog.text


@pytest.mark.parametrize("how", [{"resume": "never"}, {"content": StoredContent("2", "3")}])
def test_a_draft_on_which_others_work_is_not_discarded(tmp_path, how):
    fill(opened(tmp_path), [0])
    how, changes = {**how, "alone": False}, {}
    if "content" in how:
        changes["content"] = how.pop("content")
    with pytest.raises(
        OutputError, match=r"cannot be resumed, since .* another process works on it"
    ):
        opened(tmp_path, how=how, **changes)
    assert opened(tmp_path).missing() == [1, 2, 3, 4]


# Nothing from outside


LINKS = ["labels.zarr", "labels.zarr/0", "labels.zarr/0/zarr.json", "probabilities.zarr/0/c/0/1/0"]


@pytest.mark.parametrize("place", LINKS)
def test_a_link_in_a_draft_is_not_followed(tmp_path, caplog, place):
    (tmp_path / "run").mkdir()
    path = fill(opened(tmp_path / "run"), [0, 1]).folder / place
    path.rename(tmp_path / "foreign")
    path.symlink_to(tmp_path / "foreign")
    before = everything(tmp_path / "foreign") or (tmp_path / "foreign").read_bytes()
    with pytest.raises(OutputError, match=f"cannot be finished, since {place} in it is a link"):
        Draft.load(tmp_path / "run/l.zarr")
    fill(opened(tmp_path / "run")).finish()
    assert f"is discarded, since {place} in it is a link, which is not followed" in caplog.text
    assert not any(each.is_symlink() for each in (tmp_path / "run").rglob("*"))
    assert before == (everything(tmp_path / "foreign") or (tmp_path / "foreign").read_bytes())


@pytest.mark.parametrize("place", ["", "draft.json"])
def test_a_draft_that_is_a_link_is_refused(tmp_path, place):
    (tmp_path / "run").mkdir()
    path = fill(opened(tmp_path / "run")).folder / place
    path.rename(tmp_path / "foreign")
    path.symlink_to(tmp_path / "foreign")
    with pytest.raises(OutputError, match=r"is a link|no unfinished run of morphinfer"):
        opened(tmp_path / "run", overwrite=True, how={"resume": "never"})
    with pytest.raises(OutputError, match=r"is a link|no unfinished run of morphinfer"):
        Draft.load(tmp_path / "run/l.zarr")
    assert (tmp_path / "foreign").exists()


@pytest.mark.parametrize(("key", "value"), [
    ("shape", [75, 13]), ("data_type", "uint16"), ("fill_value", 7), ("codecs", [{"name": "bytes"}])
])  # fmt: skip
def test_arrays_of_another_kind_begin_a_new_draft(tmp_path, caplog, key, value):
    draft = fill(opened(tmp_path))
    path = draft.folder / "labels.zarr/0/zarr.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    assert opened(tmp_path).missing() == [0, 1, 2, 3, 4]
    assert "since the metadata of labels.zarr in it are not those of this run" in caplog.text


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
