"""Intents of publications: who may complete them, and which are not followed."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from morphinfer.errors import OutputError
from morphinfer.images.writing.processes import Process
from morphinfer.images.writing.publication import Publication, intent_path, settle
from morphinfer.images.writing.staging import staged
from morphinfer.images.writing.workspaces import LOCK, held, sweep

ID = "0123456789ab"
FOLDER = f".a.zarr.partial-{ID}"
SOUND = Publication(FOLDER, ("a.png", "a.zarr"), ("a.png", "a.zarr"))


def left(folder: Path, publication: Publication = SOUND) -> Path:
    """What a process that died while it published leaves; returns the path of the main output."""
    new = folder / FOLDER
    new.mkdir()
    for name in ("a.png", "a.zarr"):
        (new / name).write_text("new")
    main = folder / "a.zarr"
    inode = new.stat().st_ino if publication.inode == 0 else publication.inode
    intent_path(main).write_text(json.dumps(asdict(replace(publication, inode=inode))))
    return main


def owned_by(folder: Path, process: Process) -> None:
    (folder / FOLDER / LOCK).write_text(json.dumps(asdict(process)))


def test_an_intent_is_completed_and_kept_until_its_call_ends(tmp_path):
    main = left(tmp_path)
    assert replace(settle(main), inode=0) == SOUND
    assert (main.read_text(), (tmp_path / "a.png").read_text()) == ("new", "new")
    assert {p.name for p in tmp_path.iterdir()} == {"a.zarr", "a.png", intent_path(main).name}


@pytest.mark.parametrize("change", [
    {"names": ("thesis.txt", "a.zarr")}, {"removed": ("thesis.txt",)}, {"folder": "papers"},
    {"folder": f"papers/{FOLDER}"}, {"folder": ".."}, {"sources": ("../thesis.txt", "a.zarr")},
    {"sources": ("..", "a.zarr")}, {"names": ("a.png", "../a.zarr")}, {"names": ("a.png",)},
    {"sources": (), "names": ()}, {"inode": 1}, {"names": ("a.zarr", "a.png")},
])  # fmt: skip
def test_an_intent_that_names_foreign_files_is_not_followed(tmp_path, change):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "papers" / FOLDER).mkdir(parents=True)
    main = left(tmp_path, replace(SOUND, **change))
    assert settle(main) is None
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert not main.exists()
    assert not intent_path(main).exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "[" * 60000, json.dumps({"folder": 3}), " " * 70000]
)
def test_what_is_no_intent_is_removed(tmp_path, text):
    main = left(tmp_path)
    intent_path(main).write_text(text)
    assert settle(main) is None
    assert not intent_path(main).exists()


@pytest.mark.parametrize("place", ["part", "inside", "folder", "intent", "lock"])
def test_links_are_not_followed(tmp_path, place):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.zarr").write_text("mine")
    main, new = left(tmp_path), tmp_path / FOLDER
    if place == "folder":
        new.rename(tmp_path / "moved")
        new.symlink_to(outside)
    elif place == "intent":
        intent_path(main).rename(outside / "intent")
        intent_path(main).symlink_to(outside / "intent")
    elif place == "lock":
        (new / LOCK).symlink_to(outside / "a.zarr")
    else:
        (new / "a.zarr").unlink()
        (new / "a.zarr").mkdir() if place == "inside" else None
        link = new / "a.zarr" / "c" if place == "inside" else new / "a.zarr"
        link.symlink_to(outside / "a.zarr")
    settled = settle(main)
    assert (settled is None) == (place != "lock")
    assert (outside / "a.zarr").read_text() == "mine"
    assert not main.is_symlink()


def test_an_output_that_a_living_process_publishes_is_left_to_it(tmp_path):
    main = left(tmp_path)
    with held(tmp_path / FOLDER), pytest.raises(OutputError, match="by another process"):
        settle(main)
    assert settle(main) is not None


def test_a_part_that_is_lost_puts_the_old_ones_back(tmp_path):
    main = left(tmp_path)
    (tmp_path / FOLDER / "replaced-a.zarr").write_text("old")
    (tmp_path / FOLDER / "a.png").unlink()
    assert settle(main) is None
    assert main.read_text() == "old"
    assert {p.name for p in tmp_path.iterdir()} == {"a.zarr"}


def test_what_dead_processes_left_is_swept_and_that_of_living_ones_not(tmp_path):
    here = Process.current()
    for other, stays in (
        (replace(here, started="another"), False), (replace(here, pid=2**22, started="1"), False),
        (replace(here, host="elsewhere"), True),
    ):  # fmt: skip
        left(tmp_path)
        intent_path(tmp_path / "a.zarr").unlink()
        owned_by(tmp_path, other)
        sweep(tmp_path / "a.zarr")
        assert (tmp_path / FOLDER).exists() == stays, other
    with held(tmp_path / FOLDER):
        sweep(tmp_path / "a.zarr")
        assert (tmp_path / FOLDER).exists()
    sweep(tmp_path / "a.zarr")
    assert not (tmp_path / FOLDER).exists()


def test_the_call_that_was_killed_may_replace_what_it_published_and_no_other(tmp_path, monkeypatch):
    from morphinfer.images.writing import staging

    main = left(tmp_path, replace(SOUND, maker=staging.command()))
    with monkeypatch.context() as patch:
        patch.setattr("sys.argv", ["another"])
        with pytest.raises(OutputError, match="exists already"), staged(main):
            pass
    with staged(main) as partial:
        partial.write_text("newer")
    assert main.read_text() == "newer"
    assert not intent_path(main).exists()
