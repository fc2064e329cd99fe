"""A chunk of Blosc whose header states more bytes than it has is an error, not a crash of the process."""

from __future__ import annotations

import struct

import numcodecs
import numpy as np
import pytest
import zarr
from slides import pixels

from morphinfer.errors import SlideError
from morphinfer.images.checked_codecs import CheckedBlosc
from morphinfer.images.opening import open_slide

OLD, NEW = numcodecs.Blosc(), zarr.codecs.BloscCodec()
BYTES_STATED = 12


def lie(chunk, blosc_at=0):
    """Let the header of a chunk state a thousand bytes more; the rest of it is sound."""
    content = bytearray(chunk.read_bytes())
    (stated,) = struct.unpack_from("<i", content, blosc_at + BYTES_STATED)
    struct.pack_into("<i", content, blosc_at + BYTES_STATED, stated + 1000)
    chunk.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("version", "codec", "chunk"), [("0.4", OLD, "s0/0.0"), ("0.5", NEW, "s0/c/0/0")]
)
def test_a_slide_with_a_false_header_is_refused(make_slide, noise, version, codec, chunk):
    image = noise(40, 40)
    path = make_slide(image, version=version, compressors=codec, chunk=64)
    np.testing.assert_array_equal(pixels(open_slide(path)), image)
    found = path / chunk
    lie(found if found.is_file() else path / chunk.replace(".", "/"))
    with pytest.raises(SlideError, match=r"its header states \d+"):
        pixels(open_slide(path))


def test_chunks_of_shards_are_checked_too(make_slide, noise):
    path = make_slide(noise(64, 64), version="0.5", chunk=64)
    array = zarr.create_array(
        str(path / "s0"), shape=(64, 64), chunks=(32, 32), shards=(64, 64), dtype="uint16",
        compressors=NEW, overwrite=True,
    )  # fmt: skip
    array[:] = noise(64, 64)
    pixels(open_slide(path))
    lie(path / "s0/c/0/0")  # the first chunk of a shard lies at its start
    with pytest.raises(SlideError):
        pixels(open_slide(path))


@pytest.mark.parametrize("length", [0, 5, 15])
def test_a_chunk_that_ends_within_its_header_is_refused(length):
    chunk = OLD.encode(np.arange(100))[:length]
    with pytest.raises(ValueError, match=f"of {length} bytes is cut off"):
        CheckedBlosc().decode(chunk)


def test_other_arrays_keep_their_codec(make_slide, noise):
    path = make_slide(noise(40, 40), version="0.4", compressors=OLD)
    mine = zarr.open_array(str(path / "s0"))
    open_slide(path)
    assert type(mine.metadata.compressor) is numcodecs.Blosc
