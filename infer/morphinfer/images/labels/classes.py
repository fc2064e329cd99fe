"""What the values of a label image stand for, by its 'image-label' metadata.

morphinfer writes the classes 0, 1, ... and 255 for unlabelled. Other tools write integers of any type:
the values that they name are classes, and 0 is unlabelled where it has no name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED, LabelClass, repeated_names
from morphinfer.errors import AlignmentError
from morphinfer.limits import beyond, limit

NAME_KEYS = ("class", "name")
"""Keys of a property that can hold the name of a class; morphinfer writes the first."""
UNLABELLED_NAMES = ("unlabelled", "unlabeled")
NO_COLOUR = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Codes:
    """The values of a label image as they are stored."""

    values: tuple[int, ...]
    """Value of each class; they need not rise."""
    unlabelled: tuple[int, ...]
    """Values that are no class."""

    def decode(self, block: NDArray[np.integer[Any]], name: str) -> NDArray[np.uint8]:
        """Classes 0, 1, ... and `UNLABELLED` in place of the stored values.

        Parameters
        ----------
        block : ndarray of integers, shape (M, N)
            Stored values.
        name : str
            Name of the label image for messages.

        Raises
        ------
        AlignmentError
            A value has no name.

        Examples
        --------
        >>> Codes((300, 7), (0,)).decode(np.array([[7, 300, 0]]), "l.zarr")
        array([[  1,   0, 255]], dtype=uint8)
        """
        block = block.view(np.uint8) if block.dtype == np.bool_ else block
        known = np.array([*self.values, *self.unlabelled], object)
        meaning = np.array(
            [*range(len(self.values)), *[UNLABELLED] * len(self.unlabelled)], np.uint8
        )
        limits = np.iinfo(block.dtype)
        possible = np.array([limits.min <= value <= limits.max for value in known], bool)
        known, meaning = known[possible].astype(block.dtype), meaning[possible]
        order = np.argsort(known)
        known, meaning = known[order], meaning[order]
        place = np.minimum(np.searchsorted(known, block), len(known) - 1)
        strange = known[place] != block
        if strange.any():
            value = int(block[strange].flat[0])
            raise AlignmentError(
                f"{name} has the value {value}, which its metadata do not name (they name "
                f"{_listed(self.values)}); name it in 'image-label', or set these pixels to 0"
            )
        decoded: NDArray[np.uint8] = meaning[place]
        return decoded


def classes_of_block(
    block: Mapping[str, Any], dtype: np.dtype[Any]
) -> tuple[tuple[LabelClass, ...], Codes | None]:
    """The named classes, by rising value, and the stored values; those of morphinfer need none.

    Parameters
    ----------
    block : Mapping
        The attribute 'image-label'.
    dtype : dtype
        Type of the stored values.

    Raises
    ------
    AlignmentError
        Two values have one name, a value has two, or there are more classes than fit into uint8.
    RoleError
        A role is unknown.
    KeyError, TypeError, ValueError, AttributeError
        The block is malformed.
    """
    pairs = [(_value(p), p) for p in block.get("properties") or [] if _name(p) is not None]
    named = dict(pairs)
    twice = [value for value, count in Counter(value for value, _ in pairs).items() if count > 1]
    if twice:
        raise AlignmentError(f"the value {twice[0]} has several names; give each value one")
    unlabelled = {v for v, p in named.items() if str(_name(p)).lower() in UNLABELLED_NAMES}
    values = sorted(set(named) - unlabelled)
    names = [str(_name(named[value])) for value in values]
    if repeated := repeated_names(names):
        same = [v for v, name in zip(values, names, strict=True) if name == repeated[0]]
        raise AlignmentError(
            f"the values {_listed(same)} are all named '{repeated[0]}'; give each class one value and each "
            f"value a name of its own"
        )
    check_count(len(values))
    longest = max(map(len, names), default=0)
    if longest > limit("LONGEST_NAME"):
        raise AlignmentError(f"a class name of {longest} characters, {beyond('LONGEST_NAME')}")
    colours = {int(c["label-value"]): c.get("rgba") for c in block.get("colors") or []}
    classes = tuple(_class(named[v], colours.get(v)) for v in values)
    return classes, codes_of(values, unlabelled, dtype)


def codes_of(values: Sequence[int], unlabelled: set[int], dtype: np.dtype[Any]) -> Codes | None:
    """The stored values, with those that are unlabelled without a name; None for those of morphinfer."""
    missing = {0} | ({UNLABELLED} if dtype == np.uint8 else set())
    unlabelled = unlabelled | (missing - set(values))
    plain = list(values) == list(range(len(values))) and unlabelled == {UNLABELLED}
    return None if plain and dtype == np.uint8 else Codes(tuple(values), tuple(sorted(unlabelled)))


def classes_by_value(values: Sequence[int]) -> tuple[LabelClass, ...]:
    """Classes of a label image that names none: a target each, of the name of its value.

    Raises
    ------
    AlignmentError
        There are more than fit into uint8.
    """
    check_count(len(values))
    return tuple(LabelClass.of({"name": str(value), "colour": "#000000"}) for value in values)


def check_count(count: int) -> None:
    """Refuse more classes than uint8 holds beside 'unlabelled'.

    Raises
    ------
    AlignmentError
        There are more.
    """
    if count > UNLABELLED:
        raise AlignmentError(
            f"more than {UNLABELLED} classes; if its values number single objects, write the class of each "
            f"in their place"
        )


def _value(entry: Mapping[str, Any]) -> int:
    """Value of a property; ValueError where it is no integer."""
    value = entry["label-value"]
    if int(value) != float(value):
        raise ValueError(f"label-value {value}")
    return int(value)


def _name(entry: Mapping[str, Any]) -> Any:
    """Name of the class in a property; None where it has none."""
    return next((entry[key] for key in NAME_KEYS if entry.get(key) not in (None, "")), None)


def _class(entry: Mapping[str, Any], rgba: Sequence[int] | None) -> LabelClass:
    colour = "#" + bytes((rgba or NO_COLOUR)[:3]).hex()
    return LabelClass.of({"name": str(_name(entry)), "colour": colour, "role": entry.get("role")})


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:8])) + (", ..." if len(values) > 8 else "")
