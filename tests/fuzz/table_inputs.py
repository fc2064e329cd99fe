"""Mutated tables of spots (CSV, TSV, GEM, Parquet, also compressed) and training configurations (TOML)."""

from __future__ import annotations

import gzip
import io
import json
import math
import tomllib
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
from mutations import TEXTS, change_value, mutate_bytes

from morphinfer_training.config import read_config
from morphinfer_training.spots import Columns, read_spots

EXAMPLE = Path(__file__).parents[2] / "training" / "example.toml"
WITH_SPOTS = """
name = "a"
classes = ["background", "tissue", "A", "B"]
[[sections]]
slide = "$MORPHINFER_DATA/section.zarr"
spots = "spots.csv"
genes = { "A" = ["Neurod6"], "B" = ["Plp1", "Mbp"] }
regions = { fraction = 0.25, sigma_um = 15.0, border_um = 0.0, thresholds = [0.1, 0.2] }
columns = { gene = "target", x = "cx" }
unit = "micrometer"
channel = 0
pixel_size_um = 0.325
[normalisation]
method = "fixed"
low = 50.0
high = 75.0
[augmentation]
blur_px = [0.0, 1.5]
"""
WORDS = (
    b"", b"nan", b"inf", b"-1", b"1e400", b"1,5", b"\xe9", b"\xff\xfe", b'"', b"''", b"\t", b";", b",", b"\n",
    b"\r", b"#", b"=1+1", b"x", b"global_x", b"x_location", b"0x1F", b"true", b"9" * 400, b"[" * 3000,
    b"{", b"}", b"=", b"[[sections]]", b"[card]", b"1979-05-27T07:32:00Z", b"-9223372036854775808", b"2e9",
)  # fmt: skip


class TableInputs:
    """Makes tables in memory once, and damages one for each trial."""

    def __init__(self, folder: Path) -> None:
        self._bases = _bases()

    def write(self, rng: Random, trial: Path) -> Path:
        """A damaged table or configuration."""
        name = rng.choice(sorted(self._bases))
        data = self._bases[name]
        path = trial / name
        if name.endswith(".parquet") and rng.random() < 0.5:
            path.write_bytes(_parquet(_odd_table(rng), compression="none"))
        elif name.endswith(".toml") and rng.random() < 0.7:
            path.write_text(
                _toml_lines(change_value(tomllib.loads(data.decode()), rng)), "utf-8", "replace"
            )
        else:
            path.write_bytes(_damaged(data, rng, text=not name.endswith(".parquet")))
        if rng.random() < 0.05:
            path = path.rename(trial / rng.choice(sorted(self._bases)))
        return path

    def use(self, path: Path, rng: Random) -> None:
        """Read it."""
        if path.suffix == ".toml":
            read_config(path).plain()
            return
        named = Columns(gene="gene", x="x", y="y")
        spots = read_spots(
            path,
            columns=rng.choice((None, None, None, named)),
            unit=rng.choice((None, None, "micrometer")),
            pixel_size_um=0.5,
        )
        assert spots.checksum >= 0
        spots.of(spots.genes[:1])


def _bases() -> dict[str, bytes]:
    plain = pa.table(
        {
            "gene": ["A", "B", "=cmd()", "q,q", "é"],
            "x": [1.0, 3.5, 5, 7, 9],
            "y": [2.0, 4, 6, 8, 10.25],
        }
    )
    counted = plain.append_column("count", pa.array([1, 2, 3, 1, 7]))
    xenium = pa.table(
        {
            "transcript_id": pa.array([1, 2, 3], pa.uint64()),
            "feature_name": pa.array(["A", "B", "NegControlCodeword_1"]).dictionary_encode(),
            "x_location": pa.array([1.5, 2.5, 3.5], pa.float32()),
            "y_location": pa.array([1.5, 2.5, 3.5], pa.float32()),
            "z_location": pa.array([1.5, 2.5, 3.5], pa.float32()),
            "qv": pa.array([40.0, 10, 30], pa.float32()),
        }
    )
    merscope = xenium.select(["x_location", "y_location"]).rename_columns(["global_x", "global_y"])
    merscope = merscope.append_column("gene", pa.array(["A", "B", "Blank-1"]))
    gem = b"#FileFormat=GEMv0.1\n#OffsetX=0\ngeneID\tx\ty\tMIDCount\nA\t1\t2\t3\nB\t4\t5\t1\n"
    german = b"Gen;x;y\nA;1,5;2,5\nB;3,5;4\n"
    return {
        "a.csv": _csv(counted),
        "a.tsv": _csv(plain, "\t"),
        "german.csv": german,
        "a.csv.gz": gzip.compress(_csv(plain), mtime=0),
        "a.gem": gem,
        "a.gem.gz": gzip.compress(gem, mtime=0),
        "utf16.csv": _csv(plain).decode().encode("utf-16"),
        "merscope.csv": _csv(merscope),
        "a.parquet": _parquet(counted, compression="none"),
        "snappy.parquet": _parquet(plain, compression="snappy"),
        "xenium.parquet": _parquet(xenium, compression="zstd"),
        "a.toml": EXAMPLE.read_bytes(),
        "b.toml": WITH_SPOTS.encode(),
    }


def _csv(table: pa.Table, delimiter: str = ",") -> bytes:
    stream = io.BytesIO()
    csv.write_csv(table, stream, csv.WriteOptions(delimiter=delimiter))
    return stream.getvalue()


def _parquet(table: pa.Table, **options: str) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return stream.getvalue()


def _odd_table(rng: Random) -> pa.Table:
    """Columns of unexpected types and values."""
    columns: list[list[Any] | pa.Array] = [
        [1, 2], [1.5, -1e308], [None, 2.0], [math.nan, 1.0], [math.inf, 1.0], [None, None], ["1", "2.5"],
        ["a", None], ["", "é" * 900], [True, False], [b"\xff", b"a"], [[1], [2, 3]], [{"a": 1}, {"a": 2}],
        pa.array(["A", "B"]).dictionary_encode(), pa.array([1, 2], pa.uint64()), [-(2**63), 2**63 - 1],
        pa.array([1, 2], pa.decimal128(38, 3)), pa.array([1, 2], pa.timestamp("ns")),
        pa.array([1, 2], pa.float16()), pa.array(["A", "B"], pa.large_string()), pa.array([1, 2], pa.int8()),
    ]  # fmt: skip
    names = [
        "gene",
        "x",
        "y",
        *rng.sample(
            ["count", "qv", "x", "Y", "z", "", "gene", "x_um", "is_gene", "codeword_category"],
            rng.randint(0, 3),
        ),
    ]
    if rng.random() < 0.2:
        names.remove(rng.choice(names))
    values = [rng.choice(columns) for _ in names]
    for place, good in enumerate((["A", "B"], [1.0, 2.0], [3, 4])):
        if rng.random() < 0.5 and place < len(values):
            values[place] = good
    table = pa.Table.from_arrays([pa.array(v) if isinstance(v, list) else v for v in values], names)
    return table.slice(0, rng.choice((0, 2, 2, 2, 2)))


def _toml_lines(table: dict[str, Any]) -> str:
    return "\n".join(f"{json.dumps(key)} = {_toml(value)}" for key, value in table.items())


def _toml(value: Any, depth: int = 0) -> str:
    if depth > 300:
        return '"deep"'
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{json.dumps(k)} = {_toml(v, depth + 1)}" for k, v in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v, depth + 1) for v in value) + "]"
    return (
        json.dumps("none" if value is None else value)
        .replace("NaN", "nan")
        .replace("Infinity", "inf")
    )


def _damaged(data: bytes, rng: Random, *, text: bool) -> bytes:
    packed = data[:2] == b"\x1f\x8b" and rng.random() < 0.8
    plain = gzip.decompress(data) if packed else data
    for _ in range(rng.choice((1, 1, 1, 2))):
        plain = (
            _change_word(plain, rng) if text and rng.random() < 0.6 else mutate_bytes(plain, rng)
        )
    return gzip.compress(plain, mtime=0) if packed else plain


def _change_word(data: bytes, rng: Random) -> bytes:
    """One word replaced, or one inserted."""
    ends = [i for i, byte in enumerate(data) if byte in b",;\t\n=[]{} "]
    if not ends:
        return mutate_bytes(data, rng)
    start = rng.choice(ends) + 1
    stop = next((end for end in ends if end >= start), len(data))
    texts = [text.encode("utf-8", "surrogatepass") for text in TEXTS]
    word = rng.choice((*WORDS, *texts, data[start:stop] * 2))
    return data[:start] + word + data[stop if rng.random() < 0.8 else start :]
