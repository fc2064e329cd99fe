"""Who works on a label image: one process or group at a time, and a dead one bars nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import names

import morphinfer.runs.holders as holders
from morphinfer.errors import OutputError
from morphinfer.images.writing.processes import Process
from morphinfer.records import to_plain
from morphinfer.runs.holders import SHARDS, STALE_SECONDS, Claim, hold

ELSEWHERE = Process("elsewhere", "another", 77, "5")


def announced(folder, process, *, holds=True, group="g", age_s=0.0):
    """The file of a holder of another process, without a lock."""
    file = folder / ".l.zarr.run-0"
    line = json.dumps(to_plain(Claim(process, group)))
    file.write_text(line + "\n" + "holds\n" * holds)
    then = time.time() - age_s
    os.utime(file, (then, then))
    return file


def refused(folder, match, group=None):
    with pytest.raises(OutputError, match=match), hold(folder / "l.zarr", group):
        raise AssertionError


def test_a_second_holder_is_refused_with_process_and_host_and_leaves_the_first(tmp_path):
    host, pid = Process.current().host, os.getpid()
    with hold(tmp_path / "l.zarr") as own:
        before = own.file.read_bytes()
        refused(tmp_path, f"l.zarr: process {pid} on {host} works on it; wait .* another `out`$")
        refused(tmp_path, "works on it", SHARDS)
        assert own.file.read_bytes() == before
        with hold(tmp_path / "m.zarr"):
            own.check()
    assert names(tmp_path) == []


def test_a_group_shares_and_bars_others(tmp_path):
    with hold(tmp_path / "l.zarr", SHARDS) as own:
        assert own.is_alone()
        with hold(tmp_path / "l.zarr", SHARDS):
            assert not own.is_alone()
            refused(tmp_path, "works on it")
        assert own.is_alone()


def test_an_error_and_an_interrupt_free_it(tmp_path):
    for problem in (ValueError, KeyboardInterrupt):
        with pytest.raises(problem), hold(tmp_path / "l.zarr"):
            raise problem
        assert names(tmp_path) == []


@pytest.mark.parametrize("locks", [True, False])
def test_a_process_that_was_killed_bars_nobody(tmp_path, monkeypatch, locks):
    script = (
        "import sys, time; from pathlib import Path; from morphinfer.runs.holders import hold\n"
        "with hold(Path(sys.argv[1])): print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "l.zarr")], stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        if not locks:
            monkeypatch.setattr(holders, "try_lock", lambda file: True)
        refused(tmp_path, f"process {process.pid} on")
        process.kill()
    assert len(names(tmp_path)) == 1
    with hold(tmp_path / "l.zarr") as own:
        assert names(tmp_path) == [own.file.name]


def test_a_number_that_another_process_has_by_now_bars_nobody(tmp_path):
    file = announced(tmp_path, replace(Process.current(), started="1"))
    with hold(tmp_path / "l.zarr"):
        assert not file.exists()


@pytest.mark.parametrize("process", [ELSEWHERE, replace(Process.current(), machine="another boot")])
def test_one_on_another_machine_lives_as_long_as_its_heartbeat(tmp_path, process):
    file = announced(tmp_path, process, age_s=STALE_SECONDS - 30)
    refused(tmp_path, rf"process {process.pid} on .*, or delete .*run-0 if it is certain")
    announced(tmp_path, process, age_s=STALE_SECONDS + 30)
    with hold(tmp_path / "l.zarr"):
        assert not file.exists()


def test_the_heartbeat_sets_the_time_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(holders, "BEAT_SECONDS", 0.01)
    with hold(tmp_path / "l.zarr") as own:
        os.utime(own.file, (0, 0))
        until = time.monotonic() + 10
        while own.file.stat().st_mtime == 0 and time.monotonic() < until:
            time.sleep(0.01)
        assert own.file.stat().st_mtime > 0


def test_one_that_was_taken_for_dead_does_not_go_on(tmp_path):
    with hold(tmp_path / "l.zarr") as own:
        own.file.unlink()
        with pytest.raises(OutputError, match="another one took over"):
            own.check()


def test_one_that_only_asks_is_waited_for(tmp_path, monkeypatch):
    file = announced(tmp_path, replace(ELSEWHERE), holds=False)
    later = file.rename(file.with_name(".l.zarr.run-z"))
    timer = threading.Timer(0.1, later.unlink)
    timer.start()
    with hold(tmp_path / "l.zarr"):
        assert not later.exists()
    timer.join()


def test_a_file_that_is_not_written_yet_is_waited_for_and_at_last_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(holders, "ASKING_SECONDS", 0.05)
    (tmp_path / ".l.zarr.run-x").write_text("")
    refused(tmp_path, "another process works on it", SHARDS)


def test_a_file_that_a_power_cut_has_emptied_is_removed(tmp_path):
    (tmp_path / ".l.zarr.run-x").write_text("")
    os.utime(tmp_path / ".l.zarr.run-x", (time.time() - 3600,) * 2)
    with hold(tmp_path / "l.zarr"):
        assert not (tmp_path / ".l.zarr.run-x").exists()


def test_of_many_that_begin_at_once_one_holds(tmp_path):
    together, held, refusals = threading.Barrier(8), [], []

    def work():
        together.wait()
        try:
            with hold(tmp_path / "l.zarr") as own:
                held.append(own)
                time.sleep(0.3)
                held.remove(own)
                assert not held
        except OutputError as problem:
            refusals.append(problem)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refusals) == 7
    assert names(tmp_path) == []


def test_a_link_in_the_place_of_a_holder_is_removed_and_not_followed(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / ".l.zarr.run-x").symlink_to(tmp_path / "thesis.txt")
    with hold(tmp_path / "l.zarr"):
        assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert names(tmp_path) == ["thesis.txt"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a folder that takes no files")
def test_a_folder_that_takes_no_files_is_refused():
    with (
        pytest.raises(OutputError, match="the folder /proc takes no files"),
        hold(Path("/proc/l.zarr")),
    ):
        raise AssertionError
