"""JSON values as frozen dataclasses and back, by the types of their fields.

A key that no field has is ignored; a field with a default may lack its key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Value = TypeVar("Value")


def to_plain(value: object) -> Any:
    """Dataclasses and mappings as dicts, tuples as lists, anything else as it is.

    >>> to_plain({"clip": (0.0, 1.0)})
    {'clip': [0.0, 1.0]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value


def parse_fields(kind: type[Value], plain: object, key: str = "") -> Value:
    """The dataclass ``kind`` out of a JSON object.

    Parameters
    ----------
    kind : type
        A dataclass whose fields are numbers, strings, booleans, tuples, mappings, literals, unions of
        those, or such dataclasses.
    plain : object
        What the JSON parser returned.
    key : str
        Its place, for messages, such as 'models'.

    Raises
    ------
    ValueError
        It is no object, lacks a key, or a value has another type; the message is a clause such as
        "lacks slide.path".
    """
    if not isinstance(plain, Mapping):
        raise _wrong(plain, key or "its content", "an object")
    hints = get_type_hints(kind)
    listed: tuple[Field[Any], ...] = fields(kind)  # type: ignore[arg-type]
    missing = [_below(key, f.name) for f in listed if f.name not in plain and _is_required(f)]
    if missing:
        raise ValueError(f"lacks {', '.join(missing)}")
    return kind(
        **{
            f.name: parse(hints[f.name], plain[f.name], _below(key, f.name))
            for f in listed
            if f.name in plain
        }
    )


def parse(kind: Any, plain: object, key: str) -> Any:
    """A JSON value as the type ``kind``; see `parse_fields`.

    >>> parse(tuple[float, ...], [1, 2.5], "clip")
    (1.0, 2.5)
    """
    if kind is Any:
        return plain
    if is_dataclass(kind) and isinstance(kind, type):
        return parse_fields(kind, plain, key)
    for origin, reader in _READERS.items():
        if get_origin(kind) is origin:
            return reader(get_args(kind), plain, key)
    if kind is float and isinstance(plain, int | float) and not isinstance(plain, bool):
        return float(plain)
    if type(plain) is kind and kind in _SCALARS:
        return plain
    raise _wrong(plain, key, _SCALARS[kind])


def _parse_tuple(kinds: tuple[Any, ...], plain: object, key: str) -> tuple[Any, ...]:
    if not isinstance(plain, list | tuple):
        raise _wrong(plain, key, "a list")
    each = [kinds[0]] * len(plain) if kinds[-1] is Ellipsis else list(kinds)
    if len(each) != len(plain):
        raise _wrong(plain, key, f"a list of {len(each)}")
    return tuple(parse(kind, item, key) for kind, item in zip(each, plain, strict=True))


def _parse_mapping(kinds: tuple[Any, ...], plain: object, key: str) -> dict[str, Any]:
    if not isinstance(plain, Mapping):
        raise _wrong(plain, key, "an object")
    return {str(name): parse(kinds[1], item, _below(key, name)) for name, item in plain.items()}


def _parse_literal(values: tuple[Any, ...], plain: object, key: str) -> object:
    if plain not in values:
        raise _wrong(plain, key, f"one of {', '.join(map(repr, values))}")
    return plain


def _parse_union(kinds: tuple[Any, ...], plain: object, key: str) -> object:
    problems = []
    for kind in kinds:
        try:
            return parse(kind, plain, key)
        except ValueError as problem:
            problems.append(problem)
    raise problems[0]


_SCALARS = {
    bool: "true or false", int: "an integer", float: "a number", str: "a text", type(None): "null",
}  # fmt: skip
_READERS: dict[Any, Callable[[tuple[Any, ...], object, str], object]] = {
    tuple: _parse_tuple,
    Mapping: _parse_mapping,
    Literal: _parse_literal,
    Union: _parse_union,
    UnionType: _parse_union,
}


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _below(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)


def _wrong(plain: object, key: str, wanted: str) -> ValueError:
    return ValueError(f"holds {plain!r:.60} as {key}, which is not {wanted}")
