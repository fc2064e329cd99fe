from __future__ import annotations

import logging
import re
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
from napari_layers import FakeLayer, shown

from morphinfer import CancelledError, OptionsError, SlideError, SpotsError
from morphinfer.viewers.napari import training
from morphinfer.viewers.napari.reader import read
from morphinfer.viewers.napari.sources import source_of
from morphinfer.viewers.napari.training import (
    TrainingRequest,
    parse_classes,
    run_training,
    spots_of,
)

pytest.importorskip("dask.array", reason="napari brings dask")


@pytest.fixture
def request_of(make_slide, noise, tmp_path):
    path = make_slide(noise(64, 80), scales=[0.65])
    layer = shown(read(str(path))[0])
    layer.path = str(path)

    def make(**fields):
        source = source_of(layer, 0.65)
        positions = np.array([[1.5, 2.0], [3.0, 4.0]])
        defaults = {"classes": {"a b": ["A"], "B": ["B"]}, "out": tmp_path / "sets/own", "steps": 3}
        return TrainingRequest(source, ["A", "B"], positions, **{**defaults, **fields})

    make.layer = layer
    return make


@pytest.mark.parametrize(
    ("text", "fault"), [("", "no class"), ("a =", "no genes"), ("a = X; a = Y", "two classes")]
)
def test_classes_that_cannot_be_meant_are_refused(text, fault):
    with pytest.raises(SpotsError, match=fault):
        parse_classes(text)


def test_spots_are_placed_on_the_pixels_of_the_nuclei():
    image = FakeLayer(None, scale=(0.5, 0.5), translate=(0.25, 0.25))
    points = FakeLayer([[1.25, 0.75]], features={"gene": ["A"]})
    genes, positions = spots_of(points, "gene", image)
    assert genes == ["A"]
    assert positions.tolist() == [[2.0, 1.0]]
    with pytest.raises(SpotsError, match="no feature 'target'; its features are 'gene'"):
        spots_of(points, "target", image)


@pytest.mark.filterwarnings("ignore")  # of napari
def test_the_python_of_the_page_makes_points_that_name_their_gene(tmp_path, monkeypatch):
    components = pytest.importorskip("napari.components", reason="needs the extra 'viewers'")
    monkeypatch.chdir(tmp_path)
    Path("spots.csv").write_text("gene,x,y\nA,1,2\nB,3,4\n")
    page = (Path(__file__).parents[2] / "docs/napari.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    viewer = components.ViewerModel()
    exec(compile(code, "docs/napari.md", "exec"), {"viewer": viewer})
    image = FakeLayer(None, scale=(0.325, 0.325), translate=(0, 0))
    assert spots_of(viewer.layers[0], "gene", image)[0] == ["A", "B"]


def test_what_is_written_is_what_training_reads(request_of, monkeypatch):
    pytest.importorskip("pyarrow", reason="needs the extra 'train'")
    from_config = pytest.importorskip(
        "morphinfer_training.config", reason="needs the extra 'train'"
    )
    from morphinfer_training.spots import read_spots

    seen = {}

    def train(config, out, *, folder, resume, progress):
        seen.update(config=config, folder=folder, resume=resume)
        out.with_name("own.run").mkdir(exist_ok=True)
        logging.getLogger("morphinfer_training.any").warning("be %s", "careful")
        progress(SimpleNamespace(network="p48", step=3, finished=True))

    api = SimpleNamespace(read_config=from_config.read_config, train=train)
    monkeypatch.setattr(training, "_api", lambda: api)
    counts = []
    said = run_training(request_of(), lambda *c: counts.append(c), Event())
    assert not seen["resume"]
    assert said[1:] == ["be careful"]
    config, folder = seen["config"], seen["folder"]
    (section,) = config.sections
    assert config.classes == ("background", "tissue", "a b", "B")
    assert [(c.name, c.genes) for c in section.genes] == [("a b", ("A",)), ("B", ("B",))]
    assert (folder / section.slide).resolve() == Path(request_of.layer.path).resolve()
    spots = read_spots(folder / section.spots, pixel_size_um=0.65, unit=section.unit)
    assert (spots.row.tolist(), spots.col.tolist()) == ([1.5, 3.0], [2.0, 4.0])
    assert section.pixel_size_um == 0.65
    assert counts == [(3, 15)]
    run_training(request_of(), lambda *_: None, Event())
    assert seen["resume"]


def test_a_cancelled_training_stops_at_its_next_step(request_of, monkeypatch):
    cancel = Event()
    cancel.set()
    config = SimpleNamespace(patch_sizes_px=(48,))

    def train(*_, progress, **__):
        progress(SimpleNamespace(network="p48", step=1, finished=False))

    api = SimpleNamespace(read_config=lambda _: config, train=train)
    monkeypatch.setattr(training, "_api", lambda: api)
    with pytest.raises(CancelledError, match="goes on where it was stopped"):
        run_training(request_of(), lambda *_: None, cancel)


def test_pixels_without_a_file_and_a_missing_extra_are_refused(request_of, monkeypatch):
    monkeypatch.setattr(training, "_api", lambda: None)
    request_of.layer.path = None
    with pytest.raises(SlideError, match="morphinfer convert"):
        run_training(request_of(), lambda *_: None, Event())
    monkeypatch.undo()

    class Without:
        def __getattr__(self, name):
            raise AttributeError("morphinfer.training needs torch")

    monkeypatch.setattr(training, "morphinfer", Without())
    with pytest.raises(OptionsError, match="needs torch"):
        run_training(request_of(), lambda *_: None, Event())
