"""Mutated TIFF files: plain, OME and ImageJ; tiled, striped and pyramidal; classic and BigTIFF."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import tifffile
from mutations import NUMBERS, mutate_bytes

from morphinfer.geometry import Window
from morphinfer.images import open_slide
from morphinfer.images.convert import convert

TAGS = (256, 257, 258, 259, 262, 270, 273, 277, 278, 279, 282, 283, 284, 296, 305, 317, 320, 322, 323, 324,
        325, 330, 338, 339, 347, 50838, 50839)  # fmt: skip
"""Codes of the tags that matter here, or that another tag may turn into."""


class TiffInputs:
    """Makes files in memory once, and damages one for each trial."""

    def __init__(self, folder: Path) -> None:
        self._bases = _bases()

    def write(self, rng: Random, trial: Path) -> Path:
        """A damaged file."""
        name = rng.choice(sorted(self._bases))
        data = self._bases[name]
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            data = rng.choice(
                (_change_entry, _change_entry, _change_text, mutate_bytes, _flip_header)
            )(data, rng)
        path = trial / name
        path.write_bytes(data)
        return path

    def use(self, path: Path, rng: Random) -> None:
        """Read windows of all levels; sometimes convert it."""
        choices: dict[str, Any] = {
            "channel": rng.choice((None, 0)),
            "pixel_size_um": rng.choice((None, 0.5, 0.5)),
        }
        if rng.random() < 0.2:
            convert(path, path.with_suffix(".zarr"), **choices)
            return
        slide = open_slide(path, z=rng.choice((None, None, "max")), **choices)
        repr(slide)
        for number, level in enumerate(slide.levels):
            height, width = (min(side, 40) for side in level.shape)
            slide.read(Window(0, 0, height, width), number)
            slide.read(
                Window(level.shape[0] - height, level.shape[1] - width, height, width), number
            )


def _bases() -> dict[str, bytes]:
    rng = np.random.default_rng(5)
    grey = rng.integers(0, 200, (64, 80)).astype(np.uint8)
    deep = rng.integers(0, 60000, (64, 80)).astype(np.uint16)
    size = {
        "PhysicalSizeX": 0.5,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 0.5,
        "PhysicalSizeYUnit": "µm",
    }
    ome = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}, **size}
    resolution: dict[str, Any] = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
    tiles: dict[str, Any] = {"tile": (32, 32), "photometric": "minisblack"}
    return {
        "plain.tif": _made(grey, photometric="minisblack", **resolution),
        "strips.tif": _made(
            deep, rowsperstrip=16, compression="zlib", predictor=True, **resolution
        ),
        "lzw.tif": _made(deep, rowsperstrip=7, compression="lzw", byteorder=">"),
        "tiled.tif": _made(deep, compression="zlib", **tiles, **resolution),
        "jpeg.tif": _made(grey, compression="jpeg", **tiles, **resolution),
        "zstd.tif": _made(grey.astype(np.float32), compression="zstd", predictor=3, **tiles),
        "big.tif": _made(deep, bigtiff=True, compression="zlib", **tiles, **resolution),
        "pages.tif": _made(np.stack([grey] * 5), photometric="minisblack", metadata=None),
        "rgb.tif": _made(np.stack([grey] * 3, -1), photometric="rgb"),
        "planar.tif": _made(
            np.stack([grey] * 3), photometric="minisblack", planarconfig="separate"
        ),
        "a.ome.tif": _made(
            np.stack([deep, deep]), ome=True, metadata=ome, photometric="minisblack"
        ),
        "big.ome.tif": _made(np.stack([deep, deep]), ome=True, metadata=ome, bigtiff=True, **tiles),
        "pyramid.ome.tif": _pyramid(np.stack([deep, deep]), ome, tiles),
        "imagej.tif": _imagej(np.stack([deep] * 6).reshape(3, 2, 64, 80)),
    }


def _made(image: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, image, **options)
    return stream.getvalue()


def _imagej(image: np.ndarray) -> bytes:
    metadata = {"axes": "ZCYX", "unit": "um", "Labels": ["DAPI", "GFP"] * 3}
    return _made(image, imagej=True, resolution=(2, 2), metadata=metadata)


def _pyramid(image: np.ndarray, ome: dict[str, Any], tiles: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, ome=True) as writer:
        writer.write(image, subifds=1, metadata=ome, compression="zlib", **tiles)
        writer.write(image[:, ::2, ::2], subfiletype=1, compression="zlib", **tiles)
    return stream.getvalue()


def _change_entry(data: bytes, rng: Random) -> bytes:
    """One field of one entry of a directory changed: code, type, count, or value."""
    entries = _entries(data)
    if not entries:
        return mutate_bytes(data, rng)
    at, order, code = rng.choice(entries)
    big = code == "Q"
    field = rng.choice(("code", "type", "count", "value", "value", "value"))
    offset, form = {
        "code": (0, "H"), "type": (2, "H"), "count": (4, code), "value": (12 if big else 8, code)
    }[field]  # fmt: skip
    width = struct.calcsize(form)
    old = struct.unpack_from(order + form, data, at + offset)[0]
    integers = [int(n) for n in NUMBERS if n == n and abs(n) < 2**63]
    new = rng.choice((*integers, old + 1, old - 1, old * 2, old // 2, len(data), len(data) - 1))
    if field == "code":
        new = rng.choice(TAGS)
    elif field == "type":
        new = rng.randint(0, 20)
    elif field == "value" and rng.random() < 0.3:
        form, width, new = (
            "H",
            2,
            rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 32773, 34712, 50000)),
        )
    changed = struct.pack(order + form, new % 256**width)
    return data[: at + offset] + changed + data[at + offset + width :]


def _entries(data: bytes) -> list[tuple[int, str, str]]:
    """Offset of each entry of the first directories, with its byte order and the format of its counts."""
    if len(data) < 16 or data[:2] not in (b"II", b"MM"):
        return []
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    word, number, size, first = ("Q", "Q", 20, 8) if big else ("I", "H", 12, 4)
    found: list[tuple[int, str, str]] = []
    (at,) = struct.unpack_from(order + word, data, first)
    while 0 < at < len(data) - 8 and len(found) < 200:
        (count,) = struct.unpack_from(order + number, data, at)
        start = at + struct.calcsize(number)
        end = start + min(count, 60) * size
        if end + 8 > len(data):
            break
        found += [(start + k * size, order, word) for k in range(min(count, 60))]
        (at,) = struct.unpack_from(order + word, data, end)
    return found


def _change_text(data: bytes, rng: Random) -> bytes:
    """OME-XML or an ImageJ description damaged, in the same number of bytes."""
    start = max(data.find(b"<?xml"), data.find(b"ImageJ="), data.find(b"<OME"))
    if start < 0:
        return mutate_bytes(data, rng)
    stop = data.find(b"\0", start)
    text = bytearray(data[start:stop])
    quotes = [i for i, byte in enumerate(text) if byte in b'"=\n']
    if len(quotes) > 2:
        at = rng.choice(quotes) + 1
        new = rng.choice(
            (b"0", b"-1", b"9", b"nan", b"1e999", b"XYCZT", b"float", b'"', b"<", b"\xff", b"mm")
        )
        text[at : at + len(new)] = new
    return data[:start] + bytes(text)[: stop - start].ljust(stop - start) + data[stop:]


def _flip_header(data: bytes, rng: Random) -> bytes:
    """Bits of the first or the last 400 bytes, where directories lie."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(min(400, len(changed))) if changed else 0
        if changed:
            changed[place if rng.random() < 0.7 else -place - 1] ^= 1 << rng.randrange(8)
    return bytes(changed)
