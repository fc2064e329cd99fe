"""`segment` on many slides and on Dask, and what an interrupted run leaves."""

from __future__ import annotations

import json
import re
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from commands import CPU, pixel_files, refused, write_slide

from morphinfer.classes import default_classes
from morphinfer.cli.jobs import dask_client
from morphinfer.errors import ProviderError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.label_image import create_labels
from networks import nuclei

pytest_plugins = ["commands"]


@pytest.fixture
def slides(tmp_path):
    """Two good slides with a broken one between them."""
    for seed, name in enumerate(("a", "b")):
        write_slide(tmp_path / f"{name}.zarr", nuclei(120, 140, seed))
    (tmp_path / "broken.zarr").mkdir()
    return ("a.zarr", "broken.zarr", "b.zarr")


KEPT = r"morphinfer: {}\d+ % of the positions are kept in {}; the same command goes on from there"


def stop_when(monkeypatch, problem, condition):
    """Let the run meet a problem as soon as a tile was written and the condition holds."""

    @contextmanager
    def progress(*_):
        def report(_):
            if condition():
                raise problem

        yield report

    monkeypatch.setattr("morphinfer.cli.jobs.tile_progress", progress)


def test_a_region_of_interest_is_of_one_slide(call):
    result = call("segment", "a.zarr", "b.zarr", "--roi", "r.csv")
    refused(result, "--roi is drawn on one slide and there are 2", code=2)


def test_a_broken_slide_does_not_stop_the_others(call, slides, models, tmp_path):
    code, out, err = call("segment", *slides, "--models", models, "--json", "-q", *CPU)
    assert code == 1
    assert err.splitlines() == [
        "morphinfer: broken.zarr: no zarr array or group in this folder; name the folder of an "
        "OME-Zarr image"
    ]
    batch = json.loads(out)
    assert batch["failed"] == 1
    assert [summary["slide"] for summary in batch["slides"]] == list(slides)
    assert "no zarr array" in batch["slides"][1]["error"]
    assert batch["slides"][2]["labels"] == "b_labels.zarr"
    for name in ("a", "b"):
        assert (tmp_path / f"{name}_labels.zarr").is_dir()
        assert (tmp_path / f"{name}_labels.html").is_file()


def test_many_slides_end_with_a_table(call, slides, models):
    code, out, _ = call("segment", *slides, "--models", models, *CPU)
    assert code == 1
    assert "a.zarr" in out
    assert "GeneB" in out
    assert "failed: " in out


def test_the_error_of_a_slide_starts_with_its_name(call, slides, models, monkeypatch):
    from morphinfer.errors import OutOfMemoryError

    stop_when(monkeypatch, OutOfMemoryError("p046: the memory does not suffice"), lambda: True)
    code, _, err = call("segment", "a.zarr", "b.zarr", "--models", models, "-q", *CPU)
    assert code == 1
    assert "morphinfer: a.zarr: p046: the memory does not suffice\n" in err
    assert "morphinfer: b.zarr: p046: " in err


def test_many_good_slides_exit_with_zero_and_load_the_networks_once(
    call, slides, models, monkeypatch
):
    from morphinfer import networks

    loaded = []
    load = networks.load_ensemble
    monkeypatch.setattr(
        networks, "load_ensemble", lambda *a, **k: loaded.append(a) or load(*a, **k)
    )
    monkeypatch.setattr(
        "morphinfer.runs.steps.load_ensemble", lambda *a: pytest.fail("loaded again")
    )
    code, out, err = call("segment", "a.zarr", "b.zarr", "--models", models, "--json", *CPU)
    assert code == 0, err
    assert json.loads(out)["failed"] == 0
    assert len(loaded) == 1
    assert "segmenting b.zarr (2 of 2): " in err


def test_slides_that_are_done_are_left_alone(call, slides, models, tmp_path):
    good = (slides[0], slides[2])
    first = call("segment", good[0], "--models", models, "--json", "-q", *CPU)
    before = (tmp_path / "a_labels.zarr" / "zarr.json").stat().st_mtime_ns
    again = ("segment", *good, "--skip-done", "--models", models, "--json", "-q", *CPU)
    code, out, _ = call(*again)
    assert code == 0
    summaries = json.loads(out)["slides"]
    assert summaries[0]["class_fractions"] == json.loads(first[1])["class_fractions"]
    assert (tmp_path / "b_labels.zarr").is_dir()
    assert (tmp_path / "a_labels.zarr" / "zarr.json").stat().st_mtime_ns == before
    assert call(*again)[0] == 0


def test_a_slide_without_its_report_or_a_layer_does_not_count_as_done(
    call, slides, models, tmp_path
):
    words = ("segment", slides[0], "--models", models, "-q", *CPU)
    assert call(*words)[0] == 0
    page = (tmp_path / "a_labels.html").read_bytes()
    (tmp_path / "a_labels.html").unlink()
    assert call(*words, "--skip-done")[0] == 0
    assert (tmp_path / "a_labels.html").read_bytes() == page
    code, _, err = call(*words, "--skip-done", "--uncertainty")
    assert code == 1
    assert "a_labels_uncertainty.zarr: does not exist, while" in err


def test_a_label_image_of_another_tool_does_not_count_as_done(call, slides, models, tmp_path):
    with create_labels(
        tmp_path / "a_labels.zarr", grid=PixelGrid((3, 3), 5, (0, 0)),
        classes=default_classes(("background", "tissue")),
    ) as writer:  # fmt: skip
        writer.write(Window(0, 0, 3, 3), np.zeros((3, 3), np.uint8))
    code, out, err = call("segment", slides[0], "--skip-done", "--models", models, *CPU)
    assert code == 1
    assert "did not write it" in err
    assert "failed: " in out


def test_labels_of_all_slides_go_into_one_folder_that_is_created(call, slides, models, tmp_path):
    words = ("--models", models, "--out-dir", "new/results", "-q", *CPU)
    assert call("segment", "a.zarr", "b.zarr", *words)[0] == 0
    names = {p.name for p in (tmp_path / "new" / "results").glob("*.zarr")}
    assert names == {"a_labels.zarr", "b_labels.zarr"}
    assert not (tmp_path / "a_labels.zarr").exists()


def test_one_slide_takes_an_output_folder_too(call, slides, models, tmp_path):
    words = ("--models", models, "--out-dir", "results", "-q", *CPU)
    assert call("segment", "a.zarr", *words)[0] == 0
    assert (tmp_path / "results" / "a_labels.zarr").is_dir()


def test_an_output_folder_that_cannot_be_created_is_one_sentence(call, slides, models, tmp_path):
    (tmp_path / "file").write_text("mine")
    words = ("segment", "a.zarr", "b.zarr", "--models", models, "--out-dir", "file")
    refused(call(*words), "file: the folder cannot be created", "--out-dir")


def test_slides_of_one_output_name_are_refused_before_any_work(call, slides, models, tmp_path):
    write_slide(tmp_path / "a.ome.zarr", nuclei(120, 140))
    words = ("segment", "a.zarr", "b.zarr", "a.ome.zarr", "--models", models, "--out-dir", "o")
    refused(call(*words), "a_labels.zarr", "a.zarr and of a.ome.zarr")
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a", "b", "--out", "o"), "--out names one label image and there are 2 slides"),
        (("a", "b", "--reference", "r"), "--reference scores one slide and there are 2"),
        (("a", "--out", "o", "--out-dir", "d"), "exclude each other"),
        (("a", "b", "--shard", "1/2"), "--shard takes one slide and there are 2"),
        (("a", "--shard", "1/2", "--reference", "r"), "morphinfer finish"),
        (("a", "--shard", "1/2", "--overwrite"), "--shard replaces nothing"),
        (("a", "--shard", "1/2", "--dask", "tcp://x"), "--shard and --dask exclude each other"),
        (
            ("a", "--shard", "1/2", "--resume", "never"),
            "--shard adds to what other shards have left",
        ),
        (("a", "--match", "A=B"), "--match needs a --reference"),
        (("a", "--shard", "3/2"), "name one of 1/2 to 2/2"),
        (("a", "--shard", "half"), "'half' is not I/N"),
    ],
)
def test_options_that_contradict_each_other_exit_with_two(call, words, message):
    refused(call("segment", *words), "Usage", message, code=2)


def test_the_same_command_resumes_an_interrupted_run(call, tall, models, tmp_path, monkeypatch):
    words = ("segment", tall, "--models", models, "--tile", "256", *CPU)
    with monkeypatch.context() as patch:
        rows = lambda: list(tmp_path.glob("part.zarr.unfinished/journal-*"))  # noqa: E731
        stop_when(patch, KeyboardInterrupt(), rows)
        code, out, err = call(*words, "--out", "part.zarr")
    assert (code, out) == (130, "")
    assert re.fullmatch(KEPT.format("interrupted; ", "part.zarr.unfinished"), err.rstrip())
    code, _, err = call(*words, "--out", "part.zarr", "--progress", "json", "-q")
    assert code == 0
    left = json.loads(err.splitlines()[-1])["all_tiles"]
    _, _, err = call(*words, "--out", "whole.zarr", "--progress", "json", "-q")
    assert left < json.loads(err.splitlines()[-1])["all_tiles"]
    assert not (tmp_path / "part.zarr.unfinished").exists()
    assert pixel_files(tmp_path / "part.zarr") == pixel_files(tmp_path / "whole.zarr")


def test_a_run_that_failed_after_some_rows_says_how_to_resume(
    call, tall, models, tmp_path, monkeypatch
):
    from morphinfer.errors import SlideError

    rows = lambda: list(tmp_path.glob("*.unfinished/journal-*"))  # noqa: E731
    stop_when(monkeypatch, SlideError("tall.zarr: a chunk is damaged"), rows)
    code, _, err = call("segment", tall, "--models", models, "--tile", "256", *CPU)
    assert code == 1
    said, kept = err.splitlines()
    assert said == "morphinfer: tall.zarr: a chunk is damaged"
    assert re.fullmatch(KEPT.format("", "tall_labels.zarr.unfinished"), kept)


def test_a_run_that_was_interrupted_after_a_tile_keeps_it(
    call, tall, models, tmp_path, monkeypatch
):
    words = ("segment", tall, "--models", models, "--tile", "64", *CPU)
    with monkeypatch.context() as patch:
        stop_when(patch, KeyboardInterrupt(), lambda: True)
        code, _, err = call(*words)
    assert code == 130
    assert "of the positions are kept in tall_labels.zarr.unfinished; the same command" in err
    code, _, err = call(*words, "--resume", "never")
    assert code == 0
    assert "an unfinished run is discarded, since --resume never asks for it" in err


def test_an_unfinished_run_with_other_options_is_refused_in_one_sentence(
    call, tall, models, tmp_path
):
    words = ("segment", tall, "--models", models, *CPU)
    assert call(*words, "--shard", "1/2", "-q")[0] == 0
    refused(call(*words, "--stride", "4", "-q"), "an unfinished run with another", "--overwrite")


def test_dask_workers_give_the_bytes_of_one_run(call, tall, models, tmp_path):
    distributed = pytest.importorskip("distributed")
    words = ("segment", tall, "--models", models, *CPU)
    assert call(*words, "--out", "one.zarr", "-q")[0] == 0
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        code, out, err = call(
            *words, "--out", "many.zarr", "--dask", cluster.scheduler_address, "--json"
        )
    assert code == 0, err
    assert json.loads(out)["labels"] == "many.zarr"
    assert pixel_files(tmp_path / "many.zarr") == pixel_files(tmp_path / "one.zarr")


def test_a_scheduler_that_does_not_answer_is_refused():
    pytest.importorskip("distributed")
    message = "^--dask tcp://127.0.0.1:9: no Dask scheduler answered within 0.2 s; start one"
    with (
        pytest.raises(ProviderError, match=message),
        dask_client("tcp://127.0.0.1:9", timeout_s=0.2),
    ):
        pass


def test_the_error_without_dask_is_one_sentence(call, slide, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    refused(call("segment", slide, "--dask", "tcp://x:1"), "install morphinfer[dask]")
