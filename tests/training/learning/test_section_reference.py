"""References that training makes of the spots of a synthetic section, and the messages of the command."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pytest
from region_section import SHAPE
from synthetic_section import make_config

import morphinfer_training.train as train_module
from morphinfer.classes import UNLABELLED
from morphinfer.cli.console import Verbosity
from morphinfer.errors import ConfigError, SpotsError
from morphinfer.images.labels.opening import open_labels
from morphinfer.images.opening import open_slide
from morphinfer_training.commands.train import printed_warnings
from morphinfer_training.train import REFERENCES, load_data, train

GENES = {"layer": ["Layer"], "rim": ["Rim"]}


@pytest.fixture
def folder(on_disk, tmp_path):
    """Two sections in folders ``first`` and ``second`` with the same file names, and a folder ``made``."""
    for name in ("first", "second"):
        shutil.copytree(on_disk, tmp_path / name)
    (tmp_path / "made").mkdir()
    return tmp_path


def section_of(name, **changes):
    files = {"slide": f"{name}/slide.zarr", "spots": f"{name}/spots.csv"}
    return {**files, "genes": GENES, **changes}


def config_of(*sections):
    return make_config(
        classes=["background", "tissue", *GENES], validation={"fraction": 0.2, "block_um": 80.0},
        sections=list(sections),
    )  # fmt: skip


def labels_of(folder, *sections):
    data = load_data(config_of(*sections), folder, folder / "made")
    return [section.labels for section in data.sections]


def test_slides_with_the_same_name_have_separate_references(folder):
    labels_of(folder, section_of("first"), section_of("second", genes={"rim": ["Rim"]}))
    named = [list(open_labels(p).record["genes"]) for p in (folder / "made").glob("*.zarr")]
    assert sorted(named) == [["layer", "rim"], ["rim"]]


def test_a_border_of_the_configuration_is_left_unlabelled(folder):
    (plain,) = labels_of(folder, section_of("first"))
    (wide,) = labels_of(folder, section_of("first", regions={"border_um": 12.0}))
    kept = wide != UNLABELLED
    assert 0 < np.count_nonzero(~kept & (plain != UNLABELLED)) < plain.size / 2
    assert (wide[kept] == plain[kept]).mean() > 0.99


def test_columns_and_unit_of_a_table_can_be_set_in_the_configuration(folder):
    (detected,) = labels_of(folder, section_of("first"))
    pixel_um = open_slide(folder / "first/slide.zarr").pixel_size_um
    table = pv.read_csv(folder / "first/spots.csv")
    moved = {
        "what": table["gene"],
        "down": pc.multiply(table["y"], pixel_um),
        "right": pc.multiply(table["x"], pixel_um),
    }
    pv.write_csv(pa.table(moved), folder / "second/spots.csv")
    columns = {"gene": "what", "x": "right", "y": "down"}
    with pytest.raises(SpotsError, match="no coordinate columns"):
        labels_of(folder, section_of("second"))
    (configured,) = labels_of(folder, section_of("second", columns=columns, unit="micrometer"))
    assert (configured == detected).mean() > 0.999


def test_a_reference_is_not_reused_if_coordinates_in_the_table_changed(folder):
    config = config_of(section_of("first"))
    before = load_data(config, folder, folder / "made").sections[0].labels
    head, *rows = (folder / "first/spots.csv").read_text().splitlines()
    x = head.split(",").index("x")
    values = [row.split(",") for row in rows]
    moved = [[*v[:x], str(float(v[x]) * 0.99), *v[x + 1 :]] for v in values]
    text = "\n".join([head, *(",".join(v) for v in moved)]) + "\n"
    (folder / "first/spots.csv").write_text(text)
    after = load_data(config, folder, folder / "made", reuse=True).sections[0].labels
    assert (before != after).any()


def test_columns_without_a_table_are_refused():
    section = {"slide": "slide.zarr", "reference": "regions.zarr", "unit": "pixel"}
    with pytest.raises(ConfigError, match="regions, columns and unit are only for"):
        config_of(section)


def test_positions_outside_a_region_of_interest_are_neither_trained_on_nor_held_out(folder):
    half = SHAPE[1] // 2
    corners = [(0, 0), (half, 0), (half, SHAPE[0]), (0, SHAPE[0])]
    (folder / "half.csv").write_text("x,y\n" + "\n".join(f"{x},{y}" for x, y in corners) + "\n")
    config = config_of(section_of("first"), section_of("first", regions={"roi": "half.csv"}))
    data = load_data(config, folder, folder / "made")
    labels, split = data.sections[1].labels, data.splits[1]
    middle = labels.shape[1] // 2
    assert (labels[:, middle + 1 :] == UNLABELLED).all()
    assert (labels[:, : middle - 1] != UNLABELLED).any()
    assert not (split.train | split.validation)[labels == UNLABELLED].any()


def test_a_table_of_cells_is_labelled_as_nuclei(folder):
    rng = np.random.default_rng(2)
    rows = [
        f"{gene},{x},{y},{reads:.3f}"
        for x, y in rng.integers(100, 600, (400, 2))
        for gene, reads in zip(("Layer", "Rim"), rng.gamma(1, 3, 2), strict=True)
    ]
    (folder / "cells.csv").write_text("gene,x,y,weight\n" + "\n".join(rows) + "\n")
    settings = {"scale": "nuclei", "between": "background", "roi": "near-spots:30",
                "check_registration": False}  # fmt: skip
    nuclei, _ = labels_of(
        folder, section_of("first", spots="cells.csv", regions=settings), section_of("second")
    )
    assert set(np.unique(nuclei)) == {0, 1, 2, 3, UNLABELLED}


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ({"sigma_um": 0.0}, r"tiny.toml: sections\[0\].regions: `sigma_um=0`: must be above 0"),
        ({"scale": "nuclei", "border_um": 3.0}, r"sections\[0\].regions: `border_um` and"),
        ({"scale": "cells"}, r"sections\[0\].regions.scale = 'cells'"),
    ],
)
def test_impossible_region_settings_name_the_file_and_the_section(regions, message):
    with pytest.raises(ConfigError, match=message):
        config_of(section_of("first", regions=regions))


def test_an_unknown_gene_is_refused_before_a_run_is_created(folder):
    with pytest.raises(SpotsError, match="did you mean Layer"):
        train(
            config_of(section_of("first", genes={"layer": ["Layr"]})), folder / "set", folder=folder
        )
    assert not (folder / "set.run").exists()


def test_a_run_stopped_while_references_are_made_has_none(folder, monkeypatch):
    def stop(*args):
        load_data(*args)
        raise KeyboardInterrupt

    config = config_of(section_of("first"))
    monkeypatch.setattr(train_module, "load_data", stop)
    before = sorted(p.name for p in folder.iterdir())
    with pytest.raises(KeyboardInterrupt):
        train(config, folder / "set", folder=folder)
    assert sorted(p.name for p in folder.iterdir()) == before
    monkeypatch.undo()
    train(config, folder / "set", folder=folder)
    resumed = load_data(config, folder, folder / "set.run" / REFERENCES, reuse=True).sections[0]
    (expected,) = labels_of(folder, section_of("first"))
    assert np.array_equal(resumed.labels, expected)


def test_the_command_prints_warnings_as_single_lines(capsys):
    with printed_warnings(Verbosity.NORMAL):
        warnings.warn("6 spots lie off the slide", stacklevel=1)
    assert capsys.readouterr().err == "morphinfer: warning: 6 spots lie off the slide\n"


def test_the_card_states_how_each_reference_was_made(folder):
    """Alike whether `train` made it of spots, or it was made before."""
    config = config_of(section_of("first"))
    made = load_data(config, folder, folder / "made").sections[0].reference
    named = {"slide": "first/slide.zarr", "reference": "made/slide.zarr"}
    given = load_data(config_of(named), folder).sections[0].reference
    assert given == made
    assert made["genes"] == GENES
    assert made["thresholds"].keys() == made["spots"].keys() == GENES.keys()
    assert made["spots_inside"] == made["spots"]
    assert made["roi"] is None
