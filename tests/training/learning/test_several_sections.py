"""Several synthetic sections in one configuration, each with its own classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import maximum_filter
from synthetic_section import make_config

from morphinfer.classes import UNLABELLED
from morphinfer.errors import ConfigError, SpotsError
from morphinfer.images.labels.opening import open_labels
from morphinfer.images.writing.multiscale import create_image
from morphinfer_training.config import GeneClass
from morphinfer_training.learning import section_reference as references
from morphinfer_training.learning.sections import load_section
from morphinfer_training.train import load_data, train

CLASSES = ["background", "tissue", "layer", "rim", "both"]


def section_table(on_disk, **more):
    return {"slide": str(on_disk / "slide.zarr"), "spots": str(on_disk / "spots.csv"), **more}


def two_sections(on_disk):
    return make_config(
        classes=CLASSES, patch_sizes_px=[48], validation={"fraction": 0.2, "block_um": 80.0},
        sections=[
            section_table(on_disk, genes={"layer": ["Layer"], "rim": ["Rim"]}),
            section_table(on_disk, genes={"both": ["Layer", "Rim"]}, regions={"border_um": 6.0}),
        ],
    )  # fmt: skip


def test_genes_and_region_settings_are_read_from_the_table(on_disk):
    config = two_sections(on_disk)
    assert config.sections[1].genes == (GeneClass("both", ("Layer", "Rim")),)
    assert config.sections[1].regions.border_um == 6.0


def test_the_plain_form_contains_genes_as_written_and_only_for_sections_with_spots(on_disk):
    section = two_sections(on_disk).plain()["sections"][1]
    assert section["genes"] == {"both": ["Layer", "Rim"]}
    assert section["regions"]["border_um"] == 6.0
    assert not {"spots", "genes", "regions"} & make_config().plain()["sections"][0].keys()


def test_classes_that_a_reference_does_not_name_are_known(on_disk, tmp_path):
    data = load_data(two_sections(on_disk), tmp_path, tmp_path)
    first, second = data.sections
    assert (first.unnamed, second.unnamed) == ((4,), (2, 3))
    assert set(np.unique(first.labels)) - {UNLABELLED} == {0, 1, 2, 3}
    assert set(np.unique(second.labels)) == {0, 1, 4, UNLABELLED}


def test_background_and_tissue_may_have_other_names_than_in_the_reference(on_disk, tmp_path):
    section = section_table(on_disk, genes={"layer": ["Layer"]})
    validation = {"fraction": 0.2, "block_um": 80.0}
    default, renamed = (
        load_data(
            make_config(classes=names, sections=[section], validation=validation),
            tmp_path,
            tmp_path,
        ).sections[0]
        for names in (["background", "tissue", "layer"], ["glass", "stroma", "layer"])
    )
    assert set(np.unique(renamed.labels)) == {0, 1, 2, UNLABELLED}
    np.testing.assert_array_equal(renamed.labels, default.labels)


def test_one_configuration_trains_on_several_gene_pairs(on_disk, tmp_path):
    config = two_sections(on_disk)
    card = train(config, tmp_path / "set", folder=tmp_path)
    assert card["classes"] == CLASSES
    references_folder = tmp_path / "set.run" / "references"
    named = [
        [c.name for c in open_labels(references_folder / n).classes]
        for n in ("slide.zarr", "slide_2.zarr")
    ]
    assert named == [[*CLASSES[:2], "layer", "rim"], [*CLASSES[:2], "both"]]


def test_a_resumed_run_makes_only_references_whose_settings_changed(on_disk, tmp_path, monkeypatch):
    config = two_sections(on_disk)
    load_data(config, tmp_path, tmp_path)
    made = []

    def counted(slide, spots, genes, out, **settings):
        made.append(out.name)
        return make(slide, spots, genes, out, **settings)

    make = references.make_regions
    monkeypatch.setattr(references, "make_regions", counted)
    load_data(config, tmp_path, tmp_path, reuse=True)
    assert made == []
    other = replace(config.sections[1].regions, border_um=8.0)
    sections = (config.sections[0], replace(config.sections[1], regions=other))
    load_data(replace(config, sections=sections), tmp_path, tmp_path, reuse=True)
    assert made == ["slide_2.zarr"]


def test_an_existing_run_is_kept_if_a_section_cannot_be_used(on_disk, tmp_path):
    kept = tmp_path / "set.run" / "log.csv"
    kept.parent.mkdir()
    kept.write_text("precious")
    config = make_config(sections=[section_table(on_disk, genes={"gene A": ["Layr"]})])
    with pytest.raises(SpotsError, match="no gene 'Layr'"):
        train(config, tmp_path / "set", folder=tmp_path, overwrite=True)
    assert kept.read_text() == "precious"


def test_warnings_about_a_reference_are_logged(on_disk, tmp_path, caplog):
    genes, regions = {"gene A": ["Layer"]}, {"thresholds": [1e6]}
    config = make_config(sections=[section_table(on_disk, genes=genes, regions=regions)])
    with pytest.raises(ConfigError, match="'gene A' has no position to train on"):
        load_data(config, tmp_path, tmp_path)
    assert "class gene A has no pixel" in caplog.messages


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"slide": "a", "spots": "s.csv"}, "spots and genes"),
        ({"slide": "a", "genes": {"gene A": ["x"]}}, "spots and genes"),
        ({"slide": "a", "reference": "r", "spots": "s", "genes": {"gene A": ["x"]}}, "needs a ref"),
        ({"slide": "a", "spots": "s.csv", "genes": {"gene C": ["x"]}}, "names of genes must be among"),
        ({"slide": "a", "spots": "s.csv", "genes": {"tissue": ["x"]}}, "names of genes must be among"),
        ({"slide": "a", "spots": "s.csv", "genes": {"gene A": "x"}}, r"genes.gene A = 'x'"),
        ({"slide": "a", "spots": "s", "genes": {"gene A": ["x"]}, "regions": {"sigma": 3}},
         r"unknown key 'sections\[0\].regions.sigma'"),
        ({"slide": "a", "spots": "s", "genes": {"gene A": ["x"]}, "regions": {"sigma_um": -1}},
         r"tiny.toml: sections\[0\].regions: `sigma_um=-1`: must be above 0"),
        ({"slide": "a", "reference": "r", "regions": {"sigma_um": 20}}, "columns and unit are only for"),
    ],
)  # fmt: skip
def test_an_impossible_section_is_refused(section, message):
    with pytest.raises(ConfigError, match=message):
        make_config(sections=[section])


def image_only_section(folder, **more):
    """Section without transcripts: a slide with nuclei on its right half and nothing on its left."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 4, (800, 1280)).astype(np.uint8)
    image[::12, 640::12] = 250
    image[:, 640:] = maximum_filter(image[:, 640:], 7)
    with create_image(folder / "nuclei.zarr", shape=image.shape, dtype=np.uint8,
                      pixel_size_um=0.65) as writer:  # fmt: skip
        writer.write(image)
    config = make_config(
        classes=CLASSES,
        sections=[
            {"slide": "nuclei.zarr", "image_only": True, **more},
            {"slide": "other.zarr", "reference": "reference.zarr"},
        ],
    )
    return load_section(config.sections[0], config, folder)


def test_without_transcripts_background_is_known_and_tissue_may_have_any_class(tmp_path):
    section = image_only_section(tmp_path)
    assert section.labels.shape == (100, 160)
    assert (section.labels[:, :77] == 0).all()
    assert (section.labels[:, 83:] == 1).all()
    assert section.unnamed == (2, 3, 4)


def test_nothing_is_held_out_of_a_section_without_transcripts(on_disk, tmp_path):
    image_only_section(tmp_path)
    config = make_config(
        classes=CLASSES[:4], validation={"fraction": 0.2, "block_um": 80.0}, patch_sizes_px=[48],
        sections=[
            section_table(on_disk, genes={"layer": ["Layer"], "rim": ["Rim"]}),
            {"slide": "nuclei.zarr", "image_only": True},
        ],
    )  # fmt: skip
    spots, image = load_data(config, tmp_path, tmp_path).splits
    assert spots.validation.any()
    assert image.train.all()
    assert not image.validation.any()


def test_tissue_cannot_have_a_class_that_is_known_to_be_absent(tmp_path):
    assert image_only_section(tmp_path, absent=["rim"]).unnamed == (2, 4)


def test_a_class_whose_genes_are_named_cannot_be_absent(on_disk):
    section = section_table(on_disk, genes={"layer": ["Layer"]}, absent=["layer"])
    with pytest.raises(ConfigError, match=r"absent must be classes .* that genes does not name"):
        make_config(classes=CLASSES, sections=[section])


def test_only_gene_classes_can_be_absent(on_disk):
    section = section_table(on_disk, genes={"layer": ["Layer"]}, absent=["tissue"])
    with pytest.raises(ConfigError, match="absent must be classes after the first two"):
        make_config(classes=CLASSES, sections=[section])
