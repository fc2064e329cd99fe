"""Training in several processes: the same files, and no process remains after an error."""

from __future__ import annotations

import multiprocessing

import pytest
from synthetic_section import make_config, write_section

from morphinfer.errors import ConfigError, MorphinferError
from morphinfer_training.train import train


def short(**changes):
    training = {"steps": 4, "batch": 2, "tile_cells": 2, "evaluate_every": 2, **changes}
    return make_config(patch_sizes_px=[48, 56], training=training)


def files(folder):
    return {p.name: p.read_bytes() for p in folder.glob("*.onnx")}


def test_parallel_training_gives_the_same_files_as_sequential_training(tmp_path):
    write_section(tmp_path)
    seen = []
    for name, jobs in (("one", 1), ("two", 2)):
        train(
            short(), tmp_path / name, folder=tmp_path, date="2026-01-02", device="cpu", jobs=jobs,
            progress=lambda report: seen.append((report.network, report.step)),
        )  # fmt: skip
    assert len(files(tmp_path / "one")) == 2
    assert files(tmp_path / "one") == files(tmp_path / "two")
    steps = [(network, step) for network in ("p048", "p056") for step in (1, 2, 3, 4)]
    assert sorted(seen) == sorted(steps * 2)


def test_an_error_in_a_process_is_raised_in_the_caller(tmp_path):
    write_section(tmp_path)
    train(short(), tmp_path / "set", folder=tmp_path, device="cpu")
    with pytest.raises(ConfigError, match="written with another configuration"):
        train(
            short(batch=3), tmp_path / "set", folder=tmp_path, device="cpu", jobs=2,
            resume=True, overwrite=True,
        )  # fmt: skip
    assert not multiprocessing.active_children()


def test_a_killed_process_is_reported_and_the_run_can_be_resumed(tmp_path):
    write_section(tmp_path)

    def kill(report):
        for child in multiprocessing.active_children():
            child.kill()

    options = {"folder": tmp_path, "date": "2026-01-02", "device": "cpu", "jobs": 2}
    with pytest.raises(MorphinferError, match=r"ended from outside.*`resume=True`"):
        train(short(steps=400), tmp_path / "set", progress=kill, **options)
    assert not (tmp_path / "set").exists()
    train(short(steps=400), tmp_path / "set", resume=True, **options)
    assert len(files(tmp_path / "set")) == 2


def test_no_process_remains_after_an_interruption(tmp_path):
    write_section(tmp_path)

    def interrupt(report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(
            short(steps=400), tmp_path / "set", folder=tmp_path, device="cpu", jobs=2,
            progress=interrupt,
        )  # fmt: skip
    assert not multiprocessing.active_children()
