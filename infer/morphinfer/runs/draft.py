"""Drafts: unfinished label images, which survive an interruption and take rows from many processes.

A draft is the folder ``LABELS.zarr.unfinished`` beside its target. Whole rows of chunks are written
in any order, by any number of processes that know nothing of each other; a journal lists the rows that
are done, with a checksum, so that a row torn by a power loss is computed again. ``finish`` makes the
pyramid and publishes all at once.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from morphinfer.errors import OutputError
from morphinfer.geometry import Window
from morphinfer.images import (
    ImageSpec,
    LabelImage,
    Layer,
    Layout,
    NewImage,
    as_output_errors,
    check_target,
    forget,
    held,
    layer_path,
    open_labels,
    published_paths,
    remove,
    sweep,
    workspace,
)
from morphinfer.networks import Resume
from morphinfer.records import RunRecord
from morphinfer.runs.draft_checks import oddity, refuse_foreign, why_discarded
from morphinfer.runs.draft_header import DraftHeader
from morphinfer.runs.draft_publication import Extra, publish_draft
from morphinfer.runs.holders import Hold
from morphinfer.runs.journal import Journal, RowDone, intact_rows, read_journals
from morphinfer.runs.open_rows import part_files, part_rows
from morphinfer.runs.row_writer import RowWriter, row_count, row_positions

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
    def open(
        cls,
        target: Path,
        header: DraftHeader,
        *,
        overwrite: bool = False,
        resume: Resume = "auto",
        alone: bool = True,
    ) -> Draft:
        """Begin a draft, or resume the one that an interrupted run or another shard has left.

        One that cannot be resumed is discarded, with a warning that says why.

        Parameters
        ----------
        target : Path
            The label image.
        header : DraftHeader
            What is computed, and of what.
        overwrite : bool
            Discard a draft of other options, instead of refusing it.
        resume : {'auto', 'never'}
            Whether a draft that can be resumed is resumed, or discarded.
        alone : bool
            Whether no other process works on it; else it is refused where it would be discarded.

        Raises
        ------
        OutputError
            The target exists or cannot be written to; or an unfinished run with other models,
            another slide or other options exists, or something else in its place.
        """
        draft = cls(target, header)
        refuse_foreign(draft.folder)
        reason = ""
        if draft.folder.exists():
            reason = why_discarded(
                draft.folder, header, draft._specs(), resume=resume, overwrite=overwrite
            )
        if reason and not alone:
            raise OutputError(
                f"{draft.folder}: cannot be resumed, since {reason}, and another process works on it; "
                f"stop that, and run this again"
            )
        if reason:
            logger.warning("%s: an unfinished run is discarded, since %s", target, reason)
            remove(draft.folder)
        if not draft.folder.exists():
            with as_output_errors(target, "nothing was published"):
                draft._create()
        return cls(target, replace(header, run=DraftHeader.read(draft.folder).run))

    @classmethod
    def load(cls, target: Path) -> Draft:
        """The draft of a target, as `finish` needs it.

        Raises
        ------
        OutputError
            There is no draft, or it cannot be read.
        """
        folder = draft_folder(target)
        refuse_foreign(folder)
        if not folder.is_dir():
            raise OutputError(
                f"{folder}: no such folder, so {target.name} has no unfinished parts; name the "
                f"label image that the shards were given as `out`"
            )
        draft = cls(target, DraftHeader.read(folder))
        odd = oddity(folder, draft._specs())
        if odd:
            raise OutputError(
                f"{folder}: cannot be finished, since {odd}; remove this folder, and run the shards again"
            )
        return draft

    def intact(self) -> dict[int, RowDone]:
        """The rows that are on disk as the journal describes them, by number."""
        return intact_rows(self.folder, self.header.run, self.layout, self._images())

    def missing(self) -> list[int]:
        """Rows of chunks that still have to be computed."""
        intact = self.intact()
        return [row for row in range(self.row_count) if row not in intact]

    def writer(self, since: float | None = None, held: Hold | None = None) -> RowWriter:
        """A writer for any rows of the draft; ``since`` is when the work on them began."""
        journal = Journal.new(self.folder, self.header.run)
        classes = len(self.layout.classes)
        return RowWriter(self._images(), classes, journal, since=since, held=held)

    def finish(
        self, *, overwrite: bool = False, extra: Extra | None = None, ends: bool = True
    ) -> None:
        """Fill the pyramid, write the metadata and publish; removes the draft.

        Parameters
        ----------
        overwrite : bool
            Replace what exists.
        extra : callable, optional
            Writes more outputs into the folder of the draft, and returns the name there of each by its
            final path, or None for one that has no successor. The label image is complete by then
            (`staged_labels`), and all appear with it.
        ends : bool
            Whether the work of the caller ends here; else it calls `forget` at its end, and one that is
            killed before finds its outputs published.

        Raises
        ------
        OutputError
            Rows are missing or damaged, the target exists, or the disk is full.
        """
        outcome = (
            f"finished rows are kept in {self.folder}, and the same command goes on from there"
        )
        with as_output_errors(self.target, outcome):
            try:
                with held(self.folder) as alone:
                    if not (alone and self._is_usable()):
                        raise OutputError(
                            f"{self.folder}: is being published by another process; wait for it"
                        )
                    self._finish(extra, overwrite=overwrite)
            except FileNotFoundError as problem:
                raise OutputError(
                    f"{self.folder}: was published or removed by another process meanwhile"
                ) from problem
            remove(self.folder)
            sweep(self.folder)
            if ends:
                forget(self.target)

    def _finish(self, extra: Extra | None, *, overwrite: bool) -> None:
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
        record = self.header.completed(list(intact.values()))
        for image in self._images(record):
            image.fill_levels()
            image.describe()
        publish_draft(self, extra, overwrite=overwrite)
        for warning in record.warnings[len(self.header.record.warnings) :]:
            logger.warning("%s", warning)  # the others were logged at the start

    def kept(self) -> float:
        """Share of the positions that are done, as journals and parts of rows claim; 0 to 1."""
        rows = {row for row in read_journals(self.folder, self.header.run) if row < self.row_count}
        windows = [self.window(row) for row in rows]
        done = sum(window.height * window.width for window in windows)
        writer = self.writer()
        done += sum(writer.covered(row) for row in part_rows(self.folder) - rows)
        return done / math.prod(self.layout.grid.shape)

    def staged_labels(self) -> LabelImage:
        """The complete label image before it is published, with the path that it will have."""
        labels = open_labels(self.folder / "labels.zarr")
        image = replace(labels.image, path=self.target, name=self.target.name)
        return replace(labels, image=image)

    def discard_if_empty(self) -> bool:
        """Remove the draft if nothing of it is done; returns whether it was removed."""
        kept = read_journals(self.folder, self.header.run) or part_files(self.folder)
        if kept and self.folder.exists():
            return False
        remove(self.folder)
        return True

    def _create(self) -> None:
        """Make the folder in a hidden one, so that several processes may begin at once."""
        needed = sum(spec.needed_bytes for spec in self._specs().values())
        check_target(self.target, overwrite=True, needed_bytes=needed)
        with workspace(self.folder) as beside:
            fresh = beside / self.folder.name
            fresh.mkdir()
            for name, spec in self._specs().items():
                NewImage.create(fresh / name, spec)
            replace(self.header, run=uuid4().hex).write(fresh)
            try:
                fresh.rename(self.folder)
            except OSError:
                if not self.folder.exists():
                    raise  # else another process was faster

    def _specs(self, record: RunRecord | None = None) -> dict[str, ImageSpec]:
        """The images by the names of their folders: the labels, and the layers beside them."""
        content = {} if record is None else record.to_json()
        specs = {"labels.zarr": self.layout.labels(self.target.stem, content)}
        for layer in self.layers:
            name = layer_path(self.target, layer).stem
            specs[f"{layer}.zarr"] = self.layout.layer(layer, name)
        return specs

    def _images(self, record: RunRecord | None = None) -> list[NewImage]:
        return [NewImage(self.folder / name, spec) for name, spec in self._specs(record).items()]

    def _is_usable(self) -> bool:
        """Whether no part of it was published already."""
        return all((self.folder / name).is_dir() for name in self._specs())


def draft_folder(target: Path) -> Path:
    """Path of the draft of a label image."""
    return target.with_name(target.name + ".unfinished")
