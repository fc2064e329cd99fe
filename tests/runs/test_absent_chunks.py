"""A run on a slide with absent chunks warns or refuses; one whose slide goes meanwhile is an error."""

from __future__ import annotations

import logging
import shutil

import pytest

from morphinfer import Options, open_slide, segment
from morphinfer.errors import SlideError
from networks import nuclei

CPU = Options(provider="cpu", threads=1, tile_px=64)


@pytest.fixture
def path(make_slide):
    return make_slide(nuclei(480, 160), chunk=32, scales=[0.65])


def test_absent_chunks_are_counted_in_a_warning(path, random_models, caplog):
    (path / "s0/c/1/1").unlink()
    (path / "s0/c/4/0").unlink()
    with caplog.at_level(logging.WARNING, "morphinfer"):
        result = segment(path, models=random_models, options=CPU)
    warning = "slide.zarr: 2 of 75 chunks of level 0 are absent and taken as the fill value"
    assert result.record.warnings == (warning,)
    assert caplog.messages == [warning]


def test_absent_chunks_are_refused_where_that_is_asked(path, random_models):
    (path / "s0/c/1/1").unlink()
    slide = open_slide(path, missing_chunks="refuse")
    with pytest.raises(SlideError, match="1 of 75 chunks of level 0 are absent; copy the slide"):
        segment(slide, models=random_models, options=CPU)


@pytest.mark.parametrize("part", ["", "s0", "s0/c"])
def test_a_slide_that_is_removed_in_the_middle_is_an_error(path, random_models, part):
    def remove(_):
        shutil.rmtree(path / part, ignore_errors=True)

    with pytest.raises(SlideError, match=r"removed|no longer"):
        segment(path, models=random_models, options=CPU, progress=remove)
    assert not list(path.parent.glob("*_labels.zarr"))
