"""The header of a draft, draft.json: which run and which label image its rows belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from morphinfer.classes import LabelClass
from morphinfer.errors import OutputError
from morphinfer.images import LAYERS, Layer, Layout
from morphinfer.records import RunStart, parse_fields, to_plain

HEADER = "draft.json"
COMPARED = (
    "morphinfer", "pixel_size_um", "stride_px", "mode", "model_shape", "intensity",
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

    def write(self, folder: Path) -> None:
        """Write the header into the folder of a draft."""
        layout = to_plain(self.layout)
        layout = {**layout.pop("grid"), **layout}
        kept: dict[str, bool] = {layer: layer in self.layers for layer in LAYERS}
        content = {"layout": layout, **kept, "record": self.record.to_json()}
        (folder / HEADER).write_text(json.dumps(content, indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> DraftHeader:
        """The header in the folder of a draft, also one of an earlier version.

        Raises
        ------
        OutputError
            There is none, or it cannot be read.
        """
        try:
            content = json.loads((folder / HEADER).read_text(encoding="utf-8"))
            record = RunStart.from_json(content["record"], HEADER)
            layout = {"grid": content["layout"], **content["layout"]}
            # That of an earlier version has no roles.
            layout["classes"] = [to_plain(LabelClass.of(each)) for each in layout["classes"]]
            parsed = parse_fields(Layout, layout, "layout")
            layers = tuple(layer for layer in LAYERS if content.get(layer))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as problem:
            raise OutputError(
                f"{folder}: no unfinished run of morphinfer ({problem}); remove the folder, or name "
                f"another `out`"
            ) from problem
        return cls(parsed, layers, record)

    def difference(self, other: DraftHeader) -> str:
        """Which settings that change the result differ from those of another header; '' for none."""
        ours, theirs = self._settings(), other._settings()
        return ", ".join(f"another {key}" for key in ours if ours[key] != theirs[key])

    def _settings(self) -> Mapping[str, object]:
        """What must be the same for two processes to write one label image.

        The provenance of the models, which follows from their files, is not compared, so that a draft
        of an earlier version, which lacks it, can be resumed.
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
