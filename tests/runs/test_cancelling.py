"""Runs that their caller stops: by an event, or by an exception out of the progress callback."""

from __future__ import annotations

import threading

import pytest
from fakes import fake_ensemble, names, published, write_slide

from morphinfer import Options, segment, segment_array
from morphinfer.errors import CancelledError, MorphinferError, OutputError
from morphinfer.images import slide_from_array
from networks import nuclei

UM = 0.65
RUN = {"models": fake_ensemble(), "options": Options(label_chunk=8, skip_background="off")}


class StoppedError(Exception):
    """What a caller's own callback raises."""


def refuse():
    raise StoppedError


def after(tiles, act):
    """A progress callback that acts when so many tiles are done, and what it has seen."""
    seen = []

    def report(progress):
        seen.append(progress.tiles)
        if progress.tiles == tiles:
            act()

    return report, seen


@pytest.fixture
def slide(tmp_path):
    return write_slide(tmp_path / "s.zarr", nuclei(197, 60))


@pytest.fixture
def whole(slide, tmp_path):
    """What an undisturbed run publishes."""
    (tmp_path / "whole").mkdir()
    segment(slide, out=tmp_path / "whole/l.zarr", **RUN)
    return published(tmp_path / "whole/l.zarr")


@pytest.fixture
def out(tmp_path):
    (tmp_path / "again").mkdir()
    return tmp_path / "again/l.zarr"


def goes_on(slide, out, whole):
    """The same call does the rest, and only that."""
    assert names(out.parent) == ["l.zarr.unfinished"]
    rest = []
    segment(slide, out=out, progress=rest.append, **RUN)
    assert published(out) == whole
    assert names(out.parent) == ["l.zarr"]
    return rest[-1].all_tiles


def test_a_cancelled_run_goes_on_where_it_was_stopped(slide, whole, out):
    cancel = threading.Event()
    report, seen = after(8, cancel.set)
    with pytest.raises(CancelledError, match=r"s\.zarr: cancelled after 8 of 12 tiles") as stopped:
        segment(slide, out=out, progress=report, cancel=cancel, **RUN)
    assert isinstance(stopped.value, MorphinferError)
    assert seen == list(range(1, 9))
    assert 0 < goes_on(slide, out, whole) < 12


def test_an_exception_out_of_the_callback_stops_the_run_alike(slide, whole, out):
    report, _ = after(8, refuse)
    with pytest.raises(StoppedError):
        segment(slide, out=out, progress=report, **RUN)
    assert 0 < goes_on(slide, out, whole) < 12


def test_a_stopped_run_on_an_array_is_not_resumed_with_another_array(out):
    image = nuclei(197, 60)
    report, _ = after(8, refuse)
    with pytest.raises(StoppedError):
        segment(slide_from_array(image, UM), out=out, progress=report, **RUN)
    with pytest.raises(OutputError, match="an unfinished run with another slide"):
        segment(slide_from_array(image[::-1], UM), out=out, **RUN)
    rest = []
    segment(slide_from_array(image.copy(), UM), out=out, progress=rest.append, **RUN)
    assert 0 < rest[-1].all_tiles < 12


def test_a_run_that_is_cancelled_before_it_begins_leaves_nothing(slide, out):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError, match="after 0 of 12"):
        segment(slide, out=out, cancel=cancel, **RUN)
    assert names(out.parent) == []


@pytest.mark.parametrize("how", ["event", "exception"])
def test_an_array_is_stopped_alike_and_no_thread_is_left(how):
    cancel = threading.Event()
    report, seen = after(3, cancel.set if how == "event" else refuse)
    before = set(threading.enumerate())
    problem = None
    try:
        segment_array(nuclei(197, 60), pixel_size_um=UM, progress=report, cancel=cancel, **RUN)
    except (CancelledError, StoppedError) as stopped:
        problem = stopped  # its traceback is kept, as a notebook keeps the last one
    assert isinstance(problem, CancelledError if how == "event" else StoppedError)
    assert seen == [1, 2, 3]
    assert set(threading.enumerate()) <= before
