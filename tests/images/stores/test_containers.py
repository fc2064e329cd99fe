"""Which image an address means: series, SpatialData elements, plates, groups and folders above images."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from slides import pixels

from morphinfer.errors import SlideError
from morphinfer.images.opening import open_slide

VERSIONS = ["0.4", "0.5"]


def mark(path, version, content):
    """Write attributes of NGFF to a group, which is made where it is missing."""
    group = zarr.open_group(str(path), mode="a", zarr_format=2 if version == "0.4" else 3)
    group.attrs.update(content if version == "0.4" else {"ome": {"version": "0.5", **content}})


@pytest.fixture
def make_container(make_slide, tmp_path):
    """A bioformats2raw container of images by their paths; gives its path."""

    def make(images, version="0.4", series=None, names=None):
        root = tmp_path / "slide.zarr"
        mark(root, version, {"bioformats2raw.layout": 3})
        for path, image in images.items():
            make_slide(image, name=f"slide.zarr/{path}", version=version)
        if series is not None:
            mark(root / "OME", version, {"series": series})
        if names is not None:
            (root / "OME").mkdir(exist_ok=True)
            text = "".join(f'<Image ID="Image:{i}" Name="{n}"/>' for i, n in enumerate(names))
            (root / "OME/METADATA.ome.xml").write_text(f"<OME>{text}</OME>")
        return root

    return make


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("series", [None, ["0", "1", "2"]])
def test_the_largest_series_is_taken_and_named(make_container, noise, caplog, version, series):
    images = {"0": noise(20, 20), "1": noise(40, 30), "2": noise(30, 30)}
    slide = open_slide(make_container(images, version, series))
    np.testing.assert_array_equal(pixels(slide), images["1"])
    assert (slide.name, slide.path.name) == ("slide.zarr", "1")
    (warning,) = slide.warnings
    assert caplog.messages == [warning]
    assert "holds 3 images, of which 1 (40 x 30), the largest, is read" in warning
    assert "the others are 0 (20 x 20), 2 (30 x 30)" in warning


@pytest.mark.parametrize("name", ["macro image", "Label", "overview 1x", "thumbnail"])
def test_a_macro_or_label_image_is_not_taken_though_it_is_larger(make_container, noise, name):
    images = {"0": noise(50, 50), "1": noise(40, 30)}
    slide = open_slide(make_container(images, names=[name, "tissue &amp; more"]))
    np.testing.assert_array_equal(pixels(slide), images["1"])
    assert "1 'tissue & more' (40 x 30), the only one of tissue" in slide.warnings[0]


def test_a_container_of_macro_images_alone_is_refused(make_container, noise):
    path = make_container({"0": noise(50, 50)}, names=["macro"])
    with pytest.raises(SlideError, match=r"no image of tissue: 0 'macro' \(50 x 50\).*`series"):
        open_slide(path)
    assert open_slide(path, series=0).shape == (50, 50)


def test_a_container_of_one_series_is_read_without_a_word(make_container, noise):
    slide = open_slide(make_container({"0": noise(20, 20)}, names=["nuclei"]))
    assert slide.warnings == ()


@pytest.mark.parametrize("wanted", [0, "0", "small"])
def test_a_series_is_chosen_by_path_name_or_number(make_container, noise, wanted):
    images = {"0": noise(20, 20), "1": noise(40, 30)}
    slide = open_slide(make_container(images, names=["small", "large"]), series=wanted)
    np.testing.assert_array_equal(pixels(slide), images["0"])
    assert slide.warnings == ()


def test_the_listed_order_numbers_series_whose_paths_are_no_numbers(make_container, noise):
    images = {"b": noise(20, 20), "a": noise(40, 30)}
    slide = open_slide(make_container(images, series=["b", "a"]), series=1)
    np.testing.assert_array_equal(pixels(slide), images["a"])


def test_a_series_that_does_not_exist_is_refused_and_the_others_listed(make_container, noise):
    path = make_container({"0": noise(20, 20), "1": noise(40, 30)}, names=["left", "right"])
    with pytest.raises(SlideError, match=r"no series 'lift'; did you mean 'left'\?.*1 'right' \("):
        open_slide(path, series="lift")


def test_two_series_of_one_name_are_chosen_by_path(make_container, noise):
    path = make_container({"0": noise(20, 20), "1": noise(40, 30)}, names=["same", "same"])
    with pytest.raises(SlideError, match="2 images have the name 'same'"):
        open_slide(path, series="same")


def test_a_series_that_is_listed_but_absent_is_named(make_container, noise):
    path = make_container({"0": noise(20, 20)}, series=["0", "1"], names=["left", "right"])
    assert (
        "0 'left' (20 x 20), the only one of tissue that can be read"
        in (open_slide(path).warnings[0])
    )
    assert "the others are 1 'right' (unreadable)" in open_slide(path).warnings[0]
    with pytest.raises(SlideError, match="lists the image '1', which is not there"):
        open_slide(path, series=1)


def test_a_single_image_has_no_series(make_slide, noise):
    path = make_slide(noise(20, 20))
    with pytest.raises(SlideError, match="is one image, without a series '2'; leave out `series`"):
        open_slide(path, series=2)


def test_a_container_without_images_is_refused(make_container):
    with pytest.raises(SlideError, match="a bioformats2raw container without an image at 0"):
        open_slide(make_container({}))


# SpatialData, plates, other groups, folders


@pytest.fixture
def spatial(make_slide, tmp_path, noise):
    """A store as SpatialData writes it, by the names of its images."""

    def make(*images, version="0.5"):
        root = tmp_path / "s.zarr"
        zarr_format = 2 if version == "0.4" else 3
        for path in ("", "images", "labels"):
            zarr.open_group(str(root / path), mode="a", zarr_format=zarr_format)
        group = zarr.open_group(str(root), mode="a", zarr_format=zarr_format)
        group.attrs["spatialdata_attrs"] = {"version": "0.2"}
        for name in images:
            make_slide(noise(20, 30), name=f"s.zarr/images/{name}", version=version)
        return root

    return make


@pytest.mark.parametrize("version", VERSIONS)
def test_the_only_image_of_a_spatialdata_store_is_taken_and_named(spatial, version):
    slide = open_slide(spatial("dapi", version=version))
    assert slide.path.parts[-3:] == ("s.zarr", "images", "dapi")
    assert "holds only the image images/dapi (20 x 30), which is read" in slide.warnings[0]


def test_several_images_of_a_spatialdata_store_are_listed(spatial):
    path = spatial("dapi", "he")
    with pytest.raises(
        SlideError, match=r"several images: images/dapi .*, images/he .*`series='dapi'"
    ):
        open_slide(path)
    assert open_slide(path, series="he").path.name == "he"
    assert open_slide(path / "images/he").warnings == ()


def test_a_spatialdata_store_without_images_is_refused(spatial):
    with pytest.raises(SlideError, match=r"without images .*\(it has images, labels\)"):
        open_slide(spatial())


def test_a_plate_lists_its_wells_and_names_an_image_that_exists(make_slide, noise, tmp_path):
    root = tmp_path / "p.zarr"
    mark(root, "0.4", {"plate": {"wells": [{"path": "A/1"}, {"path": "B/2"}]}})
    mark(root / "A/1", "0.4", {"well": {"images": [{"path": "f0"}, {"path": "f1"}]}})
    make_slide(noise(20, 20), name="p.zarr/A/1/f0", version="0.4")
    with pytest.raises(SlideError, match=r"a plate .*\(2 wells: A/1, B/2\).*p\.zarr/A/1/f0$"):
        open_slide(root)
    with pytest.raises(SlideError, match=r"a well .*\(2 fields: f0, f1\).*p\.zarr/A/1/f0$"):
        open_slide(root / "A/1")
    assert open_slide(root / "A/1/f0").shape == (20, 20)


def test_an_image_in_a_group_of_labels_is_no_slide(make_slide, noise, tmp_path):
    zarr.open_group(str(tmp_path / "s.zarr/labels"), mode="w")
    path = make_slide(noise(20, 20, dtype="uint8"), name="s.zarr/labels/nuclei")
    assert open_slide(path).result == "label image"
    with pytest.raises(SlideError, match=r"a group of label images, nuclei \(20 x 20, labels\)"):
        open_slide(path.parent)
    assert not open_slide(make_slide(noise(20, 20), name="labels/slide.zarr")).result


def test_a_group_above_images_names_them(make_slide, noise, tmp_path):
    zarr.open_group(str(tmp_path / "g.zarr"), mode="w")
    make_slide(noise(20, 20), name="g.zarr/a")
    make_slide(noise(20, 20), name="g.zarr/b")
    with pytest.raises(SlideError, match=r"a group that holds a \(20 x 20\), b .*g\.zarr/a$"):
        open_slide(tmp_path / "g.zarr")


def test_a_folder_above_images_names_them(make_slide, noise, tmp_path):
    make_slide(noise(20, 20), name="day 1/a.zarr")
    with pytest.raises(
        SlideError, match=r"but there are some below it; name one of .*day 1/a\.zarr"
    ):
        open_slide(tmp_path)


def test_a_misspelt_path_names_the_nearest(make_slide, noise, tmp_path):
    make_slide(noise(20, 20), name="section.zarr")
    with pytest.raises(SlideError, match=r"no such file or folder; did you mean 'section\.zarr'\?"):
        open_slide(tmp_path / "sectoin.zarr")
    with pytest.raises(SlideError, match=r"\(there is no .*nowhere\)"):
        open_slide(tmp_path / "nowhere/section.zarr")


def test_a_metadata_file_names_its_folder(make_slide, noise):
    path = make_slide(noise(20, 20))
    with pytest.raises(SlideError, match=r"holds metadata .*; name its folder, .*slide\.zarr$"):
        open_slide(path / "zarr.json")


# Consolidated metadata


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
@pytest.mark.parametrize("version", VERSIONS)
def test_older_consolidated_metadata_are_not_believed(make_slide, noise, version):
    image = noise(40, 30)
    path = make_slide(image, version=version)
    zarr.consolidate_metadata(str(path))
    zarr_format = 2 if version == "0.4" else 3
    cropped = zarr.create_array(
        str(path / "s0"), shape=(20, 30), chunks=(16, 16), dtype=image.dtype, overwrite=True,
        zarr_format=zarr_format,
    )  # fmt: skip
    cropped[...] = image[:20]
    slide = open_slide(path)
    np.testing.assert_array_equal(pixels(slide), image[:20])


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
@pytest.mark.parametrize("version", VERSIONS)
def test_consolidated_metadata_that_lack_a_series_do_not_hide_it(make_container, noise, version):
    path = make_container({}, version)
    zarr.consolidate_metadata(str(path))
    images = {"0": noise(20, 20), "1": noise(40, 30)}
    assert open_slide(make_container(images, version)).shape == (40, 30)


def test_damaged_consolidated_metadata_do_not_hinder_reading(make_slide, noise):
    path = make_slide(noise(20, 20), version="0.4")
    (path / ".zmetadata").write_text("{")
    assert open_slide(path).shape == (20, 20)
    path = make_slide(noise(20, 20), name="b.zarr")
    content = json.loads((path / "zarr.json").read_text())
    content["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": {}}
    (path / "zarr.json").write_text(json.dumps(content))
    assert open_slide(path).shape == (20, 20)
