"""The widget that trains a model set on a layer of nuclei and a layer of points."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox, Container, FileEdit, LineEdit, SpinBox, create_widget

from morphinfer.errors import OptionsError, SpotsError
from morphinfer.viewers.napari.panel import Panel, Work
from morphinfer.viewers.napari.training import (
    TrainingRequest,
    parse_classes,
    run_training,
    spots_of,
)


class TrainPanel(Panel):
    """Chooses nuclei, spots and the genes of each class, and trains on them."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "Train")
        self.points = create_widget(label="Spots", annotation="napari.layers.Points")
        self.gene = ComboBox(
            label="Gene", choices=self._columns, nullable=True,
            tooltip="the feature of the points that names the gene",
        )  # fmt: skip
        self.classes = LineEdit(
            label="Classes", tooltip="genes of each class: layer = Wfs1 + Cplx2; rim = Plp1"
        )
        self.steps = SpinBox(label="Steps", min=1, max=10**7, value=800)
        self.out = FileEdit(
            label="Model set", mode="w", nullable=True, value=None, tooltip="folder to write"
        )
        self.points.changed.connect(self.look_at_points)
        self.extend([
            self.image, self.channel, self.pixel_size, self.points, self.gene, self.classes,
            self.steps, self.out,
            Container(widgets=[self.run, self.cancel], layout="horizontal", labels=False),
            self.progress, self.said,
        ])  # fmt: skip
        self.look_at_layer()
        self.look_at_points()

    def look_at_points(self) -> None:
        """Offer the features of the chosen points."""
        self.gene.reset_choices()
        if "gene" in self.gene.choices:
            self.gene.value = "gene"

    def prepare(self) -> Work:
        """A training of the fields."""
        source = self.source()
        if self.points.value is None:
            raise SpotsError("no layer of points is open; open a table with a column of genes")
        if self.out.value is None:
            raise OptionsError("name the folder of the model set that is to be written")
        genes, positions = spots_of(self.points.value, str(self.gene.value), self.image.value)
        request = TrainingRequest(
            source, genes, positions, parse_classes(self.classes.value), Path(self.out.value),
            self.steps.value,
        )  # fmt: skip
        return partial(run_training, request)

    def finished(self, outcome: Sequence[str]) -> None:
        """Say where the set is."""
        self.say(outcome)

    def _columns(self, _: Any) -> list[str]:
        points = self.points.value
        return [] if points is None else list(points.features)
