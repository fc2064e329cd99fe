"""Names that a package re-exports without loading the module that holds them before they are used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def attach(
    package: str,
    homes: Mapping[str, Sequence[str]],
    computed: Mapping[str, Callable[[], object]] | None = None,
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package whose names load when they are first used.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    homes : mapping of str to sequence of str
        The names that each of its modules holds.
    computed : mapping of str to callable, optional
        What returns the value of each further name.

    Raises
    ------
    AttributeError
        By the returned ``__getattr__``: no module holds the name.

    Notes
    -----
    Source: PEP 562, 'Module __getattr__ and __dir__'.
    """
    home_of = {name: module for module, names in homes.items() for name in names}
    further = dict(computed or {})

    def get(name: str) -> object:
        if name in further:
            return further[name]()
        if name not in home_of:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        value: object = getattr(import_module(f"{package}.{home_of[name]}"), name)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of, *further})

    return get, names
