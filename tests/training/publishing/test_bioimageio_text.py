"""Texts of BioImage.IO packages, without bioimage.io's packages."""

from __future__ import annotations

import pytest

from morphinfer import load_models
from morphinfer.tiles.normalisation import Normalisation
from morphinfer_training.publishing.bioimageio_text import (
    citations,
    description,
    documentation,
    package_name,
)
from networks import card_of, save_padding_free, save_set


def test_a_doi_is_extracted_and_an_arxiv_number_becomes_one():
    texts = ["A 2020, doi 10.1038/s41592-019-0631-4 (data)", "B, arXiv:2312.04605.", "C, in person"]
    assert [each["doi"] for each in citations(texts)] == [
        "10.1038/s41592-019-0631-4",
        "10.48550/arXiv.2312.04605",
    ]


def test_the_readme_explains_normalisation_and_output(tmp_path):
    text = documentation(load_models(save_set(tmp_path / "set")), "# random\n\nThe card.\n")
    for part in (
        "at 0.65 micrometres a pixel", "at least 72 pixels, in steps of 8",
        "low is the 50th percentile of the minima", "are **not** the same",
        "(batch, 4, y, x), of background, tissue, GeneA, GeneB", "The 4 positions along each edge",
        "p046 0.500, p062 0.500.", "# random\n\nThe card.\n",
    ):  # fmt: skip
        assert part in text


def test_fixed_intensities_need_no_normalising(tmp_path):
    folder = save_set(tmp_path / "set", normalisation=Normalisation("fixed", 10.0, 90.0))
    text = documentation(load_models(folder), None)
    assert "maps 10 to 0 and 90 to 1" in text
    assert "percentile" not in text


def test_networks_that_are_left_out_are_counted(tmp_path):
    save_set(tmp_path, (46, 62))
    save_padding_free(tmp_path / "p062.onnx", card_of(62, fusion_weight=0.0))
    assert "(1 of weight 0 left out)" in documentation(load_models(tmp_path), None)


@pytest.mark.parametrize(("name", "allowed"), [("a/b.c", "a-b-c"), ("x" * 80, "x" * 53)])
def test_names_use_only_characters_that_bioimage_io_allows(tmp_path, name, allowed):
    models = load_models(save_set(tmp_path / "set", set_name=name))
    assert package_name(models) == f"morphinfer {allowed}"


def test_a_long_description_is_cut(tmp_path):
    text = description(load_models(save_set(tmp_path / "set")), {"description": "word " * 200})
    assert len(text) == 500
    assert text.endswith("...")
