"""The classes of a label image: value, name, colour, and the role that a class plays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Literal, get_args

from morphinfer.colours import normalised_colour
from morphinfer.errors import ColourError, RoleError

UNLABELLED = 255
"""Value of pixels without a label; they are left out of training and of Dice."""

DEFAULT_COLOURS = (
    "#000000", "#808080", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7", "#0072b2", "#d55e00",
    "#882255", "#44aa99", "#999933", "#332288", "#ddcc77", "#aa4499", "#661100", "#cc6677",
)  # fmt: skip
"""Background black, tissue grey, then the colour-blind safe palettes of Okabe and Ito and, from the eighth
target on, of Tol."""

Role = Literal["background", "tissue", "target"]
"""What a class stands for: no tissue, general tissue, or a kind of tissue that is looked for."""
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class LabelClass:
    """One class; its value in a label image is its place in the tuple of classes."""

    name: str
    """Name, unique in its set."""
    colour: str
    """Colour as '#rrggbb'."""
    role: Role
    """What it stands for; neither its name nor its value decides that."""

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> LabelClass:
        """Class of a mapping with name, colour (in a form of CSS) and, where it is stated, role.

        >>> LabelClass.of({"name": "glass", "colour": "#000000", "role": "background"}).role
        'background'

        Raises
        ------
        KeyError
            Name or colour is missing.
        RoleError
            The role is unknown.
        ColourError
            The colour is none of CSS.
        """
        name = str(plain["name"])
        try:
            colour = normalised_colour(plain["colour"])
        except ColourError as problem:
            raise ColourError(f"class '{name}': {problem}") from problem
        return cls(name, colour, role_of(name, plain.get("role")))


def repeated_names(names: Iterable[str]) -> list[str]:
    """Names that occur more than once, each once.

    >>> repeated_names(["a", "b", "a", "a"])
    ['a']
    """
    return [name for name, count in Counter(names).items() if count > 1]


def role_of(name: str, stated: object = None) -> Role:
    """Role of a class: the stated one or, where none is stated, that of its name.

    Parameters
    ----------
    name : str
        Name of the class. Without a role, 'background' and 'tissue' (in any case) have the role of
        that name; all other classes are targets.
    stated : object, optional
        Role as a file gives it.

    Raises
    ------
    RoleError
        The stated role is unknown.

    Examples
    --------
    >>> role_of("Background"), role_of("glass"), role_of("glass", "background")
    ('background', 'target', 'background')
    """
    sought = name.lower() if stated is None else stated
    for role in ROLES:
        if role == sought:
            return role
    if stated is None:
        return "target"
    raise RoleError(
        f"class '{name}' has the role {stated!r}; a role is {', '.join(ROLES[:-1])} or {ROLES[-1]}, so "
        f"correct it, or leave it out to go by the name"
    )


def values_of(classes: Sequence[LabelClass], role: Role) -> tuple[int, ...]:
    """Label values of the classes of a role, rising; there may be none, or several.

    >>> values_of(default_classes(("background", "tissue", "Gad1", "Plp1")), "target")
    (2, 3)
    """
    return tuple(value for value, c in enumerate(classes) if c.role == role)


def roles_by_name(classes: Sequence[LabelClass]) -> dict[str, Role]:
    """Role of each class by its name, as run records and cards keep it."""
    return {c.name: c.role for c in classes}


def default_classes(names: Sequence[str], colours: Sequence[str] = ()) -> tuple[LabelClass, ...]:
    """Classes in the order of training: background, general tissue, then the targets.

    Parameters
    ----------
    names : sequence of str
        Names; the place of a class decides its role.
    colours : sequence of str, optional
        Colours as '#rrggbb', one for each name; default ones where there are none.
    """
    colours = colours or DEFAULT_COLOURS + DEFAULT_COLOURS[2:] * (len(names) // 10)
    roles: chain[Role] = chain(ROLES, repeat("target"))
    return tuple(map(LabelClass, names, colours, roles))
