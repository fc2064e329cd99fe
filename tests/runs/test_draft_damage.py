"""Drafts on bad days: damaged chunks, a full disk, a process that dies at the worst moment."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from drafting import (
    OUTPUTS,
    SHAPE,
    VERSIONS,
    chunks,
    doubtful,
    fill,
    layout_of,
    opened,
    values,
)  # fmt: skip
from fakes import fake_ensemble, names, write_slide

import morphinfer.images.writing.publication
import morphinfer.images.writing.staging
import morphinfer.runs.draft
from morphinfer import segment
from morphinfer.errors import OutputError
from morphinfer.geometry import Window
from morphinfer.images.labels.label_image import LAYERS
from morphinfer.images.labels.opening import open_labels
from morphinfer.images.writing.multiscale import NewImage
from morphinfer.runs.journal import Journal
from networks import nuclei

# Damage


def damage(path, how):
    data = path.read_bytes()
    if how == "deleted":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "garbage":
        path.write_bytes(np.random.default_rng(0).bytes(len(data)))
    elif how == "header":  # blosc (0.4) or zstd (0.5) states other sizes than it holds
        path.write_bytes(data[:4] + b"\xff\xff\xff\xff\xff\x7f\xff\xff" + data[12:])
    elif how == "size":
        path.write_bytes(data[:4] + b"\xff\xff\xff\xff" + data[8:])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("image", ["labels.zarr", "probabilities.zarr", "uncertainty.zarr"])
def test_a_damaged_chunk_means_that_its_row_is_missing(tmp_path, version, image):
    draft = fill(opened(tmp_path, layout=layout_of(version=version)))
    for how in ("deleted", "empty", "truncated", "garbage", "header", "size"):
        damage(chunks(draft, image)[3][-1], how)
        assert draft.missing() == [3]
        with pytest.raises(OutputError, match="1 of 5 rows"):
            draft.finish()
        fill(draft, [3])
        assert draft.missing() == []


@pytest.mark.parametrize("version", VERSIONS)
def test_any_flipped_bytes_of_a_chunk_are_found_or_harmless(tmp_path, version):
    draft = fill(opened(tmp_path, layout=layout_of((20, 10), version), layers=()))
    path = chunks(draft)[0][0]
    good = path.read_bytes()
    rng = np.random.default_rng(5)
    for _ in range(80):
        bad = bytearray(good)
        for place in rng.integers(0, min(20, len(bad)), rng.integers(1, 6)):
            bad[place] = rng.integers(256)
        path.write_bytes(bytes(bad))
        assert draft.missing() in ([], [0])


def test_a_row_that_was_rewritten_with_other_values_counts_as_it_is(tmp_path):
    draft = fill(opened(tmp_path), seed=1)
    fill(draft, [2], seed=0)
    assert draft.missing() == []
    assert draft.intact()[2].counts == tuple(np.bincount(values()[0][32:48].ravel(), minlength=4))


def test_a_row_without_its_line_is_missing(tmp_path):
    draft = fill(opened(tmp_path))
    (journal,) = draft.folder.glob("journal-*")
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:3]) + lines[3][:20])
    assert draft.missing() == [3, 4]


# A process that dies


def raising(problem):
    """What raises, whatever it is given."""

    def fail(*_):
        raise problem

    return fail


def test_an_error_while_the_levels_are_made_costs_no_row(tmp_path, monkeypatch):
    draft = fill(opened(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(NewImage, "describe", raising(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            draft.finish()
    assert names(tmp_path) == ["l.zarr.unfinished"]
    assert opened(tmp_path).missing() == []
    opened(tmp_path).finish()
    assert names(tmp_path) == OUTPUTS


@pytest.mark.parametrize("layer", LAYERS)
def test_a_folder_of_the_user_is_no_leftover_of_an_earlier_run(tmp_path, layer):
    own = tmp_path / f"l_{layer}.zarr"
    own.mkdir()
    (own / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="not replaced"):
        fill(opened(tmp_path, layers=())).finish(overwrite=True)
    assert (own / "thesis.txt").exists()


# No room


@pytest.mark.parametrize(("place", "name", "problem"), [
    (NewImage, "create", errno.ENOSPC), (NewImage, "write_rows", errno.ENOSPC),
    (NewImage, "write_rows", errno.EDQUOT), (NewImage, "fill_levels", errno.ENOSPC),
    (NewImage, "describe", errno.ENOSPC), (Journal, "append", errno.ENOSPC),
    (morphinfer.images.writing.publication, "flush", errno.ENOSPC),
])  # fmt: skip
def test_a_full_disk_is_reported_with_a_way_out(tmp_path, monkeypatch, place, name, problem):
    slide = write_slide(tmp_path / "s.zarr", nuclei(150, 90))
    run = {"models": fake_ensemble(), "out": tmp_path / "l.zarr"}
    with monkeypatch.context() as patch:
        patch.setattr(place, name, raising(OSError(problem, "No space left on device")))
        with pytest.raises(OutputError, match=r"l\.zarr.*: no room left .*; free some space"):
            segment(slide, **run)
    assert set(names(tmp_path)) <= {"l.zarr.unfinished", "s.zarr"}
    segment(slide, **run)
    assert names(tmp_path) == ["l.zarr", "s.zarr"]


def test_a_draft_that_cannot_be_made_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(NewImage, "create", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        opened(tmp_path)
    assert names(tmp_path) == []


def test_room_is_needed_for_all_images_together(tmp_path, monkeypatch):
    specs = [layout_of().labels("l"), *(layout_of().layer(layer, "p") for layer in LAYERS)]
    free = sum(spec.needed_bytes for spec in specs) - 1
    usage = morphinfer.images.writing.staging.shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(morphinfer.images.writing.staging.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OutputError, match="free some space"):
        opened(tmp_path)


def test_a_task_that_outlives_its_run_leaves_no_stump_in_the_way(tmp_path):
    draft = opened(tmp_path)
    writer = draft.writer()
    draft.discard_if_empty()  # the run was interrupted, but a Dask worker is still at it
    labels, soft, uncertainty = values()
    blocks = [labels[:16], soft[:, :16], uncertainty[:16]]
    with pytest.raises(OSError, match="no longer exists"):
        writer.write(Window(0, 0, 16, 12), blocks, doubtful()[:16])
    assert opened(tmp_path).missing() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("step", ["fill_levels", "describe"])
def test_of_two_that_finish_at_once_one_publishes_and_the_other_is_refused(
    tmp_path, monkeypatch, step
):
    draft, other = fill(opened(tmp_path)), opened(tmp_path)
    real, outcomes = getattr(NewImage, step), []

    def finish(one):
        try:
            one.finish()
            outcomes.append("done")
        except OutputError:
            outcomes.append("refused")

    def overtaken(image):
        monkeypatch.setattr(NewImage, step, real)
        finish(other)
        real(image)

    monkeypatch.setattr(NewImage, step, overtaken)
    finish(draft)
    labels = open_labels(tmp_path / "l.zarr")
    np.testing.assert_array_equal(labels.read(Window(0, 0, *SHAPE)), values()[0])
    assert sorted(outcomes) == ["done", "refused"]
    assert names(tmp_path) == OUTPUTS
