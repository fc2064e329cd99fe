import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from region_section import PIXEL_UM, SHAPE, in_layer, in_rim, in_tissue

from morphinfer.classes import UNLABELLED
from morphinfer.errors import OutputError, SpotsError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.opening import open_labels
from morphinfer.images.opening import open_slide
from morphinfer.images.writing.multiscale import create_image
from morphinfer_training.references.make import make_regions
from morphinfer_training.references.settings import RegionSettings
from morphinfer_training.spots.reading import read_spots

DATA = Path(os.environ.get("MORPHINFER_DATA", Path(__file__).parents[4] / "shared" / "data"))
LISTS = [("Layer",), ("Rim",)]


def values(path):
    labels = open_labels(path)
    return labels, labels.read(Window(0, 0, *labels.image.shape))


def truth():
    rows, cols = np.arange(2, SHAPE[0], 4)[:, None], np.arange(2, SHAPE[1], 4)
    classes = in_tissue(rows, cols).astype(int)
    classes[in_layer(rows, cols)] = 2
    classes[in_rim(rows, cols)] = 3
    return classes


def test_the_reference_agrees_with_the_regions_of_the_genes(section, tmp_path):
    done = make_regions(*section, LISTS, tmp_path / "ref.zarr")
    image, labels = values(done.path)
    assert [c.name for c in image.classes] == ["background", "tissue", "Layer", "Rim"]
    assert [c.role for c in image.classes] == ["background", "tissue", "target", "target"]
    assert image.image.pixel_size_um == pytest.approx(2.6)
    # The gap between tissue and the edge of this small section counts as tissue.
    for value, least in enumerate((0.94, 0.85, 0.85, 0.85)):
        labelled, true = labels == value, truth() == value
        assert 2 * (labelled & true).sum() / (labelled.sum() + true.sum()) > least
    assert done.picture.read_bytes().startswith(b"\x89PNG")
    assert done.warnings == ()


def test_the_record_contains_settings_thresholds_and_contrasts(section, tmp_path):
    done = make_regions(*section, LISTS, tmp_path / "ref.zarr")
    record = open_labels(done.path).record
    assert record["settings"]["sigma_um"] == 15
    assert record["classes"][2]["threshold"] == pytest.approx(done.classes[2].threshold)
    assert record["spots"]["used"] == len(section[1])
    assert record["registration"]["given"]["significance"] > 4
    assert record["tissue"]["image_limit"] > 0
    total = sum(c["area_mm2"] for c in record["classes"])
    assert total == pytest.approx(np.prod(SHAPE) * PIXEL_UM**2 / 1e6, rel=0.01)


def test_the_reference_has_the_corner_of_the_slide(section, tmp_path):
    (level,) = section[0].levels
    grid = replace(level.grid, corner_um=(100.0, 200.0))
    slide = replace(section[0], levels=(replace(level, grid=grid),))
    labels, _ = values(make_regions(slide, section[1], LISTS, tmp_path / "ref.zarr").path)
    assert labels.image.grid.corner_um == pytest.approx(slide.grid.corner_um)


def test_without_gene_b_there_are_three_classes_and_with_more_lists_more(section, tmp_path):
    one = make_regions(*section, [("Layer",)], tmp_path / "one.zarr")
    assert [c.name for c in one.classes] == ["background", "tissue", "Layer"]
    three = make_regions(*section, [("Layer",), ("Rim",), ("Everywhere",)], tmp_path / "three.zarr")
    assert [c.name for c in three.classes][2:] == ["Layer", "Rim", "Everywhere"]


def test_the_spots_of_a_list_are_added_up(section, tmp_path):
    done = make_regions(*section, [("Layer", "Rim")], tmp_path / "ref.zarr")
    assert done.classes[2].name == "Layer+Rim"
    _, labels = values(done.path)
    assert labels[in_rim(*np.mgrid[2 : SHAPE[0] : 4, 2 : SHAPE[1] : 4])].mean() > 1.5


def test_absolute_thresholds_replace_relative_ones(section, tmp_path):
    settings = RegionSettings(thresholds=(1e9, None))
    done = make_regions(*section, LISTS, tmp_path / "ref.zarr", settings=settings)
    assert done.classes[2].threshold == 1e9
    assert done.classes[2].cells == 0
    assert done.classes[3].cells > 0
    assert done.warnings == ("class Layer has no pixel",)


def test_fewer_transcripts_detected_give_nearly_the_same_regions(section, tmp_path):
    slide, spots = section
    third = spots.where(np.random.default_rng(3).random(len(spots)) < 0.34)
    _, whole = values(make_regions(slide, spots, LISTS, tmp_path / "whole.zarr").path)
    _, part = values(make_regions(slide, third, LISTS, tmp_path / "part.zarr").path)
    assert (whole == part).mean() > 0.93


def test_pixels_outside_the_region_of_interest_and_at_borders_are_unlabelled(section, tmp_path):
    roi = tmp_path / "roi.csv"
    roi.write_text("x,y\n0,0\n452,0\n452,700\n0,700\n")
    settings = RegionSettings(roi=str(roi), border_um=5)
    done = make_regions(*section, LISTS, tmp_path / "ref.zarr", settings=settings)
    _, labels = values(done.path)
    assert (labels[:, 113:] == UNLABELLED).all()
    inside = labels[:, :113]
    assert 0.01 < (inside == UNLABELLED).mean() < 0.3
    assert done.unlabelled_cells == (labels == UNLABELLED).sum()


def test_without_an_image_tissue_is_found_from_the_spots(section, tmp_path):
    done = make_regions(
        PixelGrid(SHAPE, PIXEL_UM, (0.0, 0.0)), section[1], LISTS, tmp_path / "ref.zarr"
    )
    _, labels = values(done.path)
    assert ((labels > 0) == (truth() > 0)).mean() > 0.93
    assert done.record["registration"] is None
    assert done.picture.exists()


def test_a_few_spots_off_the_slide_are_left_out_with_a_warning(section, tmp_path):
    slide, spots = section
    row = spots.row.copy()
    row[:3] = -40
    done = make_regions(slide, replace(spots, row=row), LISTS, tmp_path / "ref.zarr")
    assert f"3 of {len(spots)} spots are off the slide" in done.warnings[0]
    assert done.record["spots"]["used"] == len(spots) - 3


def test_many_spots_off_the_slide_are_refused_with_their_ranges(section, tmp_path):
    slide, spots = section
    far = replace(spots, row=spots.row * 3, col=spots.col * 3)
    with pytest.raises(
        SpotsError, match=r"off the slide: rows .* of 700, columns .* of 900; check"
    ):
        make_regions(slide, far, LISTS, tmp_path / "ref.zarr")


def test_flipped_axes_are_refused_corrected_or_accepted_without_check(section, tmp_path):
    slide, spots = section
    wrong = spots.oriented("rows-flipped", SHAPE)
    with pytest.raises(SpotsError, match="give `orientation='rows-flipped'`"):
        make_regions(slide, wrong, LISTS, tmp_path / "ref.zarr")
    corrected = RegionSettings(orientation="rows-flipped")
    make_regions(slide, wrong, LISTS, tmp_path / "corrected.zarr", settings=corrected)
    unchecked = RegionSettings(check_registration=False)
    make_regions(slide, wrong, LISTS, tmp_path / "wrong.zarr", settings=unchecked)


def test_shifted_spots_are_refused_or_accepted_with_a_warning(section, tmp_path):
    slide, spots = section
    shifted = replace(spots, col=spots.col + 60)
    with pytest.raises(SpotsError, match=r"shifted by \(60, 1\) pixels .* give `shift='-60"):
        make_regions(slide, shifted, LISTS, tmp_path / "ref.zarr")
    accepted = RegionSettings(accept_registration=True)
    done = make_regions(slide, shifted, LISTS, tmp_path / "ref.zarr", settings=accepted)
    assert "shifted by (60, 1) pixels" in done.warnings[0]
    assert done.record["warnings"] == list(done.warnings)
    assert done.record["registration"]["comparison"]["verdict"] == "wrong"


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ([("layr",)], "no gene 'layr' among its 3 genes; did you mean Layer"),
        ([("Layer",), ("Layer",)], "named twice"),
        ([], "no gene is named"),
        ([("Layer",), ()], "no gene is named"),
    ],
)
def test_impossible_gene_lists_are_refused(section, tmp_path, lists, message):
    with pytest.raises(SpotsError, match=message):
        make_regions(*section, lists, tmp_path / "ref.zarr")


def test_a_gene_with_too_few_spots_is_refused(section, tmp_path):
    slide, spots = section
    rim = np.flatnonzero(spots.of(["Rim"]))
    kept = ~spots.of(["Rim"])
    kept[rim[:49]] = True
    with pytest.raises(SpotsError, match="49 spots of Rim, fewer than 50"):
        make_regions(slide, spots.where(kept), LISTS, tmp_path / "ref.zarr")


def test_a_gene_in_one_corner_of_the_tissue_needs_a_threshold(section, tmp_path):
    slide, spots = section
    row, col = spots.row.copy(), spots.col.copy()
    rim = spots.of(["Rim"])
    row[rim], col[rim] = 330, 420
    settings = RegionSettings(sigma_um=2.0)
    with pytest.raises(SpotsError, match=r"Rim: a threshold of 0; .*give one in `thresholds`"):
        make_regions(
            slide, replace(spots, row=row, col=col), LISTS, tmp_path / "ref.zarr", settings=settings
        )


@pytest.mark.parametrize(
    "settings",
    [
        {"cell_um": 0.0},
        {"sigma_um": -1.0},
        {"fraction": float("nan")},
        {"border_um": -2.0},
        {"min_area_um2": -1.0},
        {"sigma_um": 1.0, "cell_um": 5.0},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(SpotsError, match="must"):
        RegionSettings(**settings)


def test_nothing_is_replaced_without_overwrite(section, tmp_path):
    (tmp_path / "ref.png").write_text("another picture")
    with pytest.raises(OutputError, match="exists already"):
        make_regions(*section, LISTS, tmp_path / "ref.zarr")
    assert not (tmp_path / "ref.zarr").exists()
    make_regions(*section, LISTS, tmp_path / "ref.zarr", overwrite=True)
    assert (tmp_path / "ref.zarr").exists()


@pytest.mark.skipif(
    not (DATA / "ca1" / "spots.parquet").exists(),
    reason=f"no real section in {DATA / 'ca1'}; set MORPHINFER_DATA",
)
def test_regions_of_ca1_are_a_layer_and_a_rim(tmp_path):
    import tifffile

    image = tifffile.imread(DATA / "ca1" / "nuclei.tif")
    with create_image(
        tmp_path / "ca1.zarr", shape=image.shape, dtype=np.uint8, pixel_size_um=0.325
    ) as writer:
        writer.write(image)
    slide = open_slide(tmp_path / "ca1.zarr")
    spots = read_spots(DATA / "ca1" / "spots.parquet", pixel_size_um=0.325)
    done = make_regions(slide, spots, [("Neurod6",), ("Plp1",)], tmp_path / "ref.zarr")
    background, tissue, layer, rim = (c.area_mm2 for c in done.classes)
    section_mm2 = tissue + layer + rim
    # The image is exactly 0 outside the section, in 60.0 % of its area.
    assert background / (background + section_mm2) == pytest.approx(0.6, abs=0.01)
    assert 0.08 < layer / section_mm2 < 0.25
    assert 0.06 < rim / section_mm2 < 0.25


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), 0.0])
def test_a_threshold_that_is_not_a_positive_number_is_refused(threshold):
    with pytest.raises(SpotsError, match="threshold"):
        RegionSettings(thresholds=(None, threshold))


@pytest.mark.parametrize("name", ["tissue", "Background", " "])
def test_a_gene_class_may_not_have_the_name_of_another_class(section, tmp_path, name):
    with pytest.raises(SpotsError, match="are classes of every reference"):
        make_regions(*section, {name: ("Layer",)}, tmp_path / "ref.zarr")


def test_there_may_be_more_than_two_gene_classes(section, tmp_path):
    slide, spots = section
    genes = {"layer": ("Layer",), "rim": ("Rim",), "all": ("Everywhere",)}
    settings = RegionSettings(thresholds=(None, None, 1e9))
    done = make_regions(slide, spots, genes, tmp_path / "ref.zarr", settings=settings)
    assert [c.name for c in done.classes[2:]] == list(genes)
    assert [c.cells > 0 for c in done.classes[2:]] == [True, True, False]
    assert done.record["genes"] == {name: list(each) for name, each in genes.items()}
