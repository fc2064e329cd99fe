from dataclasses import replace

import numpy as np
import pytest
from region_section import SHAPE, in_layer, in_rim, in_tissue

from morphinfer.classes import UNLABELLED
from morphinfer.errors import SpotsError
from morphinfer.geometry import Window
from morphinfer.images.labels.opening import open_labels
from morphinfer_training.commands.gene_options import precedent
from morphinfer_training.learning.section_reference import reference_facts
from morphinfer_training.publishing.model_card import _reference
from morphinfer_training.references.cluster_names import read_cluster_names
from morphinfer_training.references.clusters import Clustering
from morphinfer_training.references.make import make_regions
from morphinfer_training.references.settings import RegionSettings

QUICK = RegionSettings(check_registration=False)


def values(path):
    labels = open_labels(path)
    return labels, labels.read(Window(0, 0, *labels.image.shape))


def class_values(done):
    return {c.name: value for value, c in enumerate(done.classes)}


@pytest.fixture(scope="module")
def clustered(section, tmp_path_factory):
    out = tmp_path_factory.mktemp("clustered") / "ref.zarr"
    return make_regions(*section, Clustering(3), out, settings=QUICK)


def test_clusters_are_the_regions_of_their_strongest_genes(clustered):
    image, labels = values(clustered.path)
    value = class_values(clustered)
    assert [c.role for c in image.classes] == ["background", "tissue", *["target"] * 3]
    rows, cols = np.arange(2, SHAPE[0], 4)[:, None], np.arange(2, SHAPE[1], 4)
    inside = in_tissue(rows, cols) & ~in_layer(rows, cols) & ~in_rim(rows, cols)
    for name, true in (("Layer", in_layer), ("Rim", in_rim), ("Everywhere", lambda *_: inside)):
        (found,) = (labels == v for n, v in value.items() if n.split("+")[0] == name)
        region = true(rows, cols)
        assert 2 * (found & region).sum() / (found.sum() + region.sum()) > 0.7, name


def test_the_record_lists_clusters_from_the_largest_on(clustered):
    clusters = open_labels(clustered.path).record["clusters"]
    assert clusters["count"] == 3
    assert [c["number"] for c in clusters["each"]] == [1, 2, 3]
    areas = [c["area_mm2"] for c in clusters["each"]]
    assert areas == sorted(areas, reverse=True)
    assert clusters["each"][0]["genes"]["Everywhere"][1] > 1
    assert clustered.classes[2].threshold is None
    assert sum(c.spots for c in clustered.classes[2:]) > 0


def test_clusters_of_one_name_are_merged_and_tissue_is_no_target(section, clustered, tmp_path):
    names = {1: "tissue", 2: "marked", 3: "marked"}
    done = make_regions(*section, Clustering(3, names), tmp_path / "ref.zarr", settings=QUICK)
    assert [c.name for c in done.classes] == ["background", "tissue", "marked"]
    _, merged = values(done.path)
    _, single = values(clustered.path)
    both = [value for name, value in class_values(clustered).items() if "Everywhere" not in name]
    assert ((merged == 2) == (np.isin(single, both) & (single > 1))).mean() > 0.99


def test_clusters_are_learned_inside_the_region_of_interest(section, tmp_path):
    roi = tmp_path / "roi.csv"
    roi.write_text("x,y\n0,0\n452,0\n452,700\n0,700\n")
    settings = replace(QUICK, roi=str(roi))
    done = make_regions(*section, Clustering(2), tmp_path / "ref.zarr", settings=settings)
    _, labels = values(done.path)
    assert (labels[:, 120:] == UNLABELLED).all()
    assert any("Layer" in c.name for c in done.classes)


def test_the_card_names_clusters_and_another_section_cannot_be_made_like_them(clustered):
    facts = reference_facts(open_labels(clustered.path))
    assert facts["thresholds"] == {}
    assert "Layer = cluster of" in _reference({"reference": facts}).replace("+Everywhere", "")
    with pytest.raises(SpotsError, match="made of clusters"):
        precedent(clustered.path)


@pytest.mark.parametrize(
    ("clustering", "settings", "message"),
    [
        (Clustering(3, {1: "background"}), QUICK, "'background'"),
        (Clustering(3), replace(QUICK, scale="nuclei"), "leave out `scale`"),
        (Clustering(3), replace(QUICK, thresholds=(1.0,)), "leave out"),
    ],
)
def test_names_and_settings_that_do_not_fit_are_refused(
    section, tmp_path, clustering, settings, message
):
    with pytest.raises(SpotsError, match=message):
        make_regions(*section, clustering, tmp_path / "ref.zarr", settings=settings)


@pytest.mark.parametrize(("count", "names"), [(1, {}), (51, {}), (3, {4: "islets"})])
def test_impossible_numbers_of_clusters_are_refused(count, names):
    with pytest.raises(SpotsError, match=r"can be found|no cluster 4"):
        Clustering(count, names)


def test_names_are_read_from_a_table_of_toml(tmp_path):
    path = tmp_path / "names.toml"
    path.write_text('[clusters]\n3 = "acinar"\n"5" = "acinar"\n')
    assert read_cluster_names(path) == {3: "acinar", 5: "acinar"}


@pytest.mark.parametrize(
    "text", ["", "[clusters]\na = 'b'", "[clusters]\n3 = 1", "x = 1\n[clusters]"]
)
def test_other_files_of_names_are_refused(tmp_path, text):
    path = tmp_path / "names.toml"
    path.write_text(text)
    with pytest.raises(SpotsError, match="no names of clusters"):
        read_cluster_names(path)
