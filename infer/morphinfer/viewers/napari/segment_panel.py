"""The widget that segments a layer of nuclei and scores layers of labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, Container, FileEdit, PushButton, create_widget
from napari.layers import Layer

from morphinfer.callbacks import OnCount
from morphinfer.errors import MorphinferError, SlideError
from morphinfer.networks import shipped_sets
from morphinfer.scoring import Scores, evaluate
from morphinfer.viewers.napari.frames import visible_window
from morphinfer.viewers.napari.layers import LayerData, path_of
from morphinfer.viewers.napari.panel import Panel, Work
from morphinfer.viewers.napari.sources import reference_of
from morphinfer.viewers.napari.work import Request, run, table_of

WHOLE, VIEW = "the whole slide", "what is in view"


@cache
def session_folder() -> TemporaryDirectory[str]:
    """A folder for what is not kept, which is read as long as layers show it: until the process ends."""
    return TemporaryDirectory(prefix="morphinfer-", ignore_cleanup_errors=True)


class SegmentPanel(Panel):
    """Chooses nuclei, a model set and a part, and segments it."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "Segment")
        self.models = ComboBox(label="Model set", choices=list(shipped_sets()))
        self.other_models = FileEdit(
            label="or its folder", mode="d", nullable=True, value=None,
            tooltip="a folder of ONNX files, such as one that was trained here",
        )  # fmt: skip
        self.part = ComboBox(label="Segment", choices=[WHOLE, VIEW])
        self.soft = CheckBox(text="probabilities and uncertainty too")
        self.out = FileEdit(
            label="Keep as", mode="w", nullable=True, value=None,
            tooltip="NAME.zarr. By default a whole slide on disk gets its labels beside it, and anything "
            "else is removed when napari ends",
        )  # fmt: skip
        self.overwrite = CheckBox(text="replace what exists")
        self.result = create_widget(label="Labels", annotation="napari.layers.Labels")
        self.reference = create_widget(label="Reference", annotation="napari.layers.Labels")
        self.score = PushButton(
            text="Dice",
            tooltip="a painted reference has the values of the classes; 0 is not compared",
        )
        self.score.changed.connect(self.on_score)
        self.extend([
            self.image, self.channel, self.pixel_size, self.models, self.other_models, self.part,
            self.soft, self.out, self.overwrite,
            Container(widgets=[self.run, self.cancel], layout="horizontal", labels=False),
            self.progress, self.result, self.reference, self.score, self.said,
        ])  # fmt: skip
        self.look_at_layer()

    def prepare(self) -> Work:
        """A run of the fields."""
        source = self.source()
        in_view = self.part.value == VIEW
        request = Request(
            source,
            models=str(self.other_models.value or self.models.value),
            folder=Path(session_folder().name),
            out=self.out.value,
            view=visible_window(self.viewer, self.image.value, source.pixels.shape)
            if in_view
            else None,
            soft=self.soft.value,
            overwrite=self.overwrite.value,
        )
        return partial(run, request)

    def finished(self, outcome: tuple[list[LayerData], Sequence[str]]) -> None:
        """Add the layers of a run."""
        layers, sentences = outcome
        for data, attributes, kind in layers:
            self.viewer.add_layer(Layer.create(data, attributes, kind))
        self.result.value = self.viewer.layers[-1]
        self.say(sentences)

    def on_score(self) -> None:
        """Compare the two layers of labels."""
        try:
            result, reference = self.result.value, self.reference.value
            if result is None or reference is None:
                raise SlideError("no layer of labels is open; segment, or open a label image")
            theirs, path = reference_of(reference, result), path_of(result)
        except MorphinferError as problem:
            self.say([str(problem)])
            return

        def work(progress: OnCount, cancel: Event) -> Scores:
            return evaluate(path, theirs, progress)

        self.start(work, lambda scores: self.say(table_of(scores)))
