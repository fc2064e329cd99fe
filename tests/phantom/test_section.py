"""Synthetic sections: reproducible, independent of how they are cut, true to their regions."""

from __future__ import annotations

import csv
import hashlib

import numpy as np
import pytest
from commands import runner

from morphinfer.cli.phantom import phantom as command
from morphinfer.errors import OutputError, SlideError
from morphinfer.geometry import Window
from morphinfer.images.labels.opening import open_labels
from morphinfer.images.opening import open_slide
from morphinfer.phantom.anatomy import CLASS_NAMES
from morphinfer.phantom.section import Section, make_phantom

SIZE = (1100, 1300)


@pytest.fixture(scope="module")
def section(tmp_path_factory):
    return make_phantom(tmp_path_factory.mktemp("phantom") / "p", seed=3, size=SIZE)


def pixels(path):
    slide = open_slide(path)
    return slide.read(Window(0, 0, *slide.shape))


def regions(path):
    labels = open_labels(path)
    return labels.read(Window(0, 0, *labels.image.shape))


def read_spots(path):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    genes = np.array([row["gene"] for row in rows])
    return genes, *(np.array([float(row[axis]) for row in rows]) for axis in "yx")


def fingerprint(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    parts = [(str(p.relative_to(folder)), p.read_bytes()) for p in files]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def test_the_same_seed_and_size_give_the_same_bytes(tmp_path):
    for name in "ab":
        make_phantom(tmp_path / name, seed=5, size=(300, 700))
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")


def test_another_seed_is_another_animal(tmp_path):
    for seed in (1, 2):
        make_phantom(tmp_path / str(seed), seed=seed, size=(300, 300))
    assert (pixels(tmp_path / "1/slide.zarr") != pixels(tmp_path / "2/slide.zarr")).mean() > 0.5
    first, second = (regions(tmp_path / f"{seed}/reference.zarr") for seed in (1, 2))
    assert 0.02 < (first != second).mean() < 0.6


@pytest.mark.parametrize(
    "window",
    [
        Window(0, 0, 1, 1),
        Window(500, 505, 30, 20),
        Window(1000, 0, 100, 1300),
        Window(7, 1299, 900, 1),
    ],
)
def test_a_window_drawn_by_itself_equals_the_slide(section, window):
    drawn = Section(3, SIZE, 0.65).pixels(window)
    np.testing.assert_array_equal(drawn, open_slide(section.slide).read(window))


def test_bands_of_any_height_give_the_same_pixels(section):
    painted = Section(3, SIZE, 0.65)
    bands = [
        painted.pixels(Window(row, 0, min(333, 1100 - row), 1300)) for row in range(0, 1100, 333)
    ]
    np.testing.assert_array_equal(np.vstack(bands), pixels(section.slide))


def test_no_seam_shows_between_blocks(section):
    image = pixels(section.slide).astype(float)
    steps = np.abs(np.diff(image, axis=0)).mean(axis=1)
    assert steps[511] < 1.3 * np.median(steps[480:540])


def test_the_slide_says_that_it_is_synthetic_and_how_large_its_pixels_are(section):
    import zarr

    attributes = dict(zarr.open_group(str(section.slide), mode="r").attrs)["morphinfer"]
    assert attributes == {"synthetic": True, "seed": 3, "size": list(SIZE)}
    slide = open_slide(section.slide)
    assert (slide.shape, slide.pixel_size_um, slide.channels) == (SIZE, 0.65, ("DAPI",))
    assert open_labels(section.reference).record["synthetic"] is True


def test_the_reference_lies_over_the_slide_and_names_its_classes(section):
    labels, slide = open_labels(section.reference), open_slide(section.slide)
    assert tuple(c.name for c in labels.classes) == CLASS_NAMES
    assert labels.image.shape == (138, 163)
    assert labels.image.pixel_size_um == pytest.approx(8 * slide.pixel_size_um)
    assert labels.image.grid.corner_um == pytest.approx(slide.grid.corner_um, abs=1e-9)


def test_regions_differ_as_their_nuclei_do(section):
    classes = regions(section.reference)
    image = np.pad(pixels(section.slide).astype(float), ((0, 4), (0, 4)), mode="edge")
    pixel_means = image.reshape(138, 8, 163, 8).mean(axis=(1, 3))
    background, tissue, gene_a, gene_b = (
        pixel_means[classes == value].mean() for value in range(4)
    )
    assert background < 0.7 * tissue
    assert gene_a > gene_b > tissue
    assert all((classes == value).mean() > 0.02 for value in range(4))


def test_classes_of_tissue_cannot_be_separated_by_single_pixels(section):
    classes = regions(section.reference)
    wide = np.kron(classes, np.ones((8, 8), np.uint8))[: SIZE[0], : SIZE[1]]
    image = pixels(section.slide)
    shares = [
        np.bincount(image[wide == value] >> 3, minlength=32) / (wide == value).sum()
        for value in (1, 2, 3)
    ]
    best = np.maximum.reduce(shares).sum() / 3
    assert best < 0.65


def test_the_spots_of_a_gene_fall_into_its_region(section):
    classes = regions(section.reference)
    genes, rows, cols = read_spots(section.spots)
    assert rows.min() >= 0
    assert rows.max() < SIZE[0]
    assert cols.max() < SIZE[1]
    there = classes[(rows / 8).astype(int), (cols / 8).astype(int)]
    for value, gene in ((2, "GeneA"), (3, "GeneB")):
        assert 0.9 < (there[genes == gene] == value).mean() < 0.99
    assert sorted(set(genes)) == ["GeneA", "GeneB", *(f"Household{i}" for i in range(1, 6))]
    assert (there[genes == "Household1"] > 0).mean() > 0.97


def test_spots_are_as_dense_as_promised(section):
    classes = regions(section.reference)
    genes, rows, cols = read_spots(section.spots)
    there = classes[(rows / 8).astype(int), (cols / 8).astype(int)]
    area = (classes == 2).sum() * (8 * 0.65 / 100) ** 2
    assert ((genes == "GeneA") & (there == 2)).sum() / area == pytest.approx(150, rel=0.1)
    area = (classes > 0).sum() * (8 * 0.65 / 100) ** 2
    assert ((genes == "Household3") & (there > 0)).sum() / area == pytest.approx(40, rel=0.1)


@pytest.mark.parametrize("size", [(64, 64), (300, 700), (513, 65)])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_small_and_oblong_sections_can_be_made(tmp_path, size, version):
    out = make_phantom(tmp_path / "p", seed=0, size=size, version=version)
    slide = open_slide(out.slide)
    assert (slide.shape, slide.version) == (size, version)
    assert open_labels(out.reference).image.shape == tuple(-(-n // 8) for n in size)


def test_finer_pixels_show_the_same_nuclei_larger(tmp_path):
    out = make_phantom(tmp_path / "p", seed=0, size=(200, 300), pixel_size_um=0.325)
    assert open_slide(out.slide).pixel_size_um == 0.325


@pytest.mark.parametrize(
    ("change", "message"),
    [({"seed": -1}, "seed -1"), ({"size": (63, 900)}, "63 x 900"), ({"pixel_size_um": 9.0}, "9.0")],
)
def test_values_out_of_their_limits_are_refused(tmp_path, change, message):
    with pytest.raises(SlideError, match=message):
        make_phantom(tmp_path / "p", **{"seed": 0, "size": (64, 64), **change})
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_refused_and_replaced_on_request(tmp_path):
    make_phantom(tmp_path / "p", seed=0, size=(64, 64))
    with pytest.raises(OutputError, match="exists already"):
        make_phantom(tmp_path / "p", seed=1, size=(64, 64))
    make_phantom(tmp_path / "p", seed=1, size=(64, 64), overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


def test_nothing_is_left_of_a_section_that_was_interrupted(tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_phantom(tmp_path / "p", seed=0, size=(600, 100), progress=interrupt)
    assert not list(tmp_path.iterdir())


def test_the_command_prints_the_paths_of_the_parts(tmp_path):
    arguments = [str(tmp_path / "p"), "--seed", "4", "--size", "64", "90"]
    result = runner().invoke(command, arguments)
    assert result.exit_code == 0
    assert result.stdout.split() == [
        str(tmp_path / "p" / name) for name in ("slide.zarr", "spots.csv", "reference.zarr")
    ]


def test_the_slide_says_that_it_is_synthetic(tmp_path):
    section = make_phantom(tmp_path / "p", seed=1, size=(200, 220))
    assert open_slide(section.slide).synthetic
