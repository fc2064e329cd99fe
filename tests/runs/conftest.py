"""A slide whose label image has seven rows of chunks, and what one run over it publishes."""

from __future__ import annotations

import pytest
from fakes import KEPT, SHAPE, fake_ensemble, published, write_slide

from morphinfer import segment
from networks import nuclei


@pytest.fixture(scope="session")
def slide_path(tmp_path_factory):
    return write_slide(tmp_path_factory.mktemp("slide") / "slide.zarr", nuclei(*SHAPE))


@pytest.fixture(scope="session")
def single(slide_path, tmp_path_factory):
    """A single run without interruption."""
    out = tmp_path_factory.mktemp("whole") / "l.zarr"
    return segment(slide_path, models=fake_ensemble(), out=out, options=KEPT)


@pytest.fixture(scope="session")
def whole(single):
    """What a single run publishes."""
    return published(single.labels.image.path)
