"""A project of TissUUmaps names files in which nuclei, classes and spots lie at the same place."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
import tifffile
from commands import refused

from morphinfer.errors import OutputError, SpotsError
from morphinfer.exports import export_labels
from morphinfer.exports.spot_table import read_spots
from morphinfer.images import open_labels
from morphinfer.images.writing.multiscale import create_image

shapely = pytest.importorskip("shapely")
pytest_plugins = ["commands", "label_images"]

SHAPE = (600, 1100)
VALUES = np.zeros((75, 138), np.uint8)
VALUES[10:60, 20:100] = 1
VALUES[20:40, 30:50] = 2


@pytest.fixture
def section(make, tmp_path):
    """Smooth nuclei of 0.5 um pixels, with the labels over them."""
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = (1000 + 400 * np.sin(rows / 40) + 300 * np.cos(cols / 60)).astype(np.uint16)
    path = tmp_path / "slide.zarr"
    with create_image(path, shape=SHAPE, dtype="uint16", pixel_size_um=0.5) as writer:
        writer.write(image)
    return open_labels(make(VALUES, 4.0)), path, image


def table(tmp_path, *lines, name="spots.csv"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_the_project_names_its_files_and_the_pixel_size(section, tmp_path):
    labels, slide, _ = section
    spots = table(tmp_path, "gene,x,y", "Slc17a7,10,20")
    written = export_labels(labels, tmp_path / "p.tmap", "tissuumaps", slide=slide, spots=spots)
    project = json.loads((tmp_path / "p.tmap").read_text())
    assert project["mpp"] == 0.5
    assert [each["tileSource"] for each in project["layers"]] == ["p_nuclei.tif.dzi"]
    named = [project[key][0]["path"] for key in ("regionFiles", "markerFiles")]
    assert named == ["p_classes.geojson", "p_spots.csv"]
    assert all((tmp_path / name).is_file() for name in (*named, "p_nuclei.tif"))
    assert (written["to"], written["out"]) == ("tissuumaps", str(tmp_path / "p.tmap"))
    with pytest.raises(OutputError, match=r"p\.tmap|p_nuclei"):
        export_labels(labels, tmp_path / "p.tmap", "tissuumaps", slide=slide)


def test_nuclei_keep_their_place_in_tiles_and_in_the_pyramid(section, tmp_path):
    labels, slide, image = section
    export_labels(labels, tmp_path / "p.tmap", "tissuumaps", slide=slide)
    with tifffile.TiffFile(tmp_path / "p_nuclei.tif") as tiff:
        pages = [page.asarray() for page in tiff.pages]
        assert [page.is_tiled for page in tiff.pages] == [True] * 3
        assert [page.subfiletype for page in tiff.pages] == [0, 1, 1]
        assert tiff.pages[0].get_resolution("MICROMETER") == pytest.approx((2, 2))
    assert [page.shape for page in pages] == [SHAPE, (300, 550), (150, 275)]
    low, high = np.percentile(image.reshape(300, 2, 550, 2).mean(axis=(1, 3)), (1, 99.7))
    for factor, page in zip((1, 2, 4), pages, strict=True):
        means = image.reshape(600 // factor, factor, 1100 // factor, factor).mean(axis=(1, 3))
        differences = np.abs(page - np.clip((means - low) / (high - low), 0, 1) * 255)
        assert differences.max() < 6
        assert differences.mean() < 1


def test_classes_are_regions_in_pixels_of_the_slide(section, tmp_path):
    labels, slide, _ = section
    export_labels(labels, tmp_path / "p.tmap", "tissuumaps", slide=slide)
    features = json.loads((tmp_path / "p_classes.geojson").read_text())["features"]
    shapes = {
        each["properties"]["classification"]["name"]: shapely.geometry.shape(each["geometry"])
        for each in features
    }
    assert shapes["Slc17a7"].equals(shapely.box(240, 160, 400, 320))


@pytest.mark.parametrize(
    ("name", "before", "lines"),
    [
        ("spots.csv", "", ("x,gene,y", "10,A,20.5")),
        ("spots.tsv", "", ("target\tcol\trow", "A\t10\t20.5")),
        ("spots.csv", "um:", ('"x_location","y_location","feature_name"', "5,10.25,A", "")),
    ],
)
def test_spots_are_read_in_pixels(tmp_path, name, before, lines):
    path = table(tmp_path, *lines, name=name)
    assert list(read_spots(before + path, 0.5)) == [("A", 10, 20.5)]


def test_spots_of_a_compressed_table_are_read(tmp_path):
    path = tmp_path / "s.csv.gz"
    path.write_bytes(gzip.compress(b"gene,x,y\nA,1,2\n"))
    assert list(read_spots(str(path), 1.0)) == [("A", 1, 2)]


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        (("gene,a,b", "A,1,2"), "has the columns gene, a, b"),
        (("gene,x,y", "A,1,2", "B,3"), "line 3"),
        (("gene,x,y", "A,1,z"), "line 2"),
        (("gene,x,y", "A,inf,2"), "not finite"),
    ],
)
def test_a_table_that_holds_no_spots_is_refused(tmp_path, lines, part):
    with pytest.raises(SpotsError, match=part):
        list(read_spots(table(tmp_path, *lines), 1.0))


def test_the_command_publishes_all_or_nothing(call, section, tmp_path):
    labels, slide, _ = section
    words = ("export", str(labels.image.path), "--slide", str(slide), "--out", "p.tmap")
    spots = ("--spots", table(tmp_path, "gene,x,y", "A,1,z"))
    refused(call(*words, "--to", "tissuumaps", *spots), "line 2")
    assert not list(tmp_path.glob("p*"))
    refused(call(*words, *spots), "--to geojson", "no spots")
    refused(call(*words, "--to", "tissuumaps", "--spots", "none.csv"), "none.csv")
    code, out, err = call(*words, "--to", "tissuumaps", "--json")
    assert (code, err, json.loads(out)["to"]) == (0, "", "tissuumaps")
    assert sorted(each.name for each in tmp_path.glob("p*")) == [
        "p.tmap",
        "p_classes.geojson",
        "p_nuclei.tif",
    ]
