"""Several synthetic sections in one configuration, each with classes of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic_section import everything, make_config, make_section

from morphinfer.classes import UNLABELLED
from morphinfer.errors import ConfigError
from morphinfer.labels import open_labels
from morphinfer_training.config_parsing import GeneClass
from morphinfer_training.loop import make_network
from morphinfer_training.patches import TileSampler, balanced_loss, tissue_classes
from morphinfer_training.train import load_data, train
from morphinfer_training.validation import Judge

CPU = torch.device("cpu")
CLASSES = ["background", "tissue", "layer", "rim", "both"]


def section_table(on_disk, **told):
    return {"slide": str(on_disk / "slide.zarr"), "spots": str(on_disk / "spots.csv"), **told}


def two_sections(on_disk):
    return make_config(
        classes=CLASSES, patch_sizes_px=[46], validation={"fraction": 0.2, "block_um": 80.0},
        sections=[
            section_table(on_disk, genes={"layer": ["Layer"], "rim": ["Rim"]}),
            section_table(on_disk, genes={"both": ["Layer", "Rim"]}, regions={"border_um": 6.0}),
        ],
    )  # fmt: skip


def test_genes_and_region_settings_are_read_from_the_table(on_disk):
    config = two_sections(on_disk)
    assert config.sections[1].genes == (GeneClass("both", ("Layer", "Rim")),)
    assert config.sections[1].regions.border_um == 6.0
    assert config.plain()["sections"][1]["genes"] == [{"name": "both", "genes": ["Layer", "Rim"]}]


def test_references_are_made_and_what_they_do_not_name_is_known(on_disk, tmp_path):
    data = load_data(two_sections(on_disk), tmp_path, tmp_path)
    first, second = data.sections
    assert (first.unnamed, second.unnamed) == ((4,), (2, 3))
    assert set(np.unique(first.labels)) - {UNLABELLED} == {0, 1, 2, 3}
    assert set(np.unique(second.labels)) == {0, 1, 4, UNLABELLED}


def test_one_configuration_trains_on_several_gene_pairs(on_disk, tmp_path):
    config = two_sections(on_disk)
    card = train(config, tmp_path / "set", folder=tmp_path)
    assert card["classes"] == CLASSES
    made = open_labels(tmp_path / "set.run" / "references" / "slide_regions.zarr")
    assert made.record["command"] == "regions"


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"slide": "a", "spots": "s.csv"}, "spots and genes"),
        ({"slide": "a", "genes": {"gene A": ["x"]}}, "spots and genes"),
        ({"slide": "a", "reference": "r", "spots": "s", "genes": {"gene A": ["x"]}}, "needs a ref"),
        ({"slide": "a", "spots": "s.csv", "genes": {"gene C": ["x"]}}, "names of genes are among"),
        ({"slide": "a", "spots": "s.csv", "genes": {"tissue": ["x"]}}, "names of genes are among"),
        ({"slide": "a", "spots": "s.csv", "genes": {"gene A": "x"}}, r"genes.gene A = 'x'"),
        ({"slide": "a", "spots": "s", "genes": {"gene A": ["x"]}, "regions": {"sigma": 3}},
         r"unknown key 'sections\[0\].regions.sigma'"),
    ],
)  # fmt: skip
def test_an_impossible_section_is_refused(section, told):
    with pytest.raises(ConfigError, match=told):
        make_config(sections=[section])


def logits_and_labels():
    rng = np.random.default_rng(3)
    logits = torch.from_numpy(rng.normal(size=(2, 4, 5, 5)).astype(np.float32))
    labels = torch.from_numpy(rng.choice([0, 1, 2, 3, UNLABELLED], (2, 5, 5)))
    return logits, labels


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_where_tissue_is_only_tissue_the_loss_is_the_cross_entropy(smoothing):
    logits, labels = logits_and_labels()
    only = torch.tensor([[False, True, False, False]] * 2)
    plain = balanced_loss(logits, labels, smoothing, 5.0)
    assert float(balanced_loss(logits, labels, smoothing, 5.0, only)) == pytest.approx(
        float(plain), rel=1e-5
    )


def test_tissue_that_may_be_of_other_classes_asks_for_the_sum_of_their_probabilities():
    logits, labels = logits_and_labels()
    tissue = torch.tensor([[False, True, False, True], [False, True, False, False]])
    found = float(balanced_loss(logits, labels, 0.0, 1e9, tissue))
    p, y = torch.softmax(logits, dim=1).numpy(), labels.numpy()
    counts = np.bincount(y[y != UNLABELLED], minlength=4)
    weights = counts.sum() / (4 * counts)
    total = norm = 0.0
    for n, row, col in np.argwhere(y != UNLABELLED):
        value = y[n, row, col]
        known = tissue[n].numpy() if value == 1 else np.arange(4) == value
        total -= weights[value] * np.log(p[n, known, row, col].sum())
        norm += weights[value]
    assert found == pytest.approx(total / norm, rel=1e-5)


def test_batches_tell_what_tissue_may_be_only_where_a_section_lacks_a_class():
    config, section = make_config(), make_section()
    assert tissue_classes([section], 3) is None
    lacking = replace(section, labels=np.minimum(section.labels, 1), unnamed=(2,))
    sampler = TileSampler([lacking], [everything(lacking)], config, 46, CPU)
    batch = sampler.draw(0)
    assert batch.tissue.tolist() == [[False, True, True]] * config.training.batch


def test_a_class_that_a_section_does_not_name_counts_as_tissue_there():
    config, section = make_config(), make_section()
    torch.manual_seed(0)
    network = make_network(config, 46).eval()
    lacking = replace(section, unnamed=(2,))
    plain, merged = (
        Judge([s], [everything(s)], config, CPU).probabilities(network, 46)
        for s in (section, lacking)
    )
    assert (merged[:, 2] == 0).all()
    assert merged[:, 1] == pytest.approx(plain[:, 1] + plain[:, 2], abs=1e-6)
    assert merged[:, 0] == pytest.approx(plain[:, 0], abs=1e-6)
