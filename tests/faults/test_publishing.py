"""Publishing is one step (contract C10): whatever stops it, the same command completes it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from cases import CASES
from drafting import fill, opened
from harness import Case, count_events, fail_everywhere, kill_everywhere

from morphinfer.images.writing.publication import forget, settle
from morphinfer.images.writing.staging import check_targets, staged, staged_together

EVERY = int(os.environ.get("MORPHINFER_EVERY", "25"))
"""A test tries every so manieth event; 1 tries all."""


def one_file(folder: Path) -> None:
    with staged(folder / "a.txt") as partial:
        partial.write_text("new")


def replaced_file(folder: Path) -> None:
    with staged(folder / "a.txt", overwrite=True) as partial:
        partial.write_text("new")


def one_folder(folder: Path, **options: bool) -> None:
    with staged(folder / "a.zarr", **options) as partial:
        (partial / "c").mkdir(parents=True)
        for name in ("zarr.json", "c/0", "c/1"):
            (partial / name).write_text('{"new": 1}')


def replaced_folder(folder: Path) -> None:
    one_folder(folder, overwrite=True)


def several(folder: Path, **options: bool) -> None:
    paths = [folder / name for name in ("a.zarr", "a.png", "a.svg")]
    check_targets(*paths, **options)
    with staged_together(*paths) as (labels, *pictures):
        labels.mkdir()
        (labels / "zarr.json").write_text('{"new": 1}')
        for picture in pictures:
            picture.write_text("new")


def several_replaced(folder: Path) -> None:
    several(folder, overwrite=True)


def old_in(folder: Path) -> Path:
    (folder / "a.zarr").mkdir(parents=True)
    (folder / "a.zarr" / "zarr.json").write_text('{"old": 1}')
    for name in ("a.txt", "a.png", "a.svg"):
        (folder / name).write_text('"old"')
    return folder


@pytest.mark.parametrize(("call", "main"), [
    (one_file, "a.txt"), (replaced_file, "a.txt"), (one_folder, "a.zarr"),
    (replaced_folder, "a.zarr"), (several, "a.zarr"), (several_replaced, "a.zarr"),
])  # fmt: skip
def test_a_process_that_dies_while_it_publishes(tmp_path, call, main):
    start = tmp_path / "start"
    if call in (replaced_file, replaced_folder, several_replaced):
        old_in(start)
    else:
        start.mkdir()
    row = kill_everywhere(Case(call.__name__, start, call, main), tmp_path / "work", every=2)
    assert row.clean(), row


def finish(folder: Path, **options: bool) -> None:
    """Publish a small label image, its layers and a picture; a draft that is there goes on."""
    target = folder / "l.zarr"
    earlier = settle(target)
    if earlier is not None:
        forget(target)
        return

    def picture(name: str = "picture.png") -> dict[Path, str | None]:
        (draft.folder / name).write_text("new")
        return {folder / "l.png": name}

    draft = opened(folder, **options)
    fill(draft, draft.missing()).finish(extra=picture, **options)


def finish_again(folder: Path) -> None:
    finish(folder, overwrite=True)


@pytest.mark.parametrize("call", [finish, finish_again])
def test_a_run_that_dies_while_it_publishes(tmp_path, call):
    start = tmp_path / "start"
    start.mkdir()
    if call is finish_again:
        fill(opened(start), seed=1).finish()
        (start / "l.png").write_text("old")
    fill(opened(start, overwrite=call is finish_again))
    row = kill_everywhere(
        Case(call.__name__, start, call, "l.zarr"), tmp_path / "work", every=EVERY
    )
    assert row.clean(), row


@pytest.mark.parametrize("problem", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_disk_that_fills_up_loses_nothing(tmp_path, problem):
    case = Case("several", old_in(tmp_path / "start"), several_replaced, "a.zarr")
    row = fail_everywhere(case, tmp_path / "work", lambda: problem, every=3)
    assert row.clean(), row


@pytest.mark.parametrize("call", [several_replaced, finish])
def test_a_cut_of_power_tears_no_file_that_has_its_name(tmp_path, call):
    start = old_in(tmp_path / "start") if call is several_replaced else tmp_path / "start"
    start.mkdir(exist_ok=True)
    if call is finish:
        fill(opened(start))
    case = Case(call.__name__, start, call, "a.zarr" if call is several_replaced else "l.zarr")
    row = kill_everywhere(
        case, tmp_path / "work", every=3 if call is several_replaced else EVERY, power=True
    )
    assert row.clean(), row


@pytest.mark.parametrize("make", CASES)
def test_a_command_that_dies_while_it_publishes_is_completed_by_itself(tmp_path, make):
    case = make(tmp_path / "start")
    tail = 1 if EVERY == 1 else max(1, count_events(case, tmp_path / "work") - 45)
    row = kill_everywhere(case, tmp_path / "work", first=tail, every=min(EVERY, 22))
    assert row.clean(), row
