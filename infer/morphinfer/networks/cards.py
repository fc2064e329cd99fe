"""Model cards: the JSON under the key 'morphinfer' in the metadata_props of an ONNX file.

Contract C6: a card holds everything that inference needs. A foreign ONNX file may carry the same
JSON in a file of its own name with the ending '.json' (contract C3), with at least the classes and the
pixel size. The role of a class may be left out where its name is 'background' or 'tissue', or where it
is a target::

    {"classes": [{"name": "dense", "colour": "#e69f00"},
                 {"name": "sparse", "colour": "#808080", "role": "tissue"},
                 {"name": "glass", "colour": "#000000", "role": "background"}],
     "pixel_size_um": 0.65, "stride_px": 16, "output": "logits"}
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED, LabelClass, repeated_names
from morphinfer.errors import ColourError, ModelError, RoleError
from morphinfer.limits import beyond, limit, parse_json
from morphinfer.tiles import Normalisation

METADATA_KEY = "morphinfer"
CARD_FORMAT = 1
LARGEST_PATCH_PX = 4096
"""Largest patch and stride; four times the side of a tile."""
MALFORMED = (
    ValueError, TypeError, AttributeError, LookupError, ArithmeticError, MemoryError, zlib.error,
)  # fmt: skip
"""What a text that is no card can raise."""


@dataclass(frozen=True, slots=True)
class TestVector:
    """One input and the output that the trained network gave for it."""

    __test__ = False

    image: NDArray[np.float32]
    """Normalised input, shape (height, width)."""
    probabilities: NDArray[np.float32]
    """Output of the network, shape (classes, rows, cols)."""


@dataclass(frozen=True, slots=True)
class Card:
    """The description of one network."""

    set_name: str
    """Name of the model set."""
    network: str
    """Name of the network in its set, such as 'p094'."""
    classes: tuple[LabelClass, ...]
    """Classes in the order of the output."""
    pixel_size_um: float
    """Side of an input pixel in micrometres."""
    patch_size_px: int
    """Side of the square that one prediction sees, in input pixels."""
    stride_px: int
    """Distance of neighbouring predictions in input pixels."""
    padding_free: bool
    """Whether a large input gives exactly what its patches give one by one (contract C1)."""
    normalisation: Normalisation
    """How intensities become input."""
    fusion_weight: float
    """Weight of this network among those of its set; not negative."""
    output: Literal["probabilities", "logits"]
    """What the network puts out."""
    provenance: dict[str, Any]
    """Training data, configuration, seeds, versions, figures on validation."""
    test_vectors: tuple[TestVector, ...]
    """Inputs and outputs for 'morphinfer models verify'."""
    precision: Literal["float32", "float16"] = "float32"
    """Numbers that the network computes in; what goes in and comes out is float32 in either."""


def encode_card(card: Card) -> str:
    """JSON text of a card, as stored in the metadata of an ONNX file."""
    plain = asdict(card)
    plain["format"] = CARD_FORMAT
    plain["test_vectors"] = [
        {"image": pack_array(v.image), "probabilities": pack_array(v.probabilities)}
        for v in card.test_vectors
    ]
    return json.dumps(plain, sort_keys=True)


def decode_card(text: str, source: str) -> Card:
    """Card out of its JSON text.

    Raises
    ------
    ModelError
        The text is no card, of a later format, or holds impossible values, an unknown role or colour,
        or two classes of one name.
    """
    way = "correct it" if source.endswith(".json") else "export the model again"
    try:
        plain = parse_json(text, "MOST_VECTOR_MB")
        if plain.get("format", CARD_FORMAT) > CARD_FORMAT:
            raise ModelError(
                f"{source}: card format {plain['format']}, this version reads {CARD_FORMAT}; "
                f"update morphinfer"
            )
        card = _card_of(plain)
        wrong = _impossible(card)
    except (RoleError, ColourError) as problem:
        raise ModelError(f"{source}: {problem}") from problem
    except KeyError as problem:
        raise ModelError(
            f"{source}: its morphinfer card cannot be read ({problem} is missing); {way}"
        ) from problem
    except MALFORMED as problem:
        if isinstance(problem, ModelError):
            raise
        raise ModelError(
            f"{source}: its morphinfer card cannot be read ({problem!r}); {way}"
        ) from problem
    if wrong:
        raise ModelError(f"{source}: {', '.join(wrong)}: impossible; {way}")
    return card


def _impossible(card: Card) -> list[str]:
    """What a card says that cannot be."""
    norm, names = card.normalisation, [c.name for c in card.classes]
    rising = norm.low < norm.high
    percentiles = 0 <= norm.low <= 100 and 0 <= norm.high <= 100
    known = {"fixed": rising, "tissue_percentiles": percentiles}
    clipped = len(norm.clip) == 2 and norm.clip[0] < norm.clip[1]
    repeated = ", ".join(f"'{name}'" for name in repeated_names(names))
    longest = max(map(len, names), default=0)
    checks = {
        f"patch {card.patch_size_px} px": 1 <= card.patch_size_px <= LARGEST_PATCH_PX,
        f"stride {card.stride_px} px": 1 <= card.stride_px <= LARGEST_PATCH_PX,
        f"pixel size {card.pixel_size_um}": 0 < card.pixel_size_um < 1000,
        f"fusion weight {card.fusion_weight}": 0 <= card.fusion_weight < math.inf,
        f"output '{card.output}'": card.output in ("probabilities", "logits"),
        f"precision '{card.precision}'": card.precision in ("float32", "float16"),
        "no classes": len(names) > 0,
        f"{len(names)} classes (a label image holds {UNLABELLED})": len(names) <= UNLABELLED,
        f"several classes named {repeated}": not repeated,
        "a class without a name": all(names),
        f"a class name of {longest} characters": longest <= limit("LONGEST_NAME"),
        f"{norm}": known.get(norm.method, False) and clipped,
    }
    return [value for value, possible in checks.items() if not possible]


def _card_of(plain: Mapping[str, Any]) -> Card:
    normalisation = dict(plain.get("normalisation", {}))
    if "clip" in normalisation:
        normalisation["clip"] = tuple(normalisation["clip"])
    return Card(
        set_name=str(plain.get("set_name", "")),
        network=str(plain.get("network", "")),
        classes=tuple(map(LabelClass.of, plain["classes"])),
        pixel_size_um=float(plain["pixel_size_um"]),
        patch_size_px=int(plain["patch_size_px"]),
        stride_px=int(plain.get("stride_px", max(1, int(plain["patch_size_px"]) // 2))),
        padding_free=bool(plain.get("padding_free", False)),
        normalisation=Normalisation(**normalisation),
        fusion_weight=float(plain.get("fusion_weight", 1.0)),
        output=plain.get("output", "probabilities"),
        provenance=dict(plain.get("provenance", {})),
        test_vectors=tuple(
            TestVector(unpack_array(v["image"]), unpack_array(v["probabilities"]))
            for v in _affordable(plain.get("test_vectors", []))
        ),
        precision=plain.get("precision", "float32"),
    )


def _affordable(vectors: Any) -> Any:
    """The packed test vectors; ValueError where they state more than the limit, before one is unpacked."""
    stated = sum(math.prod(v[key]["shape"]) for v in vectors for key in ("image", "probabilities"))
    if 4 * stated > limit("MOST_VECTOR_MB") * 10**6:
        raise ValueError(f"test vectors of {4 * stated / 1e6:.0f} MB, {beyond('MOST_VECTOR_MB')}")
    return vectors


def pack_array(array: NDArray[np.float32]) -> dict[str, Any]:
    """Array as JSON: shape, and base64 of its zlib-compressed little-endian float32 bytes."""
    raw = np.ascontiguousarray(array, dtype="<f4").tobytes()
    return {"shape": list(array.shape), "float32": base64.b64encode(zlib.compress(raw, 9)).decode()}


def unpack_array(packed: Mapping[str, Any]) -> NDArray[np.float32]:
    """Array out of the result of ``pack_array``."""
    size = 4 * math.prod(packed["shape"])
    raw = zlib.decompressobj().decompress(base64.b64decode(packed["float32"]), size + 1)
    return np.frombuffer(raw, "<f4").reshape(packed["shape"]).astype(np.float32)
