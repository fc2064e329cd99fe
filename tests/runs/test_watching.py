"""When a slide in a watched folder counts as complete, and what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from morphinfer.errors import OutputError
from morphinfer.runs.watching import MOST_ATTEMPTS, RETRY_S, Watch, WatchSettings, watch


class Scanner:
    """A folder of files named as TIFF, a clock that stands still between looks, and fake results."""

    def __init__(self, base: Path) -> None:
        self.folder, self.out, self.now = base / "in", base / "out", 0.0
        self.errors: dict[str, str] = {}
        self.calls: list[tuple[str, bool]] = []
        self.folder.mkdir()
        self.out.mkdir()
        self.begin()

    def begin(self, **fields) -> None:
        self.watch = Watch(self.folder, self.out, WatchSettings(settle_s=60, **fields))

    def write(self, name: str, size: int = 10) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * size)

    def segment_one(self, slide: Path, again: bool) -> dict[str, str]:
        self.calls.append((slide.name, again))
        if slide.name in self.errors:
            return {"error": self.errors[slide.name]}
        labels = self.out / f"{slide.stem}_labels.zarr"
        labels.mkdir(exist_ok=True)
        return {"labels": str(labels)}

    def after(self, seconds: float) -> dict[str, str]:
        """Look at the folder later, segment what is complete, and return the states."""
        self.now += seconds
        self.watch.look(self.now)
        while (name := self.watch.next()) is not None:
            self.watch.segment(name, self.segment_one, lambda: self.now)
            self.watch.look(self.now)
        return {name: slide.state for name, slide in self.watch.slides.items()}


@pytest.fixture
def scanner(tmp_path):
    return Scanner(tmp_path)


def test_a_slide_is_segmented_once_nothing_of_it_has_changed_for_a_while(scanner):
    scanner.write("a.tif")
    assert scanner.after(0) == {"a.tif": "arriving"}
    scanner.write("a.tif", 20)
    assert scanner.after(59) == {"a.tif": "arriving"}
    assert scanner.after(59) == {"a.tif": "arriving"}
    assert scanner.after(1) == {"a.tif": "done"}
    scanner.after(100)
    assert scanner.calls == [("a.tif", False)]


@pytest.mark.parametrize(
    "lock", ["a.lock", ".a.tif.lck", "a.tif.part", "~$a.tif.tmp", ".~lock.a.tif#"]
)
def test_a_file_that_says_that_it_is_written_is_waited_for(scanner, lock):
    scanner.write("a.tif")
    scanner.write("b.tif")
    scanner.write(lock)
    scanner.after(0)
    assert scanner.after(100) == {"a.tif": "arriving", "b.tif": "done"}
    assert scanner.watch.slides["a.tif"].busy == lock
    (scanner.folder / lock).unlink()
    scanner.after(0)
    assert scanner.after(60) == {"a.tif": "done", "b.tif": "done"}


def test_a_partial_chunk_inside_a_slide_is_waited_for(scanner):
    for name in ("s.zarr/zarr.json", "s.zarr/0.1f.partial"):
        scanner.write(name)
    scanner.after(0)
    assert scanner.after(100) == {"s.zarr": "arriving"}


def test_a_slide_that_fails_stops_no_other_and_is_tried_again_later(scanner):
    scanner.errors["a.tif"] = "a.tif: is cut short"
    scanner.write("a.tif")
    scanner.write("day/b.tif")
    scanner.after(0)
    assert scanner.after(60) == {"a.tif": "failed", "day/b.tif": "done"}
    for _ in range(2 * MOST_ATTEMPTS):
        scanner.after(RETRY_S)
        scanner.after(60)
    assert [name for name, _ in scanner.calls].count("a.tif") == MOST_ATTEMPTS
    scanner.errors.clear()
    scanner.write("a.tif", 30)
    scanner.after(0)
    assert scanner.after(60) == {"a.tif": "done", "day/b.tif": "done"}


def test_a_slide_that_changes_later_keeps_its_result_unless_it_is_asked_for(scanner):
    scanner.write("a.tif")
    scanner.after(0)
    scanner.after(60)
    scanner.write("a.tif", 30)
    scanner.after(0)
    assert scanner.after(60) == {"a.tif": "changed"}
    scanner.begin(again=True)
    scanner.after(0)
    assert scanner.after(60) == {"a.tif": "done"}
    assert scanner.calls == [("a.tif", False), ("a.tif", True)]


def test_a_label_image_that_is_deleted_is_made_again(scanner):
    scanner.write("a.tif")
    scanner.after(0)
    scanner.after(60)
    (scanner.out / "a_labels.zarr").rmdir()
    assert scanner.after(60) == {"a.tif": "done"}
    assert scanner.calls == [("a.tif", False), ("a.tif", False)]


def test_two_slides_never_share_a_label_image(scanner):
    scanner.write("a.tif")
    scanner.write("a.zip")
    scanner.after(0)
    assert scanner.after(60) == {"a.tif": "done", "a.zip": "failed"}
    assert "label image of a.tif" in scanner.watch.slides["a.zip"].error


def test_the_next_process_goes_on(scanner):
    scanner.write("a.tif")
    scanner.after(0)
    scanner.after(60)
    scanner.write("b.tif")
    scanner.begin()
    scanner.after(0)
    assert scanner.after(60) == {"a.tif": "done", "b.tif": "done"}
    assert scanner.calls == [("a.tif", False), ("b.tif", False)]


def test_a_slide_on_which_the_process_dies_is_left_out_after_some_attempts(scanner):
    def dies(*_):
        raise SystemExit

    scanner.write("a.tif")
    scanner.write("b.tif")
    for _ in range(MOST_ATTEMPTS):
        scanner.begin()
        scanner.after(0)
        scanner.watch.look(scanner.now + 60)
        with pytest.raises(SystemExit):
            scanner.watch.segment("a.tif", dies, lambda: 0.0)
    scanner.begin()
    scanner.after(0)
    assert scanner.after(60) == {"a.tif": "failed", "b.tif": "done"}
    assert "ended 3 times" in scanner.watch.slides["a.tif"].error


def test_an_interruption_counts_as_no_attempt(scanner):
    def interrupted(*_):
        raise KeyboardInterrupt

    scanner.write("a.tif")
    scanner.after(0)
    scanner.watch.look(60)
    with pytest.raises(KeyboardInterrupt):
        scanner.watch.segment("a.tif", interrupted, lambda: 0.0)
    status = json.loads((scanner.out / "watch.json").read_text())
    assert status["slides"]["a.tif"]["state"] == "arriving"
    assert status["slides"]["a.tif"]["attempts"] == 0


@pytest.mark.parametrize("content", ["", "[]", '{"slides": 1}'])
def test_a_status_that_is_damaged_is_not_used(scanner, content, caplog):
    (scanner.out / "watch.json").write_text(content)
    scanner.begin()
    assert scanner.watch.slides == {}
    assert "is not used" in caplog.text


def test_a_watch_of_all_ends_when_nothing_is_left(scanner):
    scanner.write("a.tif")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        scanner.now += 30

    settings = WatchSettings(settle_s=60, every_s=5, once=True)
    status = watch(
        scanner.folder, scanner.out, scanner.segment_one, settings, lambda: scanner.now, sleep
    )
    assert status.slides["a.tif"].state == "done"
    assert pauses == [5, 5]


def test_results_inside_the_watched_folder_are_refused(scanner):
    with pytest.raises(OutputError, match="only read; name another `out_dir`"):
        watch(scanner.folder, scanner.folder / "out", scanner.segment_one, WatchSettings())
