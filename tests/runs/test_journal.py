"""Journals: whatever a power cut or another process leaves, whole lines count and others do not."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from morphinfer.runs.journal import RowDone, append, checksum, new_journal, read_journals

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
ONE = RowDone(3, (1, 2), (4, 5, 6), 7, 0.5)


def fresh(folder):
    """A new, empty folder for each example."""
    for path in folder.iterdir():
        path.unlink()
    return folder


def entries(folder):
    return {(row, done) for row, several in read_journals(folder).items() for done in several}


@keep_folder
@given(st.lists(st.lists(rows, max_size=4), max_size=4))
def test_what_any_number_of_processes_append_is_read_back(tmp_path, processes):
    folder = fresh(tmp_path)
    for lines in processes:
        journal = new_journal(folder)
        for done in lines:
            append(journal, done)
    assert entries(folder) == {(done.row, done) for lines in processes for done in lines}


@keep_folder
@given(st.lists(rows, min_size=1, max_size=3), st.data())
def test_a_journal_torn_anywhere_yields_its_whole_lines(tmp_path, lines, data):
    journal = new_journal(fresh(tmp_path))
    for done in lines:
        append(journal, done)
    whole = journal.read_bytes()
    kept = data.draw(st.integers(0, len(whole)))
    journal.write_bytes(whole[:kept])
    ends = np.cumsum([len(line) + 1 for line in whole.splitlines()])
    done = [one for one, end in zip(lines, ends, strict=True) if end - 1 <= kept]
    assert entries(tmp_path) == {(one.row, one) for one in done}


def test_zeros_that_a_power_cut_left_are_no_line(tmp_path):
    journal = new_journal(tmp_path)
    append(journal, ONE)
    journal.write_bytes(journal.read_bytes() + bytes(100))
    assert entries(tmp_path) == {(3, ONE)}


@keep_folder
@given(st.binary(max_size=60))
def test_garbage_is_no_line(tmp_path, garbage):
    journal = new_journal(fresh(tmp_path))
    append(journal, ONE)
    journal.write_bytes(garbage + b"\n" + journal.read_bytes())
    assert (3, ONE) in entries(tmp_path)


@pytest.mark.parametrize("change", [
    {"row": None}, {"row": "x"}, {"row": float("inf")}, {"row": float("nan")}, {"row": []},
    {"checksums": None}, {"checksums": 3}, {"counts": 1.5}, {"uncertain": None},
    {"seconds": "x"}, {"seconds": None},
])  # fmt: skip
def test_a_line_of_wrong_values_is_no_line(tmp_path, change):
    line = {"row": 1, "checksums": [1], "counts": [1], "uncertain": 0, "seconds": 1.0, **change}
    new_journal(tmp_path).write_text(json.dumps(line) + "\nnull\n[]\n5\n{}\n", encoding="utf-8")
    assert read_journals(tmp_path) == {}


def test_a_line_that_does_not_count_the_uncertain_is_no_line(tmp_path):
    line = {"row": 1, "checksums": [1], "counts": [1], "seconds": 1.0}
    new_journal(tmp_path).write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert read_journals(tmp_path) == {}


def test_a_folder_without_journals_yields_nothing(tmp_path):
    (tmp_path / "draft.json").write_text("{}")
    assert read_journals(tmp_path) == {}
    assert read_journals(tmp_path / "nowhere") == {}


def test_each_process_has_a_journal_of_its_own(tmp_path):
    assert len({new_journal(tmp_path) for _ in range(50)}) == 50


def test_nothing_is_appended_where_the_draft_is_gone(tmp_path):
    with pytest.raises(FileNotFoundError):
        append(new_journal(tmp_path / "gone"), ONE)
    assert list(tmp_path.iterdir()) == []


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3, max_side=9)))
def test_the_checksum_is_the_crc_of_the_values_in_reading_order(block):
    assert checksum(block) == zlib.crc32(block.tobytes())
    assert checksum(block.T) == zlib.crc32(block.T.tobytes())
