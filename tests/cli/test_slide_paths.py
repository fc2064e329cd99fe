"""`segment` on containers, zip files, folders of slides, and where results of earlier runs lie."""

from __future__ import annotations

import json
import shutil
import zipfile

import pytest
import zarr
from commands import CPU, pixel_files, refused, write_slide

from networks import nuclei

pytest_plugins = ["commands"]


@pytest.fixture
def pair(tmp_path):
    """A bioformats2raw container with a small series 0 and a larger series 1."""
    zarr.open_group(str(tmp_path / "c.zarr"), mode="w").attrs["ome"] = {"bioformats2raw.layout": 3}
    write_slide(tmp_path / "c.zarr/0", nuclei(90, 100))
    write_slide(tmp_path / "c.zarr/1", nuclei(120, 140, 1))
    return "c.zarr"


def test_two_series_of_a_container_have_results_of_their_own(call, pair, models, tmp_path):
    code, _, err = call("segment", pair, "--models", models, *CPU)
    assert code == 0
    assert "holds 2 images" in err
    assert "is chosen by --series" in err
    code, out, err = call(
        "segment", pair, "--models", models, "--series", "0", "--json", "-q", *CPU
    )
    assert (code, err, json.loads(out)["labels"]) == (0, "", "c_labels.zarr")
    assert (tmp_path / "c_1_labels.zarr").is_dir()
    code, _, _ = call("report", "c_1_labels.zarr", "--out", "again.html")
    assert code == 0


def test_a_zip_file_gives_the_labels_of_its_folder(call, slide, models, tmp_path):
    with zipfile.ZipFile(tmp_path / "z.ozx", "w") as archive:
        for path in sorted((tmp_path / slide).rglob("*")):
            archive.write(path, path.relative_to(tmp_path / slide))
    for name in (slide, "z.ozx"):
        assert call("segment", name, "--models", models, "-q", *CPU)[0] == 0
    labels = tmp_path / "slide_labels.zarr", tmp_path / "z_labels.zarr"
    assert pixel_files(labels[0]) == pixel_files(labels[1])


@pytest.fixture
def done(call, models, tmp_path):
    """A folder with a slide, and its results with all layers."""
    (tmp_path / "day").mkdir()
    write_slide(tmp_path / "day/a.zarr", nuclei(120, 140))
    words = "--models", models, "--uncertainty", "--probabilities", "-q", *CPU
    assert call("segment", "day/a.zarr", *words)[0] == 0
    return "day"


@pytest.mark.parametrize("command", ["segment", "plan"])
@pytest.mark.parametrize(
    ("end", "kind"),
    [("", "label image"), ("_uncertainty", "uncertainty"), ("_probabilities", "probabilities")],
)
def test_a_result_is_refused_as_a_slide(call, done, models, command, end, kind):
    result = call(command, f"{done}/a_labels{end}.zarr", "--models", models, *CPU)
    refused(result, f"holds the {kind} of a segmentation, not nuclei")


def test_results_among_several_slides_are_skipped_and_named(call, done, models):
    paths = [f"{done}/{n}.zarr" for n in ("a", "a_labels", "a_labels_uncertainty")]
    refused(call("segment", *paths[1:], "-q", *CPU), "all hold results")
    code, out, err = call(
        "segment", *paths, "--models", models, "--overwrite", "--json", "--progress", "none", *CPU
    )
    assert code == 0
    batch = json.loads(out)
    assert (len(batch["slides"]), batch["failed"], batch["skipped"]) == (1, 0, paths[1:])
    for path in paths[1:]:
        assert f"morphinfer: warning: {path}: skipped" in err


def test_a_folder_is_segmented_slide_by_slide(call, done, models, tmp_path):
    write_slide(tmp_path / "day/b.zarr", nuclei(120, 140, 1))
    (tmp_path / "day/c.tif").write_bytes(b"II*\0")
    code, out, _ = call("segment", done, "--models", models, "--skip-done", "--json", "-q", *CPU)
    assert code == 1  # the TIFF is damaged
    batch = json.loads(out)
    assert [entry["slide"] for entry in batch["slides"]] == [
        "day/a.zarr",
        "day/b.zarr",
        "day/c.tif",
    ]
    assert batch["failed"] == 1
    assert (tmp_path / "day/b_labels.zarr").is_dir()


def test_a_folder_of_slides_takes_no_single_output(call, done, tmp_path):
    write_slide(tmp_path / "day/b.zarr", nuclei(120, 140, 1))
    code, _, err = call("segment", done, "--out", "x.zarr")
    assert code == 2
    assert "--out names one label image" in err


def test_a_folder_without_slides_is_refused(call, done, tmp_path):
    shutil.rmtree(tmp_path / "day/a.zarr")
    refused(call("segment", done, *CPU), "no zarr array or group in this folder; name the folder")
