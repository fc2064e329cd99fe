"""Damaged tables of spots and configurations that once ended in a traceback, rebuilt in a few lines."""

from __future__ import annotations

import pytest

from morphinfer.errors import ConfigError, SpotsError


@pytest.mark.parametrize(
    "content",
    [b"gen\xcc,x,y\nA,1,2\n", b"gene\t\xff\ty\nA\t1\t2\n"],
    ids=["gene", "coordinate"],
)
def test_the_header_of_a_table_is_not_utf8(tmp_path, content):
    pytest.importorskip("pyarrow")
    from morphinfer_training.spots import read_spots

    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(SpotsError):
        read_spots(path, pixel_size_um=0.5)


def test_names_in_parquet_are_not_utf8(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    from morphinfer_training.spots import read_spots

    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"gene": ["A", "=cmd"], "x": [1, 2], "yyy": [3, 4]}), path, compression="none"
    )
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"=cmd", b"=c\xa5d").replace(b"yyy", b"y\x00\x00"))
    with pytest.raises(SpotsError):
        read_spots(path, pixel_size_um=0.5)
    path.write_bytes(whole.replace(b"yyy", b"\x89yy"))
    with pytest.raises(SpotsError):
        read_spots(path, pixel_size_um=0.5)


def test_a_configuration_is_nested_without_end(tmp_path):
    pytest.importorskip("pyarrow")
    from morphinfer_training.config import read_config

    path = tmp_path / "a.toml"
    path.write_text(f"name = {'[' * 3000}")
    with pytest.raises(ConfigError):
        read_config(path)


def test_a_number_of_a_configuration_is_larger_than_any(tmp_path):
    pytest.importorskip("pyarrow")
    from morphinfer_training.config import read_config

    path = tmp_path / "a.toml"
    path.write_text(f'name = "a"\npixel_size_um = {"9" * 400}\nsections = []')
    with pytest.raises(ConfigError):
        read_config(path)
