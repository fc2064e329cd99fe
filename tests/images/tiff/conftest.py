"""What holds for every test of TIFF files."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def quiet_tifffile(caplog):
    """Nothing that tifffile logs reaches the user."""
    yield
    assert [r for r in caplog.get_records("call") if r.name == "tifffile"] == []
