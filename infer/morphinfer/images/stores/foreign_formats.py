"""Files that hold an image in a format that is not read: their names, and the way to one that is."""

from __future__ import annotations

from pathlib import Path

from morphinfer.errors import SlideError

HEADER_BYTES = 512
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of TIFF and BigTIFF, of either byte order."""
FORMAT_BY_MAGIC = (
    (b"ZISRAWFILE", "a Zeiss CZI file"),
    (b"\xda\xce\xbe\x0a", "a Nikon ND2 file"),
    (b"\x0a\xbe\xce\xda", "a Nikon ND2 file"),
    (b"OLYMPUSRAWFORMAT", "an Olympus OIR file"),
)
"""First bytes of the formats of microscopes; Bio-Formats reads all of them."""
FORMAT_BY_ENDING = {
    ".czi": "a Zeiss CZI file", ".zvi": "a Zeiss ZVI file", ".lif": "a Leica LIF file",
    ".nd2": "a Nikon ND2 file", ".mrxs": "a 3DHISTECH MRXS slide", ".vsi": "an Olympus VSI slide",
    ".oir": "an Olympus OIR file", ".oib": "an Olympus OIB file", ".ims": "an Imaris file",
    ".svs": "an Aperio SVS slide", ".ndpi": "a Hamamatsu NDPI slide", ".bif": "a Ventana BIF slide",
    ".isyntax": "a Philips iSyntax slide", ".dcm": "a DICOM file", ".dv": "a DeltaVision file",
}  # fmt: skip
"""Formats whose first bytes do not name them, or that are TIFF in a way of their own."""
PICTURE_BY_MAGIC = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF file"),
)


def is_tiff(path: Path) -> bool:
    """Whether a path is a file that begins as TIFF or BigTIFF does, and its ending claims no other format."""
    return path.is_file() and _header(path)[:4] in TIFF_MAGIC and path.suffix.lower() != ".vsi"


def foreign_format(path: Path) -> str | None:
    """What a file that is no TIFF is, in a few words with the way out; None where that is not known."""
    header = _header(path)
    name = next((name for magic, name in FORMAT_BY_MAGIC if header.startswith(magic)), None)
    if header[:4] == b"\x70\0\0\0" and header[8:9] == b"\x2a":
        name = "a Leica LIF file"
    if header[128:132] == b"DICM":
        name = "a DICOM file"
    name = name or FORMAT_BY_ENDING.get(path.suffix.lower())
    if name is not None:
        return f"{name}, which is not read; {bioformats_way(path)}"
    picture = next((name for magic, name in PICTURE_BY_MAGIC if header.startswith(magic)), None)
    if picture is not None:
        return f"{picture}, not a TIFF file; save the nuclei channel as a grey TIFF or OME-TIFF"
    return None


def bioformats_way(path: Path) -> str:
    """How Bio-Formats makes an image that is read out of a file."""
    return (
        f"convert it with 'bioformats2raw {path.name} {path.stem}.zarr' "
        f"(github.com/glencoesoftware/bioformats2raw) and give {path.stem}.zarr"
    )


def _header(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEADER_BYTES)
    except OSError as problem:
        raise SlideError(
            f"{path}: cannot be read ({problem.strerror}); check its permissions"
        ) from problem
