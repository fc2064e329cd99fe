"""Links: a slide may be one, but no part of it leads out of its folder unless that is asked for."""

from __future__ import annotations

import os

import pytest

from morphinfer.errors import SlideError
from morphinfer.images.opening import open_slide


def moved_out(path, inner, folder):
    """A part of a slide, moved elsewhere with a link in its place."""
    folder.mkdir(exist_ok=True)
    elsewhere = folder / inner.replace("/", "_")
    (path / inner).rename(elsewhere)
    (path / inner).symlink_to(elsewhere)


@pytest.mark.parametrize("inner", ["s1", "s0", "s0/zarr.json", "s0/c", "zarr.json"])
def test_a_part_that_is_a_link_out_of_the_slide_is_refused_by_name(
    make_slide, noise, tmp_path, inner
):
    path = make_slide(noise(40, 40), *[noise(20, 20)] * (inner == "s1"))
    moved_out(path, inner, tmp_path / "elsewhere")
    with pytest.raises(SlideError, match=rf"'{inner}'.* lead out .*`follow_links=True`"):
        open_slide(path)
    assert open_slide(path, follow_links=True).shape == (40, 40)


def test_a_slide_that_is_a_link_is_read(make_slide, noise, tmp_path):
    path = make_slide(noise(40, 40))
    (tmp_path / "link.zarr").symlink_to(path, target_is_directory=True)
    assert open_slide(tmp_path / "link.zarr").shape == (40, 40)


def test_a_link_inside_a_slide_is_followed(make_slide, noise):
    path = make_slide(noise(40, 40))
    (path / "s0").rename(path / "other")
    (path / "s0").symlink_to("other")
    assert open_slide(path).shape == (40, 40)


def test_a_folder_whose_name_begins_alike_is_outside(make_slide, noise, tmp_path):
    path = make_slide(noise(40, 40))
    moved_out(path, "s0", path.with_name(path.name + "-more"))
    assert os.path.realpath(path / "s0").startswith(str(path))
    with pytest.raises(SlideError, match="lead out of the slide"):
        open_slide(path)
