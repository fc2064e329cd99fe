"""Each shipped set on the test sections of the other sets: background against all tissue.

    MORPHINFER_DATA=/path/to/sections python training/research/elsewhere.py

The classes of a set do not occur in another's tissue, so its classes other than background count as tissue,
as do those of the reference. Background is not the same everywhere: in `septum` and in the reference of its
section it is what lies between nuclei. Segments with 'morphinfer segment', scores against the references that
`accuracy.py` makes, which has to run first. Writes results/DATE-elsewhere.json and prints the table.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from morphinfer import evaluate
from morphinfer.classes import values_of
from morphinfer.images import open_labels
from protocol import SETS, WORK, SetProtocol, morphinfer, prepare, slide, write_results


def main() -> int:
    """Segment, score, print and store."""
    if reason := prepare([protocol.test for protocol in SETS]):
        print(reason)
        return 0
    rows = [row(ours, theirs) for theirs in SETS for ours in SETS if ours is not theirs]
    write_results("elsewhere", rows)
    print("| set | section | background | tissue | called background | of the reference |")
    print("| --- | --- | --- | --- | --- | --- |")
    for each in rows:
        figures = " | ".join("n/a" if each[key] is None else f"{each[key]:.3f}" for key in FIGURES)
        print(f"| {each['set']} | {each['section']} | {figures} |")
    return 0


FIGURES = ("dice_background", "dice_tissue", "share_background", "share_background_reference")


def row(ours: SetProtocol, theirs: SetProtocol) -> dict[str, Any]:
    """Dice of background and of tissue of one set on the section of another."""
    reference = WORK / f"{theirs.test}_regions.zarr"
    labels = segmented(ours, theirs.test)
    classes = open_labels(labels).classes
    targets = [c.name for c in open_labels(reference).classes if c.role == "target"]
    tissue = next(c.name for c in classes if c.role == "tissue")
    scores = evaluate(labels, reference, match=dict.fromkeys(targets, tissue))
    counts = np.asarray(scores.confusion, float)  # (reference, labels), both by our classes
    dark = list(values_of(classes, "background"))
    both, theirs_dark, ours_dark = (
        counts[np.ix_(dark, dark)].sum(), counts[dark].sum(), counts[:, dark].sum()
    )  # fmt: skip
    total = counts.sum()
    return {
        "set": ours.name,
        "section": theirs.test,
        "dice_background": 2 * both / (theirs_dark + ours_dark)
        if theirs_dark + ours_dark
        else None,
        "dice_tissue": 2
        * (total - theirs_dark - ours_dark + both)
        / (2 * total - theirs_dark - ours_dark),
        "share_background": ours_dark / total,
        "share_background_reference": theirs_dark / total,
        "positions": int(total),
    }


def segmented(ours: SetProtocol, section: str) -> Path:
    """The label map of a section by a set."""
    out = WORK / f"{section}_by_{ours.name}.zarr"
    if not out.exists():
        morphinfer("segment", str(slide(section)), "--models", str(ours.folder), "--out", str(out))
    return out


if __name__ == "__main__":
    sys.exit(main())
