"""The command line: its output, its exit codes, and one sentence for each error."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from commands import refused

from morphinfer.classes import default_classes
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.label_image import create_labels
from morphinfer.images.labels.opening import open_labels
from networks import card_of, save_padding_free

pytest_plugins = ["commands"]

KEYS = {
    "warnings",
    "slide", "labels", "models", "classes", "roles", "pixel_size_um", "stride_px", "provider", "seconds",
    "megapixels_per_second", "peak_rss_mb", "class_fractions", "uncertain_fraction", "bad_chunks",
    "organism",
}  # fmt: skip


def test_segment_prints_one_json_object_with_the_promised_keys(call, slide, models):
    code, out, _ = call("segment", slide, "--models", models, "--json", "--provider", "cpu")
    assert code == 0
    summary = json.loads(out)
    assert set(summary) == KEYS
    assert summary["provider"] == "cpu"
    assert summary["stride_px"] == 8


def test_a_reference_adds_dice_iou_and_confusion(call, slide, models):
    call("segment", slide, "--models", models, "--out", "first.zarr", "-q")
    code, out, _ = call(
        "segment", slide, "--models", models, "--json", "--reference", "first.zarr", "-q"
    )
    assert code == 0
    summary = json.loads(out)
    assert summary["dice"]["mean"] == 1
    assert set(summary["dice"]) >= {"mean", "per_class"}
    assert {"iou", "confusion", "pixels_compared"} <= set(summary)


def test_a_reference_of_other_genes_is_matched_by_the_option(call, slide, models, tmp_path):
    call("segment", slide, "--models", models, "--out", "first.zarr", "-q")
    values = open_labels(tmp_path / "first.zarr").read(Window(0, 0, 19, 25))
    with create_labels(
        tmp_path / "r.zarr", grid=PixelGrid((19, 25), 5.2, (0, 0)),
        classes=default_classes(("background", "tissue", "Slc17a7", "GeneB")),
    ) as writer:  # fmt: skip
        writer.write(Window(0, 0, 19, 25), values)
    words = ("segment", slide, "--models", models, "--reference", "r.zarr", "--json")
    code, out, err = call(*words, "--match", "Slc17a7=GeneA")
    assert code == 0, err
    assert json.loads(out)["matched"] == {"Slc17a7": "GeneA"}
    assert json.loads(out)["dice"]["mean"] == 1
    assert "the reference's 'Slc17a7' is compared with 'GeneA'" in err


def test_segment_leaves_picture_page_and_record_beside_the_labels(call, slide, models, tmp_path):
    code, out, _ = call("segment", slide, "--models", models)
    assert code == 0
    for ending in (".png", ".json", ".html"):
        path = tmp_path / f"slide_labels{ending}"
        assert path.is_file()
    assert "slide_labels.png" in out
    page = (tmp_path / "slide_labels.html").read_text()
    assert "data:image/png;base64" in page
    assert "://" not in page
    record = json.loads((tmp_path / "slide_labels.json").read_text())
    assert record["run"]["models"]["sha256"]


def test_quiet_leaves_stderr_empty(call, slide, models):
    code, _, err = call("segment", slide, "--models", models, "-q")
    assert (code, err) == (0, "")


def test_evaluate_prints_dice_and_na(call, tmp_path):
    classes = default_classes(("background", "tissue", "GeneA"))
    values = np.repeat(np.arange(2, dtype=np.uint8), 8)[None, :, None] * np.ones(
        (1, 1, 16), np.uint8
    )
    for name in ("a.zarr", "b.zarr"):
        with create_labels(
            tmp_path / name, grid=PixelGrid((16, 16), 5, (0, 0)), classes=classes
        ) as writer:
            writer.write(Window(0, 0, 16, 16), values)
    code, out, _ = call("evaluate", "a.zarr", "b.zarr", "--json")
    assert code == 0
    evaluation = json.loads(out)
    assert evaluation["dice"]["per_class"] == {"background": 1, "tissue": 1, "GeneA": None}
    assert "n/a" in call("evaluate", "a.zarr", "b.zarr")[1]


def test_evaluate_refuses_a_foreign_class_unless_it_is_matched(call, tmp_path):
    values = np.ones((1, 8, 8), np.uint8)
    for name, gene in (("a.zarr", "Neurod6"), ("b.zarr", "Slc17a7")):
        with create_labels(
            tmp_path / name,
            grid=PixelGrid((8, 8), 5, (0, 0)),
            classes=default_classes(("background", "tissue", gene)),
        ) as writer:
            writer.write(Window(0, 0, 8, 8), values)
    refused(call("evaluate", "a.zarr", "b.zarr", "-q"), "--match Slc17a7=Neurod6")
    words = ("evaluate", "a.zarr", "b.zarr", "--match", "Slc17a7=Neurod6")
    assert "the reference's 'Slc17a7' is compared with 'Neurod6'" in call(*words)[2]
    assert call(*words, "-q")[2] == ""


def test_models_lists_and_verifies_the_shipped_sets(call):
    code, out, _ = call("models", "--json")
    assert code == 0
    names = [s["name"] for s in json.loads(out)["sets"]]
    assert "phantom" in names
    for name in names:
        code, out, _ = call("models", "verify", name)
        assert code == 0
        assert out.count("good") == 5


def test_a_missing_slide_is_refused(call):
    refused(call("segment", "nothing.zarr"), "nothing.zarr: no such file or folder")


def test_a_folder_that_is_no_slide_is_refused(call, tmp_path):
    (tmp_path / "folder").mkdir()
    refused(call("segment", "folder"), "folder: no zarr array or group")


def test_a_group_without_an_image_is_refused(call, tmp_path):
    zarr.open_group(str(tmp_path / "g.zarr"), mode="w")
    refused(call("segment", "g.zarr"), "g.zarr", "multiscales")


def test_a_damaged_tiff_is_refused(call, tmp_path):
    (tmp_path / "slide.tif").write_bytes(b"II*\0")
    refused(call("segment", "slide.tif"), "slide.tif: not a TIFF file, or damaged")


def test_a_plain_array_without_a_pixel_size_is_refused_unless_stated(call, tmp_path, image, models):
    zarr.save_array(str(tmp_path / "a.zarr"), image)
    refused(call("segment", "a.zarr", "--models", models), "--pixel-size 0.325")
    code, _, err = call("segment", "a.zarr", "--models", models, "--pixel-size", "0.65")
    assert code == 0, err


def test_an_unknown_channel_is_refused(call, slide, models):
    refused(call("segment", slide, "--channel", "GFP", "--models", models), "no channel 'GFP'")


def test_an_unknown_model_set_is_refused(call, slide):
    refused(call("segment", slide, "--models", "nosuch"), "nosuch: no such model set")


def test_a_truncated_model_is_refused(call, slide, models, tmp_path):
    path = tmp_path / "models" / "p046.onnx"
    path.write_bytes(path.read_bytes()[:1000])
    refused(call("segment", slide, "--models", models), "p046.onnx", "truncated")


def test_models_that_disagree_are_refused(call, slide, models, tmp_path):
    save_padding_free(tmp_path / "models" / "p062.onnx", card_of(62, pixel_size_um=0.5))
    refused(call("segment", slide, "--models", models), "pixel_size_um 0.5", "must agree")


def test_an_output_that_exists_is_kept(call, slide, models, tmp_path):
    (tmp_path / "out.zarr").mkdir()
    (tmp_path / "out.zarr" / "mine.txt").write_text("mine")
    words = ("segment", slide, "--models", models, "--out", "out.zarr")
    refused(call(*words), "--overwrite")
    refused(call(*words, "--overwrite"), "holds no image and no model set")
    assert (tmp_path / "out.zarr" / "mine.txt").read_text() == "mine"


def test_the_slide_itself_is_never_replaced(call, slide, models, tmp_path):
    words = ("segment", slide, "--models", models, "--out", slide, "--overwrite")
    refused(call(*words), "would replace")
    assert call("segment", slide, "--models", models)[0] == 0


def test_a_picture_that_exists_is_refused_before_any_work(call, slide, models, tmp_path):
    (tmp_path / "slide_labels.png").write_text("mine")
    refused(call("segment", slide, "--models", models), "slide_labels.png", "--overwrite")
    assert not (tmp_path / "slide_labels.zarr").exists()


def test_a_full_disk_is_an_error_and_leaves_nothing(call, slide, models, monkeypatch, tmp_path):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1, 1, 0))
    refused(call("segment", slide, "--models", models), "free some space")
    assert not (tmp_path / "slide_labels.zarr").exists()


def test_cuda_without_cuda_fails_in_one_line(call, slide, models, monkeypatch):
    monkeypatch.setattr("morphinfer.networks.runtime._has_nvidia_driver", lambda: False)
    words = ("segment", slide, "--models", models, "--provider", "cuda")
    refused(call(*words), "provider 'cuda' cannot run here")


def test_a_constant_slide_is_refused(call, tmp_path, models):
    zarr.save_array(str(tmp_path / "flat.zarr"), np.full((200, 200), 9, np.uint8))
    words = ("segment", "flat.zarr", "--pixel-size", "0.65", "--models", models)
    refused(call(*words), "constant")


def test_a_slide_with_nan_is_refused(call, tmp_path, models, image):
    spoiled = image.astype(np.float32)
    spoiled[40, 50] = np.nan
    zarr.save_array(str(tmp_path / "nan.zarr"), spoiled)
    words = ("segment", "nan.zarr", "--pixel-size", "0.65", "--models", models)
    refused(call(*words), "row 40, column 50")


def test_an_empty_slide_is_refused(call, tmp_path):
    zarr.create_array(str(tmp_path / "empty.zarr"), shape=(0, 7), dtype="uint8", chunks=(1, 1))
    refused(call("segment", "empty.zarr", "--pixel-size", "1"), "empty, shape (0, 7)")


def test_a_reference_of_another_shape_is_refused(call, slide, models, tmp_path):
    classes = default_classes(("background", "tissue", "A", "B"))
    with create_labels(
        tmp_path / "r.zarr", grid=PixelGrid((5, 5), 5.2, (0, 0)), classes=classes
    ) as writer:
        writer.write(Window(0, 0, 5, 5), np.ones((5, 5), np.uint8))
    words = ("segment", slide, "--models", models, "--reference", "r.zarr")
    refused(call(*words), "--match A=GeneA")
    refused(call(*words, "--match", "A=GeneA", "--match", "B=GeneB"), "covers")


@pytest.mark.parametrize(
    "words",
    [
        ("segment",),
        ("segment", "x.zarr", "--mode", "magic"),
        ("segment", "x.zarr", "--tile", "0"),
        ("segment", "x.zarr", "--z", "top"),
        ("segment", "x.zarr", "--max-memory", "0"),
        ("segment", "x.zarr", "--skip-background", "maybe"),
        ("segment", "x.zarr", "--progress", "loud"),
        ("plan",),
        ("finish",),
        ("nosuchcommand",),
        ("evaluate", "a.zarr"),
    ],
)
def test_wrong_usage_exits_with_two(call, words):
    refused(call(*words), "Usage", code=2)


def test_the_help_lists_every_command(call):
    code, out, _ = call("--help")
    assert code == 0
    for name in ("segment", "finish", "plan", "evaluate", "models", "convert", "phantom", "train"):
        assert f"\n  {name} " in out


def test_an_output_without_a_name_is_one_sentence(call, slide, models):
    code, _, err = call("segment", slide, "--models", models, "--out", ".", "--overwrite")
    assert (code, err.count("\n")) == (1, 1)
    assert "not a name for an output" in err
