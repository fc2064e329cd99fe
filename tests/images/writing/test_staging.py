"""Outputs appear whole or not at all, and the old one is kept until they do."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from zarr.storage import LocalStore

from morphinfer.classes import default_classes
from morphinfer.errors import OutputError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.label_image import create_labels
from morphinfer.images.labels.opening import open_labels
from morphinfer.images.writing.staging import check_target, staged

CLASSES = default_classes(("background", "tissue"))


def write_text(path, text="new", **options):
    with staged(path, **options) as partial:
        partial.write_text(text)


def write_folder(path, text="new", **options):
    with staged(path, **options) as partial:
        partial.mkdir()
        (partial / "part").write_text(text)


def raise_inside(path, problem, **options):
    with staged(path, **options) as partial:
        partial.write_text("half")
        raise problem


def write_labels(path, **options):
    with create_labels(
        path, grid=PixelGrid((4, 4), 1, (0, 0)), classes=CLASSES, **options
    ) as writer:
        writer.write(Window(0, 0, 4, 4), np.ones((4, 4), np.uint8))


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_appears_only_when_it_is_complete(tmp_path):
    with staged(tmp_path / "a.json") as partial:
        partial.write_text("new")
        assert not (tmp_path / "a.json").exists()
    assert (tmp_path / "a.json").read_text() == "new"
    assert names(tmp_path) == ["a.json"]


def test_the_partial_output_is_on_the_same_disk_in_a_hidden_folder(tmp_path):
    with staged(tmp_path / "a.json") as partial:
        partial.write_text("new")
        assert partial.parent.parent == tmp_path
        assert partial.parent.name.startswith(".a.json.partial-")


@pytest.mark.parametrize("write", [write_text, write_folder])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_existing_output_is_refused_without_overwrite(tmp_path, write, kind):
    path = tmp_path / "out"
    (write_text if kind == "file" else write_folder)(path, "old")
    with pytest.raises(OutputError, match="exists already; give `overwrite=True`"):
        write(path)
    assert (path if kind == "file" else path / "part").read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_a_folder_that_is_no_result_is_not_replaced_even_with_overwrite(tmp_path):
    write_folder(tmp_path / "photos", "old")
    with pytest.raises(OutputError, match="not even with `overwrite=True`"):
        write_folder(tmp_path / "photos", overwrite=True)
    assert (tmp_path / "photos" / "part").read_text() == "old"


@pytest.mark.parametrize("write", [write_text, write_folder])
@pytest.mark.parametrize("kind", ["nothing", "file", "folder", "link to a folder", "dead link"])
def test_an_output_is_replaced_with_overwrite(tmp_path, write, kind):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "zarr.json").touch()
    path = tmp_path / "out"
    if kind == "file":
        write_text(path, "old")
    elif kind == "folder":
        write_folder(path, "old")
        (path / "zarr.json").touch()
    elif kind != "nothing":
        path.symlink_to(elsewhere if kind == "link to a folder" else tmp_path / "nowhere")
    write(path, overwrite=True)
    assert (path if write is write_text else path / "part").read_text() == "new"
    assert names(tmp_path) == ["elsewhere", "out"]
    assert names(elsewhere) == ["zarr.json"]


def test_a_dead_link_is_refused_without_overwrite(tmp_path):
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="exists already"):
        write_text(tmp_path / "out")


@pytest.mark.parametrize("problem", [ValueError("bad"), KeyboardInterrupt(), SystemExit(3)])
def test_an_error_leaves_nothing_behind_and_passes_on(tmp_path, problem):
    with pytest.raises(type(problem)) as caught:
        raise_inside(tmp_path / "out", problem)
    assert caught.value is problem
    assert names(tmp_path) == []


def test_an_error_while_overwriting_keeps_the_old_one(tmp_path):
    write_text(tmp_path / "out", "old")
    with pytest.raises(ValueError, match="bad"):
        raise_inside(tmp_path / "out", ValueError("bad"), overwrite=True)
    assert (tmp_path / "out").read_text() == "old"


def test_a_rename_that_fails_puts_the_old_one_back(tmp_path, monkeypatch):
    write_folder(tmp_path / "out", "old")
    (tmp_path / "out" / "zarr.json").touch()
    rename = Path.rename

    def refuses(self, target):
        if self.name == "out" and ".partial-" in self.parent.name:
            raise PermissionError(errno.EACCES, "open elsewhere")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuses)
    with pytest.raises(OutputError, match="cannot be written to"):
        write_folder(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "part").read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"the folder .*missing does not exist; create it first"):
        write_text(tmp_path / "missing" / "out")


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="does not exist"):
        write_text(tmp_path / "file" / "out")


def test_a_read_only_folder_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OutputError, match="cannot be written to; name another place"):
        write_labels(tmp_path / "out")
    assert names(tmp_path) == []


def test_a_folder_that_refuses_the_write_after_all_is_reported(tmp_path):
    problem = PermissionError(errno.EACCES, "Permission denied")
    with pytest.raises(OutputError, match="cannot be written to; name another place"):
        raise_inside(tmp_path / "out", problem)
    assert names(tmp_path) == []


def test_a_disk_with_too_little_room_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(9e6, 8e6, 1e6)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OutputError, match="needs about 2 MB and 1 MB are free"):
        check_target(tmp_path / "out", needed_bytes=2_000_000)
    check_target(tmp_path / "out", needed_bytes=1_000_000)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path, monkeypatch, code):
    put = LocalStore.set

    async def fill_up(self, key, value):
        if "/c/" in key:
            raise OSError(code, "No space left on device")
        await put(self, key, value)

    monkeypatch.setattr(LocalStore, "set", fill_up)
    with pytest.raises(OutputError, match="no room left on the disk"):
        write_labels(tmp_path / "out")
    assert names(tmp_path) == []


def test_a_disk_that_fills_up_while_overwriting_keeps_the_old_one(tmp_path):
    write_labels(tmp_path / "out")
    with pytest.raises(OutputError, match="no room left on the disk"):
        raise_inside(tmp_path / "out", OSError(errno.ENOSPC, "No space left"), overwrite=True)
    assert open_labels(tmp_path / "out").read(Window(0, 0, 4, 4)).all()


def test_other_errors_of_the_system_pass_on(tmp_path):
    with pytest.raises(OSError, match="Input/output error") as caught:
        raise_inside(tmp_path / "out", OSError(errno.EIO, "Input/output error"))
    assert not isinstance(caught.value, OutputError)
    assert names(tmp_path) == []


KILLED = """
import os, signal, sys
import numpy as np
from morphinfer.classes import default_classes
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.label_image import create_labels

with create_labels(
    sys.argv[1], grid=PixelGrid((600, 300), 1, (0, 0)),
    classes=default_classes(("background", "tissue")), overwrite=True,
) as writer:
    writer.write(Window(0, 0, 512, 300), np.ones((512, 300), np.uint8))
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(7)
"""


def die_halfway(path, how):
    command = [sys.executable, "-c", KILLED, str(path), how]
    return subprocess.run(command, check=False).returncode


@pytest.mark.parametrize("how", ["killed", "exits"])
def test_a_process_that_dies_publishes_nothing(tmp_path, how):
    code = die_halfway(tmp_path / "out", how)
    assert code == (-signal.SIGKILL if how == "killed" else 7)
    assert not (tmp_path / "out").exists()
    write_labels(tmp_path / "out")
    assert open_labels(tmp_path / "out").image.shape == (4, 4)


def test_a_process_that_dies_while_overwriting_keeps_the_old_one(tmp_path):
    write_labels(tmp_path / "out")
    die_halfway(tmp_path / "out", "killed")
    assert open_labels(tmp_path / "out").read(Window(0, 0, 4, 4)).all()


def test_a_folder_never_takes_the_place_of_a_file(tmp_path):
    (tmp_path / "image.tif").write_text("mine")
    with pytest.raises(OutputError, match="is a file"):
        write_labels(tmp_path / "image.tif", overwrite=True)
    assert (tmp_path / "image.tif").read_text() == "mine"


@pytest.mark.parametrize("present", [(), ("spots.csv",)])
def test_a_folder_of_ones_own_that_holds_a_slide_is_not_replaced(tmp_path, present):
    for name in ("slide.zarr", "notes.txt", *present):
        (tmp_path / name).mkdir()
    with pytest.raises(OutputError, match="holds no image"):
        check_target(tmp_path, overwrite=True)


@pytest.mark.parametrize("path", [".", "..", "/"])
def test_a_path_without_a_name_is_refused(path):
    with pytest.raises(OutputError, match="not a name for an output"):
        check_target(Path(path), overwrite=True)


def test_an_interrupt_while_publishing_puts_the_old_one_back(tmp_path, monkeypatch):
    write_folder(tmp_path / "a", "old")
    rename = Path.rename

    def interrupted(self, target):
        if self.name == "a" and ".partial-" in self.parent.name:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    (tmp_path / "a" / "zarr.json").touch()
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "a", "new", overwrite=True)
    assert (tmp_path / "a" / "part").read_text() == "old"
    assert names(tmp_path) == ["a"]
