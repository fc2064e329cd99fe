"""Journals: whatever a power cut or another process leaves, whole lines count and others do not."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from morphinfer.records import to_plain
from morphinfer.runs.journal import Journal, RowDone, checksum, read_journals, signed

natural = st.integers(0, 2**40)
rows = st.builds(
    RowDone,
    natural,
    st.lists(st.integers(0, 2**32 - 1), max_size=3).map(tuple),
    st.lists(natural, max_size=5).map(tuple),
    natural,
    st.floats(0, 1e9),
)
keep_folder = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
RUN = "a draft"
ONE = RowDone(3, (1, 2), (4, 5, 6), 7, 0.5)


def fresh(folder):
    """A new, empty folder for each example."""
    for path in folder.iterdir():
        path.unlink()
    return folder


def entries(folder):
    return {(row, done) for row, several in read_journals(folder, RUN).items() for done in several}


def new_journal(folder):
    return Journal.new(folder, RUN)


@keep_folder
@given(st.lists(st.lists(rows, max_size=4), max_size=4))
def test_what_any_number_of_processes_append_is_read_back(tmp_path, processes):
    folder = fresh(tmp_path)
    for lines in processes:
        journal = new_journal(folder)
        for done in lines:
            journal.append(done)
    assert entries(folder) == {(done.row, done) for lines in processes for done in lines}


@keep_folder
@given(st.lists(rows, min_size=1, max_size=3), st.data())
def test_a_journal_torn_anywhere_yields_its_whole_lines(tmp_path, lines, data):
    journal = new_journal(fresh(tmp_path))
    for done in lines:
        journal.append(done)
    whole = journal.file.read_bytes()
    kept = data.draw(st.integers(0, len(whole)))
    journal.file.write_bytes(whole[:kept])
    ends = np.cumsum([len(line) + 1 for line in whole.splitlines()])
    done = [one for one, end in zip(lines, ends, strict=True) if end - 1 <= kept]
    assert entries(tmp_path) == {(one.row, one) for one in done}


def test_zeros_that_a_power_cut_left_are_no_line(tmp_path):
    journal = new_journal(tmp_path)
    journal.append(ONE)
    journal.file.write_bytes(journal.file.read_bytes() + bytes(100))
    assert entries(tmp_path) == {(3, ONE)}


@keep_folder
@given(st.binary(max_size=60))
def test_garbage_is_no_line(tmp_path, garbage):
    journal = new_journal(fresh(tmp_path))
    journal.append(ONE)
    journal.file.write_bytes(garbage + b"\n" + journal.file.read_bytes())
    assert (3, ONE) in entries(tmp_path)


@pytest.mark.parametrize("change", [
    {"row": None}, {"row": "x"}, {"row": 1.0}, {"row": []}, {"seconds": 10**400},
    {"checksums": None}, {"checksums": 3}, {"counts": 1.5}, {"uncertain": None},
    {"seconds": "x"}, {"seconds": None},
])  # fmt: skip
def test_a_line_of_wrong_values_is_no_line(tmp_path, change):
    line = {"row": 1, "checksums": [1], "counts": [1], "uncertain": 0, "seconds": 1.0, **change}
    lines = signed(RUN, line) + b"null\n[]\n5\n{}\n" + signed(RUN, {"row": 1})
    new_journal(tmp_path).file.write_bytes(lines)
    assert entries(tmp_path) == set()


@pytest.mark.parametrize("key", ["row", "checksums", "counts", "uncertain", "seconds", "sum"])
def test_a_line_that_was_changed_is_no_line(tmp_path, key):
    journal = new_journal(tmp_path)
    journal.append(ONE)
    line = json.loads(journal.file.read_bytes())
    changed = {**line, key: [1, 3] if key in ("checksums", "counts") else 4}
    journal.file.write_text(json.dumps(changed) + "\n")
    assert entries(tmp_path) == set()
    journal.file.write_text(json.dumps({k: v for k, v in line.items() if k != "sum"}) + "\n")
    assert entries(tmp_path) == set()
    journal.file.write_text(json.dumps(line) + "\n")
    assert entries(tmp_path) == {(3, ONE)}


def test_a_line_of_another_draft_is_no_line(tmp_path):
    Journal.new(tmp_path, "another").append(ONE)
    assert entries(tmp_path) == set()
    assert read_journals(tmp_path, "another") == {3: [ONE]}


def test_a_journal_without_end_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("morphinfer.runs.journal.MOST_BYTES", 1000)
    new_journal(tmp_path).file.write_bytes(signed(RUN, to_plain(ONE)) * 20)
    assert entries(tmp_path) == set()


@pytest.mark.parametrize("change", [
    {"counts": (-1, 2)}, {"counts": (5, 6)}, {"uncertain": 4}, {"uncertain": -1}, {"seconds": -1.0},
])  # fmt: skip
def test_numbers_that_no_row_can_have_are_not_believed(change):
    possible = RowDone(0, (), (1, 2), 3, 0.5)
    assert possible.is_possible(10)
    assert not replace(possible, **change).is_possible(10)


def test_a_folder_without_journals_yields_nothing(tmp_path):
    (tmp_path / "draft.json").write_text("{}")
    assert entries(tmp_path) == entries(tmp_path / "nowhere") == set()


def test_each_process_has_a_journal_of_its_own(tmp_path):
    assert len({new_journal(tmp_path) for _ in range(50)}) == 50


def test_nothing_is_appended_where_the_draft_is_gone(tmp_path):
    with pytest.raises(FileNotFoundError):
        new_journal(tmp_path / "gone").append(ONE)
    assert list(tmp_path.iterdir()) == []


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3, max_side=9)))
def test_the_checksum_is_the_crc_of_the_values_in_reading_order(block):
    assert checksum(block) == zlib.crc32(block.tobytes())
    assert checksum(block.T) == zlib.crc32(block.T.tobytes())
