"""Random damage of JSON values, text and bytes; the same for the same random numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 2, 3, 255, 256, 65535, 2**31 - 1, 2**31, 2**32, 2**40, 2**63 - 1, 2**63, -(2**63), 10**30,
    0.0, -0.0, 0.5, 1e-320, 1e-9, 1e9, 1e308, -1e308, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
TEXTS = (
    "", " ", "0", "..", "/", "../..", "x", "t", "µm", "\x00", "\ud800", "é" * 40, "A" * 3000, "micrometer",
    "scale", "translation", "identity", "affine", "bytes", "zstd", "blosc", "<u2", ">f4", "uint8", "float64",
    "NaN", "Infinity", "-Infinity", "0x7fc00000", "default", "v2", "group", "array", "0.4", "0.5", "1.0",
)  # fmt: skip
VALUES = (
    *NUMBERS,
    *TEXTS,
    None,
    True,
    False,
    [],
    {},
    [0],
    [None],
    [[]],
    {"a": 1},
    [0, 0],
    ["y", "x"],
)
Place = tuple[Any, Any]
"""A dict or list, and a key or an index of it."""


def mutate_json(value: Any, rng: Random) -> bytes:
    """A JSON document with one to three values changed, rarely with its text damaged as well."""
    holder = [deepcopy(value)]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _change_one(holder, rng)
    text = json.dumps(holder[0] if holder else None).encode()
    return mutate_bytes(text, rng) if rng.random() < 0.1 else text


def change_value(value: dict[str, Any], rng: Random) -> dict[str, Any]:
    """A copy with one or two of the values inside changed."""
    changed = deepcopy(value)
    for _ in range(rng.choice((1, 1, 2))):
        _change_one(changed, rng)
    return changed


def _places(value: Any) -> list[Place]:
    entries: list[Any] = []
    if isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value))
    return [(value, key) for key, _ in entries] + [p for _, v in entries for p in _places(v)]


def _change_one(holder: Any, rng: Random) -> None:
    places = _places(holder)
    if not places:
        return
    inside, key = rng.choice(places)
    rng.choice((_replace, _replace, _vary, _vary, _remove, _copy_other, _add, _rename, _nest))(
        inside, key, places, rng
    )


def _replace(inside: Any, key: Any, places: list[Place], rng: Random) -> None:
    inside[key] = deepcopy(rng.choice(VALUES))


def _vary(inside: Any, key: Any, places: list[Place], rng: Random) -> None:
    """Another value of the same type."""
    old = inside[key]
    if isinstance(old, bool) or old is None:
        inside[key] = rng.choice((None, True, False))
    elif isinstance(old, int | float):
        scaled = old * rng.choice((-1, 0, 2, 3, 10, 256, 2**31, 2**33, 0.5))
        inside[key] = rng.choice((*NUMBERS, old + 1, old - 1, scaled))
    elif isinstance(old, str):
        damaged = mutate_bytes(old.encode("utf-8", "surrogatepass"), rng).decode("latin-1")
        inside[key] = rng.choice((*TEXTS, damaged, damaged, old.upper(), old + old))
    elif isinstance(old, list):
        shuffled = rng.sample(old, len(old))
        inside[key] = rng.choice((old + old, old[:-1], old[::-1], shuffled, [old], old * 300))
    else:
        inside[key] = rng.choice(([old], [list(item) for item in old.items()], list(old), {}))


def _remove(inside: Any, key: Any, places: list[Place], rng: Random) -> None:
    del inside[key]


def _copy_other(inside: Any, key: Any, places: list[Place], rng: Random) -> None:
    other, other_key = rng.choice(places)
    inside[key] = deepcopy(other[other_key])


def _add(inside: Any, key: Any, places: list[Place], rng: Random) -> None:
    other, other_key = rng.choice(places)
    value = deepcopy(rng.choice((other[other_key], rng.choice(VALUES))))
    if isinstance(inside, list):
        inside.insert(key, value)
    else:
        inside[rng.choice(TEXTS)] = value


def _rename(inside: Any, key: Any, places: list[Place], rng: Random) -> None:
    names = [k for _, k in places if isinstance(k, str)]
    if isinstance(inside, dict) and names:
        inside[rng.choice(names)] = inside.pop(key)


def _nest(inside: Any, key: Any, places: list[Place], rng: Random) -> None:
    value = inside[key]
    for _ in range(rng.choice((1, 3, 200))):
        value = rng.choice(([value], {"a": value}))
    inside[key] = value


def mutate_bytes(data: bytes, rng: Random, most: int = 4) -> bytes:
    """Bytes of which one to ``most`` places are changed, removed, repeated or cut off."""
    result = bytearray(data)
    for _ in range(rng.randint(1, most)):
        rng.choice(_DAMAGES)(result, rng)
    return bytes(result)


def _flip(data: bytearray, rng: Random) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set(data: bytearray, rng: Random) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice((0, 1, 2, 127, 128, 255, rng.randrange(256)))


def _overwrite(data: bytearray, rng: Random) -> None:
    start, count = rng.randint(0, len(data)), rng.choice((2, 4, 8, 16))
    data[start : start + count] = rng.choice((b"\0", b"\xff", rng.randbytes(1))) * count


def _cut(data: bytearray, rng: Random) -> None:
    del data[rng.randint(0, len(data)) :]


def _drop(data: bytearray, rng: Random) -> None:
    start = rng.randint(0, len(data))
    del data[start : start + rng.choice((1, 2, 7, 64))]


def _repeat(data: bytearray, rng: Random) -> None:
    start = rng.randint(0, len(data))
    part = data[start : start + rng.choice((1, 4, 40))]
    data[start:start] = part * rng.choice((1, 2, 50))


def _insert(data: bytearray, rng: Random) -> None:
    start = rng.randint(0, len(data))
    data[start:start] = rng.choice(
        (
            b"\xef\xbb\xbf",
            b"\xff\xfe",
            b"\x00",
            b'"',
            b"{",
            b"[" * 3000,
            b"9" * 400,
            b"\n",
            rng.randbytes(5),
        )
    )


_DAMAGES: tuple[Callable[[bytearray, Random], None], ...] = (
    _flip, _flip, _flip, _set, _set, _overwrite, _cut, _drop, _repeat, _insert,
)  # fmt: skip
