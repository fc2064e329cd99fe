"""Which class of a label image each class of its reference is compared with: by name, or as told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.errors import AlignmentError


def match_classes(
    theirs: Sequence[str],
    ours: Sequence[str],
    match: Mapping[str, str] | None = None,
    *,
    reference: str = "the reference",
    labels: str = "the label image",
) -> tuple[int, ...]:
    """Our value for each class of the reference.

    Parameters
    ----------
    theirs, ours : sequence of str
        Names of the classes of the reference and of the label image, by value.
    match : Mapping, optional
        Our name for a name of the reference, where the two differ; several of theirs may be one of
        ours, which are then counted together.
    reference, labels : str
        Names of the two for messages.

    Raises
    ------
    AlignmentError
        A class of the reference is none of ours, or ``match`` names one that is not there.

    Examples
    --------
    >>> match_classes(("tissue", "Slc17a7"), ("tissue", "Neurod6"), {"Slc17a7": "Neurod6"})
    (0, 1)
    """
    told = dict(match or {})
    for side, named, known in ((reference, told, theirs), (labels, told.values(), ours)):
        unknown = [name for name in named if name not in known]
        if unknown:
            raise AlignmentError(
                f"`match` names {_listed(unknown)}, but the classes of {side} are "
                f"{', '.join(known)}; write it as `match={{'THEIRS': 'OURS'}}`, the reference's name "
                f"first"
            )
    foreign = [name for name in theirs if told.get(name, name) not in ours]
    if foreign:
        example = {foreign[0]: _example(theirs, ours)}
        raise AlignmentError(
            f"{reference} has the classes {', '.join(theirs)}, but {labels} has {', '.join(ours)} "
            f"and so no {_listed(foreign)}; say which class stands for it, for example "
            f"`match={example}`, or segment with models that were trained for the classes of the "
            f"reference"
        )
    return tuple(ours.index(told.get(name, name)) for name in theirs)


def differing(
    theirs: Sequence[str], ours: Sequence[str], values: Sequence[int]
) -> tuple[tuple[str, str], ...]:
    """The pairs of names (theirs, ours) that are not the same; ``values`` as `match_classes` returns."""
    pairs = zip(theirs, values, strict=True)
    return tuple((name, ours[value]) for name, value in pairs if name != ours[value])


def match_sentence(theirs: str, ours: str) -> str:
    """What is told of a pair of names.

    >>> match_sentence("Slc17a7", "Neurod6")
    "the reference's 'Slc17a7' is compared with 'Neurod6'"
    """
    return f"the reference's '{theirs}' is compared with '{ours}'"


def matched(
    counts: NDArray[np.int64], values: Sequence[int], classes: int | None = None
) -> NDArray[np.int64]:
    """Confusion matrices with the rows of the reference's classes where ours stand.

    Parameters
    ----------
    counts : ndarray of int64, shape (..., R, C)
        Cells by class in the reference (row) and in the label image (column); R is 256, or the number
        of classes of the reference.
    values : sequence of int
        What `match_classes` returned.
    classes : int, optional
        Number of our classes; where it is left out, the last axes stay as they are (256, 256), and the
        row of what is unlabelled stays in its place.

    Returns
    -------
    ndarray of int64, shape (..., classes, C)
    """
    rows = counts.shape[-2] if classes is None else classes
    moved = np.zeros((*counts.shape[:-2], rows, counts.shape[-1]), np.int64)
    for theirs, ours in enumerate(values):
        moved[..., ours, :] += counts[..., theirs, :]
    if classes is None:
        moved[..., UNLABELLED, :] = counts[..., UNLABELLED, :]
    return moved


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _example(theirs: Sequence[str], ours: Sequence[str]) -> str:
    """A class of ours that the reference does not have; the last of ours where it has all."""
    return next((name for name in ours if name not in theirs), ours[-1])
