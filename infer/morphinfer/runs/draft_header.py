"""The header of a draft, draft.json: which run and which label image its rows belong to."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from morphinfer.classes import values_of
from morphinfer.errors import OutputError
from morphinfer.images import LAYERS, Layer, Layout, StoredContent
from morphinfer.networks import UNCERTAIN_BELOW
from morphinfer.records import RunRecord, RunStart, parse_fields, to_plain
from morphinfer.runs.background import doubt_background
from morphinfer.runs.journal import RowDone, signed, verified

HEADER = "draft.json"
COMPARED = (
    "morphinfer", "pixel_size_um", "stride_px", "mode", "model_shape", "intensity", "bad_chunks",
)  # fmt: skip
"""Fields of the record that two processes must agree on as they are."""


@dataclass(frozen=True, slots=True)
class DraftHeader:
    """What the processes that write one draft must agree on."""

    layout: Layout
    """Where the label image lies and what its values mean."""
    layers: tuple[Layer, ...]
    """What is kept beside the labels, in the order of `LAYERS`."""
    record: RunStart
    """The run record, as far as it was known at the start."""
    content: StoredContent = field(default_factory=StoredContent)
    """What the slide held at the start."""
    run: str = ""
    """Name of the draft, which no other one has; '' for one that is not on the disk."""

    def write(self, folder: Path) -> None:
        """Write the header into the folder of a draft."""
        layout = to_plain(self.layout)
        layout = {**layout.pop("grid"), **layout}
        kept: dict[str, bool] = {layer: layer in self.layers for layer in LAYERS}
        named = {"run": self.run, "content": to_plain(self.content)}
        content = {**named, "layout": layout, **kept, "record": self.record.to_json()}
        (folder / HEADER).write_bytes(signed(self.run, content))

    @classmethod
    def read(cls, folder: Path) -> DraftHeader:
        """The header in the folder of a draft.

        Raises
        ------
        OutputError
            There is none, it is damaged, or an earlier version has written it.
        """
        try:
            line = (folder / HEADER).read_bytes()
            run = json.loads(line)["run"]
            content = verified(run, line)
            if content is None:
                raise ValueError("its hash is another one")
            layout = {"grid": content["layout"], **content["layout"]}
            return cls(
                parse_fields(Layout, layout, "layout"),
                tuple(layer for layer in LAYERS if content.get(layer)),
                RunStart.from_json(content["record"], HEADER),
                parse_fields(StoredContent, content["content"]),
                run,
            )
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as problem:
            raise OutputError(
                f"{folder}: its header is damaged, or an earlier version made it ({problem}); remove the "
                f"folder, or name another `out`"
            ) from problem

    def difference(self, other: DraftHeader) -> str:
        """Which settings that change the result differ from those of another header; '' for none."""
        ours, theirs = self._settings(), other._settings()
        return ", ".join(f"another {key}" for key in ours if ours[key] != theirs[key])

    def completed(self, done: Sequence[RowDone]) -> RunRecord:
        """The run record with what is known only now that all rows are done."""
        counts = np.sum([row.counts for row in done], axis=0)
        classes = self.layout.classes
        tissue = int(counts.sum() - counts[list(values_of(classes, "background"))].sum())
        uncertain = sum(row.uncertain for row in done)
        shares = (counts / counts.sum()).tolist()
        return RunRecord.of(
            self.record,
            seconds=math.fsum(row.seconds for row in done),
            class_fractions=dict(zip([c.name for c in classes], shares, strict=True)),
            uncertain_fraction=uncertain / tissue if tissue else None,
            uncertain_below=UNCERTAIN_BELOW,
            warnings=doubt_background(self.record.slide.path, classes, counts.tolist()),
        )

    def key(self) -> str:
        """The same for two headers of the same rows, as a hash."""
        what = repr((sorted(self._settings().items()), self.content))
        return hashlib.sha256(what.encode()).hexdigest()

    def _settings(self) -> Mapping[str, object]:
        """What must be the same for two processes to write one label image.

        The provenance of the models, which follows from their files, is not compared.
        """
        record, layout = self.record, self.layout
        return {
            **{key: getattr(record, key) for key in COMPARED},
            "models": (record.models.name, record.models.sha256),
            "slide": replace(record.slide, path=""),
            "roi": record.roi and replace(record.roi, file=""),
            "provider": record.provider.ran,
            "skipping": record.skipping is not None and record.skipping.on,
            **{layer: layer in self.layers for layer in LAYERS},
            "layout": replace(layout, classes=()),
            "classes": layout.classes,
        }
