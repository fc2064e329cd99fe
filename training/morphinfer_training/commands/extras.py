"""Check of the packages that the extras of morphinfer install."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from morphinfer.errors import MorphinferError


def require_modules(command: str, modules: Sequence[str], extra: str = "train") -> None:
    """Raise if a module that a command imports is not installed; none of them is loaded.

    Parameters
    ----------
    command : str
        Name of the command.
    modules : sequence of str
        Modules that it imports.
    extra : str
        Extra of morphinfer that installs them.

    Raises
    ------
    MorphinferError
        A module is missing; the message says which extra to install.
    """
    for name in modules:
        if not _is_installed(name):
            raise MorphinferError(
                f"morphinfer {command} needs {name}, which is not installed: "
                f"pip install 'morphinfer[{extra}]'"
            )


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False
