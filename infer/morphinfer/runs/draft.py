"""Drafts: unfinished label images, which survive an interruption and take rows from many processes.

A draft is the folder ``LABELS.zarr.unfinished`` beside its target. Whole rows of chunks are written
in any order, by any number of processes that know nothing of each other; a journal lists the rows that
are done, with a checksum, so that a row torn by a power loss is computed again. ``finish`` makes the
pyramid and publishes by one rename.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np

from morphinfer.classes import values_of
from morphinfer.errors import OutputError
from morphinfer.geometry import Window
from morphinfer.images import (
    LAYERS,
    ImageSpec,
    Layer,
    Layout,
    NewImage,
    as_output_errors,
    check_target,
    flush,
    layer_path,
    locked,
    publish,
    published_paths,
    remove,
)
from morphinfer.networks import UNCERTAIN_BELOW
from morphinfer.records import RunRecord
from morphinfer.runs.background import doubt_background
from morphinfer.runs.draft_header import DraftHeader
from morphinfer.runs.journal import RowDone, checksum, new_journal, read_journals
from morphinfer.runs.row_writer import RowWriter, row_count, row_positions

LOCK = "finishing"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Draft:
    """An unfinished label image."""

    target: Path
    """Where it will be published."""
    header: DraftHeader
    """Which run and which label image its rows belong to."""

    @property
    def layout(self) -> Layout:
        """Where it lies and what its values mean."""
        return self.header.layout

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What is kept beside the labels, in the order of `LAYERS`."""
        return self.header.layers

    @property
    def folder(self) -> Path:
        """Where the draft is."""
        return draft_folder(self.target)

    @property
    def row_count(self) -> int:
        """Number of rows of chunks."""
        return row_count(self.layout.grid.shape[0], self.layout.chunk)

    def position_rows(self, row: int) -> tuple[int, int]:
        """First and one past the last row of positions of a row of chunks."""
        return row_positions(row, self.layout.grid.shape[0], self.layout.chunk)

    def window(self, row: int) -> Window:
        """The positions of a row of chunks."""
        start, stop = self.position_rows(row)
        return Window(start, 0, stop - start, self.layout.grid.shape[1])

    @classmethod
    def open(cls, target: Path, header: DraftHeader, *, overwrite: bool = False) -> Draft:
        """Begin a draft, or resume the one that an interrupted run or another shard has left.

        Raises
        ------
        OutputError
            The target exists or cannot be written to, or an unfinished run with other models,
            another slide or other options exists.
        """
        draft = cls(target, header)
        if draft.folder.exists() and (overwrite or draft._is_ours()) and not draft._is_usable():
            remove(draft.folder)
        if not draft.folder.exists():
            with as_output_errors(target, "nothing was published"):
                draft._create()
        if not draft._is_ours():
            raise OutputError(
                f"{draft.folder}: an unfinished run with {draft._difference()}; give the same "
                f"options again to resume it, or `overwrite=True` to start over"
            )
        return draft

    @classmethod
    def load(cls, target: Path) -> Draft:
        """The draft of a target, as `finish` needs it.

        Raises
        ------
        OutputError
            There is no draft, or it cannot be read.
        """
        folder = draft_folder(target)
        if not folder.is_dir():
            raise OutputError(
                f"{folder}: no such folder, so {target.name} has no unfinished parts; name the "
                f"label image that the shards were given as `out`"
            )
        draft = cls(target, DraftHeader.read(folder))
        if not draft._is_usable():
            raise OutputError(
                f"{folder}: parts of it were published already by a run that failed; "
                f"remove this folder, or run the shards again"
            )
        return draft

    def intact(self) -> dict[int, RowDone]:
        """The rows that are on disk as the journal describes them, by number."""
        images = self._images()
        rows: dict[int, RowDone] = {}
        for row, entries in read_journals(self.folder).items():
            checksums = self._checksums(images, row)
            matching = [done for done in entries if done.checksums == checksums]
            if matching:
                rows[row] = matching[0]
        return rows

    def missing(self) -> list[int]:
        """Rows of chunks that still have to be computed."""
        intact = self.intact()
        return [row for row in range(self.row_count) if row not in intact]

    def writer(self, since: float | None = None) -> RowWriter:
        """A writer for any rows of the draft; ``since`` is when the work on them began."""
        journal = new_journal(self.folder)
        classes = len(self.layout.classes)
        return RowWriter(self._images(), classes, journal, since or time.perf_counter())

    def finish(self, *, overwrite: bool = False) -> None:
        """Fill the pyramid, write the metadata and publish; removes the draft.

        Raises
        ------
        OutputError
            Rows are missing or damaged, or the target exists.
        """
        with as_output_errors(self.target, f"finished rows are kept in {self.folder}"):
            try:
                with locked(self.folder / LOCK) as alone:
                    if not (alone and self._is_usable()):
                        raise OutputError(
                            f"{self.folder}: is being published by another process; wait for it"
                        )
                    self._finish(overwrite=overwrite)
            except FileNotFoundError as problem:
                raise OutputError(
                    f"{self.folder}: was published or removed by another process meanwhile"
                ) from problem
            remove(self.folder)

    def _finish(self, *, overwrite: bool) -> None:
        intact = self.intact()
        missing = [row for row in range(self.row_count) if row not in intact]
        if missing:
            raise OutputError(
                f"{self.folder}: {len(missing)} of {self.row_count} rows of chunks are missing "
                f"(the first is {missing[0]}); run the shards that failed again, then "
                f"finish"
            )
        for path in published_paths(self.target, self.layers, overwrite=overwrite):
            check_target(path, overwrite=overwrite, folder=True)
        record = self._completed(list(intact.values()))
        for image in self._images(record):
            image.fill_levels()
            image.describe()
        flush(self.folder)
        for layer in LAYERS:
            if layer in self.layers:
                publish(self.folder / f"{layer}.zarr", layer_path(self.target, layer))
            elif overwrite:  # one of an earlier run does not belong to these labels
                remove(layer_path(self.target, layer))
        publish(self.folder / "labels.zarr", self.target)
        for warning in record.warnings[len(self.header.record.warnings) :]:
            logger.warning("%s", warning)  # the others were logged at the start

    def _completed(self, done: list[RowDone]) -> RunRecord:
        """The run record with what is known only now."""
        counts = np.sum([row.counts for row in done], axis=0)
        names = [c.name for c in self.layout.classes]
        background = values_of(self.layout.classes, "background")
        tissue = int(counts.sum() - counts[list(background)].sum())
        uncertain = sum(row.uncertain for row in done)
        return RunRecord.of(
            self.header.record,
            seconds=math.fsum(row.seconds for row in done),
            class_fractions=dict(zip(names, (counts / counts.sum()).tolist(), strict=True)),
            uncertain_fraction=uncertain / tissue if tissue else None,
            uncertain_below=UNCERTAIN_BELOW,
            warnings=doubt_background(
                self.header.record.slide.path, self.layout.classes, counts.tolist()
            ),
        )

    def discard_if_empty(self) -> bool:
        """Remove the draft if no row of it is done; returns whether it was removed."""
        if self.folder.exists() and read_journals(self.folder):
            return False
        remove(self.folder)
        return True

    def _create(self) -> None:
        """Make the folder under another name, so that several processes may begin at once."""
        needed = sum(spec.needed_bytes for spec in self._specs())
        check_target(self.target, overwrite=True, needed_bytes=needed)
        fresh = self.folder.with_name(f"{self.folder.name}-{uuid4().hex}")
        try:
            fresh.mkdir()
            for name, spec in zip(self._names(), self._specs(), strict=True):
                NewImage.create(fresh / name, spec)
            self.header.write(fresh)
            fresh.rename(self.folder)
        except BaseException as problem:
            remove(fresh)
            if not (isinstance(problem, OSError) and self.folder.exists()):
                raise  # else another process was faster

    def _names(self) -> list[str]:
        return ["labels.zarr", *(f"{layer}.zarr" for layer in self.layers)]

    def _specs(self, record: RunRecord | None = None) -> list[ImageSpec]:
        content = {} if record is None else record.to_json()
        beside = [self.layout.layer(k, layer_path(self.target, k).stem) for k in self.layers]
        return [self.layout.labels(self.target.stem, content), *beside]

    def _images(self, record: RunRecord | None = None) -> list[NewImage]:
        pairs = zip(self._names(), self._specs(record), strict=True)
        return [NewImage(self.folder / name, spec) for name, spec in pairs]

    def _is_usable(self) -> bool:
        """Whether it belongs to this run, and no part of it was published already."""
        return self._is_ours() and all((self.folder / name).is_dir() for name in self._names())

    def _is_ours(self) -> bool:
        return self._difference() == ""

    def _difference(self) -> str:
        """Which settings that affect the result differ from those of the existing draft."""
        return self.header.difference(DraftHeader.read(self.folder))

    def _checksums(self, images: list[NewImage], row: int) -> tuple[int, ...]:
        try:
            return tuple(checksum(image.read_rows(*self.position_rows(row))) for image in images)
        except (OSError, ValueError, RuntimeError, SystemError, MemoryError):
            return ()  # a torn chunk does not decode, whatever error numcodecs raises


def draft_folder(target: Path) -> Path:
    """Path of the draft of a label image."""
    return target.with_name(target.name + ".unfinished")
