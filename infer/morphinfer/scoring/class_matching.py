"""Match the classes of a reference with those of a label image, by name or as the caller states.

The caller states pairs THEIRS=OURS: 'theirs' are classes of the reference, 'ours' those of the label
image.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.errors import AlignmentError
from morphinfer.names import nearest, suggestion


def match_classes(
    theirs: Sequence[str],
    ours: Sequence[str],
    match: Mapping[str, str] | None = None,
    ignore: Collection[str] = (),
    *,
    reference: str = "the reference",
    labels: str = "the label image",
) -> tuple[int, ...]:
    """The label image's value for each class of the reference.

    Parameters
    ----------
    theirs, ours : sequence of str
        Names of the classes of the reference and of the label image, by value.
    match : Mapping, optional
        Name in the label image for a name in the reference, where the two differ. Classes of the
        reference with the same partner are counted together.
    ignore : collection of str
        Classes of the reference whose pixels are left out.
    reference, labels : str
        Names of the two images for messages.

    Returns
    -------
    tuple of int
        One value for each of ``theirs``; `UNLABELLED` for those that are left out.

    Raises
    ------
    AlignmentError
        The label image lacks a class of the reference, ``match`` or ``ignore`` names an unknown class, or
        both name one.

    Examples
    --------
    >>> match_classes(("tissue", "Slc17a7"), ("tissue", "Neurod6"), {"Slc17a7": "Neurod6"})
    (0, 1)
    >>> match_classes(("tissue", "artefact"), ("tissue", "Neurod6"), ignore=["artefact"])
    (0, 255)
    """
    partners, left_out = dict(match or {}), [ignore] if isinstance(ignore, str) else list(ignore)
    _check_ignored(left_out, partners, theirs, reference)
    for side, named, known in ((reference, partners, theirs), (labels, partners.values(), ours)):
        unknown = [name for name in named if name not in known]
        if unknown:
            raise AlignmentError(
                f"`match` names {_listed(unknown)}, but the classes of {side} are "
                f"{', '.join(known)}{suggestion(unknown[0], known)}; write it as "
                f"`match={{'THEIRS': 'OURS'}}`, the reference's name first"
            )
    compared = [name for name in theirs if name not in left_out]
    foreign = [name for name in compared if partners.get(name, name) not in ours]
    if foreign:
        example = {foreign[0]: _example(foreign[0], theirs, ours)}
        raise AlignmentError(
            f"{reference} has the classes {', '.join(theirs)}, but {labels} has {', '.join(ours)} "
            f"and no {_listed(foreign)}; name the class to compare it with, for example "
            f"`match={example}`, or leave it out, `ignore={foreign[:1]}`, or segment with models that were "
            f"trained for the classes of the reference"
        )
    return tuple(
        UNLABELLED if name in left_out else ours.index(partners.get(name, name)) for name in theirs
    )


def _check_ignored(
    ignored: Sequence[str], partners: Mapping[str, str], theirs: Sequence[str], reference: str
) -> None:
    for name in ignored:
        if name not in theirs:
            raise AlignmentError(
                f"`ignore` names '{name}', but the classes of {reference} are "
                f"{', '.join(theirs)}{suggestion(name, theirs)}"
            )
        if name in partners:
            raise AlignmentError(
                f"'{name}' is matched with '{partners[name]}' and ignored; leave out one of `match` and "
                f"`ignore`"
            )


def differing(
    theirs: Sequence[str], ours: Sequence[str], values: Sequence[int]
) -> tuple[tuple[str, str], ...]:
    """The pairs of names (theirs, ours) that differ; ``values`` are those of `match_classes`."""
    pairs = zip(theirs, values, strict=True)
    return tuple(
        (name, ours[value]) for name, value in pairs if value != UNLABELLED and name != ours[value]
    )


def match_sentence(theirs: str, ours: str) -> str:
    """A sentence on a pair of different names.

    >>> match_sentence("Slc17a7", "Neurod6")
    "the reference's 'Slc17a7' is compared with 'Neurod6'"
    """
    return f"the reference's '{theirs}' is compared with '{ours}'"


def matched(
    counts: NDArray[np.int64], values: Sequence[int], classes: int | None = None
) -> NDArray[np.int64]:
    """Confusion matrices with the rows moved to the values of the label image.

    Parameters
    ----------
    counts : ndarray of int64, shape (..., R, C)
        Pixels by class in the reference (row) and in the label image (column); R is 256, or the
        number of classes of the reference.
    values : sequence of int
        Return value of `match_classes`.
    classes : int, optional
        Number of classes of the label image; what is left out then has no row. Without it the last two
        axes keep their shape (256, 256), and what is left out is added to the row of unlabelled pixels.

    Returns
    -------
    ndarray of int64, shape (..., classes, C)
    """
    rows = counts.shape[-2] if classes is None else classes
    moved = np.zeros((*counts.shape[:-2], rows, counts.shape[-1]), np.int64)
    for theirs, ours in enumerate(values):
        if ours < rows:
            moved[..., ours, :] += counts[..., theirs, :]
    if classes is None:
        moved[..., UNLABELLED, :] += counts[..., UNLABELLED, :]
    return moved


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _example(name: str, theirs: Sequence[str], ours: Sequence[str]) -> str:
    """The class of the label image with the nearest name, one that the reference lacks, or the last."""
    lacking = [each for each in ours if each not in theirs]
    return next(iter([*nearest(name, lacking, 1), *lacking]), ours[-1])
