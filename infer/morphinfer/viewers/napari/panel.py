"""What the widgets share: the layer of nuclei, and work in another thread with progress and cancel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

from magicgui.widgets import (
    Container,
    FloatSpinBox,
    ProgressBar,
    PushButton,
    SpinBox,
    TextEdit,
    create_widget,
)
from napari.qt.threading import create_worker
from superqt.utils import ensure_main_thread

from morphinfer.callbacks import OnCount
from morphinfer.errors import MorphinferError, SlideError
from morphinfer.viewers.napari.sources import Source, pixel_size_of, source_of

Work = Callable[[OnCount, Event], Any]
"""Called in another thread with a function to report progress to, and an event that stops it."""
PIXEL_STEP_UM = 1e-4
"""What the field of the pixel size rounds to; a size that the layer knows is taken as it is."""


class Panel(Container):
    """A layer of nuclei, buttons to run and to cancel, progress, and what is said."""

    def __init__(self, viewer: Any, run_text: str) -> None:
        self.viewer = viewer
        self.cancelled = Event()
        self.image = create_widget(label="Nuclei", annotation="napari.layers.Image")
        self.channel = SpinBox(
            label="Channel", min=0, visible=False, tooltip="index along the first axis of the layer"
        )
        self.pixel_size = FloatSpinBox(
            label="Pixel size (µm)", min=0, max=1000, step=PIXEL_STEP_UM,
            tooltip="side of a pixel of the layer in micrometres; 0: not known",
        )  # fmt: skip
        self.run = PushButton(text=run_text)
        self.cancel = PushButton(text="Cancel", enabled=False)
        self.progress = ProgressBar(label="", visible=False)
        self.said = TextEdit(label="")
        self.said.read_only = True
        super().__init__()
        self.image.changed.connect(self.look_at_layer)
        self.run.changed.connect(self.on_run)
        self.cancel.changed.connect(self.cancelled.set)
        self.native.destroyed.connect(self.cancelled.set)

    def look_at_layer(self) -> None:
        """Show pixel size and channels of the chosen layer."""
        layer = self.image.value
        if layer is None:
            return
        leading = layer.ndim - 2
        self.channel.visible = leading > 0
        if leading:
            self.channel.max = self._shape(layer)[0] - 1
        try:
            self.pixel_size.value = pixel_size_of(layer) or 0
        except MorphinferError as problem:
            self.say([str(problem)])

    def source(self) -> Source:
        """The nuclei that are chosen.

        Raises
        ------
        SlideError, AlignmentError
            There is no layer, or it cannot be used.
        """
        layer = self.image.value
        if layer is None:
            raise SlideError("no image is open; open a slide, or drop it on the viewer")
        if not self.pixel_size.value:
            raise SlideError(
                f"the pixel size of the layer '{layer.name}' is not known; state it in micrometres"
            )
        known, size = pixel_size_of(layer), self.pixel_size.value
        if known and abs(known - size) < PIXEL_STEP_UM:
            size = known
        sliders = self.viewer.dims.current_step[-layer.ndim : -2]
        plane = (self.channel.value, *sliders[1:]) if layer.ndim > 2 else ()
        return source_of(layer, size, plane)

    def on_run(self) -> None:
        """Start what the button says; what cannot be done is said."""
        try:
            work = self.prepare()
        except MorphinferError as problem:
            self.say([str(problem)])
            return
        self.start(work, self.finished)

    def prepare(self) -> Work:
        """The work that the fields ask for."""
        raise NotImplementedError

    def finished(self, outcome: Any) -> None:
        """Show what the work returned."""
        raise NotImplementedError

    def start(self, work: Work, done: Callable[[Any], None]) -> None:
        """Do work in another thread, and call ``done`` in this one with what it returned."""
        self.cancelled.clear()
        self._busy(True)
        self.say(["..."])

        def guarded() -> tuple[Any, list[str]]:
            # The worker drops a RuntimeError, which CancelledError is, without a word.
            try:
                return work(self._count, self.cancelled), []
            except MorphinferError as problem:
                return None, [str(problem), *getattr(problem, "__notes__", ())]

        def ended(outcome: tuple[Any, list[str]]) -> None:
            result, problem = outcome
            if problem:
                self.say(problem)
            else:
                done(result)

        self.worker = create_worker(
            guarded,
            _start_thread=True,
            _connect={"returned": ended, "finished": lambda: self._busy(False)},
        )

    def say(self, sentences: Sequence[str]) -> None:
        """Show sentences, one a line, in place of those before."""
        self.said.value = "\n".join(sentences)

    @ensure_main_thread
    def _count(self, done: int, total: int) -> None:
        self.progress.max, self.progress.value = max(total, 1), done

    def _busy(self, busy: bool) -> None:
        self.run.enabled, self.cancel.enabled = not busy, busy
        self.progress.visible = busy
        self.progress.max, self.progress.value = 1, 0

    @staticmethod
    def _shape(layer: Any) -> tuple[int, ...]:
        data = layer.data[0] if layer.multiscale else layer.data
        return tuple(data.shape)
