"""Strict parsing of TOML tables into frozen dataclasses: keys, types and limits are checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from morphinfer.errors import ConfigError, MorphinferError
from morphinfer.names import suggestion

T = TypeVar("T")
MOST = 10**300
"""Greatest integer that is taken as a number with a fraction; float holds little more."""


@dataclass(frozen=True, slots=True)
class GeneClass:
    """A gene class: in TOML, an entry NAME = [GENE, ...] of a table."""

    name: str
    """Name of the class."""
    genes: tuple[str, ...]
    """Genes whose spots are added up."""


def between(low: float, high: float, default: Any) -> Any:
    """Field of a configuration whose value must be between ``low`` and ``high``, both included."""
    return field(default=default, metadata={"limits": (low, high)})


def build(cls: type[T], table: Mapping[str, Any], source: str, prefix: str) -> T:
    """Dataclass from a TOML table.

    Parameters
    ----------
    cls : type
        The dataclass.
    table : mapping
        The table.
    source : str
        Name of the file in messages.
    prefix : str
        Name of the table in messages, with a dot, or empty.

    Raises
    ------
    ConfigError
        A key is unknown or missing, or a value has a wrong type or is out of range.
    """
    hints = get_type_hints(cls)
    limits = {
        f.name: f.metadata["limits"] for f in fields(cast(Any, cls)) if "limits" in f.metadata
    }
    for key in table:
        if key not in hints:
            raise ConfigError(
                f"{source}: unknown key '{prefix}{key}'; known keys: {', '.join(sorted(hints))}"
                f"{suggestion(key, hints)}"
            )
    values = {k: _convert(v, hints[k], source, prefix + k) for k, v in table.items()}
    for key in values.keys() & limits.keys():
        low, high = limits[key]
        if not low <= values[key] <= high:
            raise ConfigError(
                f"{source}: {prefix}{key} = {values[key]}; it must be between {low:g} and {high:g}"
            )
    absent = [
        prefix + f.name
        for f in fields(cast(Any, cls))
        if f.default is MISSING and f.default_factory is MISSING and f.name not in values
    ]
    if absent:
        raise ConfigError(f"{source}: {', '.join(absent)} missing; see training/example.toml")
    try:
        return cls(**values)
    except MorphinferError as problem:  # raised in __post_init__
        raise ConfigError(f"{source}: {prefix.removesuffix('.')}: {problem}") from problem


def _convert(value: Any, hint: Any, source: str, key: str) -> Any:
    """A TOML value converted to the type of its field."""
    if hasattr(hint, "__dataclass_fields__") and isinstance(value, dict):
        return build(hint, value, source, f"{key}.")
    if get_origin(hint) is Literal and value in get_args(hint):
        return value
    if get_origin(hint) is UnionType:
        return _convert(value, next(a for a in get_args(hint) if a is not NoneType), source, key)
    if hint == tuple[GeneClass, ...] and isinstance(value, dict):
        gene_lists = {
            name: _convert(v, tuple[str, ...], source, f"{key}.{name}") for name, v in value.items()
        }
        return tuple(GeneClass(name, genes) for name, genes in gene_lists.items())
    if get_origin(hint) is tuple and isinstance(value, list):
        parts = get_args(hint)
        if parts[-1] is Ellipsis or len(parts) == len(value):
            return tuple(_convert(v, parts[0], source, f"{key}[{i}]") for i, v in enumerate(value))
    if hint is float and (type(value) is float or (type(value) is int and abs(value) <= MOST)):
        return float(value)
    if hint is str and key.endswith("channel") and type(value) is int:
        return str(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    if get_origin(hint) is Literal:
        choices = ", ".join(repr(choice) for choice in get_args(hint))
        raise ConfigError(f"{source}: {key} = {value!r}; it must be one of {choices}")
    expected = hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
    raise ConfigError(f"{source}: {key} = {value!r}; it must be of type {expected}")


def json_types(value: Any) -> Any:
    """A value with its tuples, also those in dicts, turned into lists.

    >>> json_types({"classes": ("background", "tissue"), "seed": 1})
    {'classes': ['background', 'tissue'], 'seed': 1}
    """
    if isinstance(value, dict):
        return {k: json_types(v) for k, v in value.items()}
    return [json_types(v) for v in value] if isinstance(value, (tuple, list)) else value


def resolve_path(written: str, folder: Path) -> Path:
    """Path in a configuration, with variables expanded and relative to the folder of the TOML file.

    Raises
    ------
    ConfigError
        An environment variable in the path is not set.
    """
    expanded = os.path.expandvars(written)
    if "$" in expanded:
        raise ConfigError(
            f"{written}: an environment variable in this path is not set; set it, for example "
            f"MORPHINFER_DATA=/path/to/sections"
        )
    return folder / Path(expanded).expanduser()
