"""A folder into which a scanner writes: each slide is segmented once it rests, one at a time.

The folder is only read. What became of each slide is in the status file beside the results, which the next
process reads, so a watch goes on after a restart; the label images that exist say the rest.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from morphinfer.errors import OutputError, SlideError
from morphinfer.images import Footprint, footprint, slides_below
from morphinfer.records import WatchedSlide, WatchStatus, parse_fields, to_plain
from morphinfer.runs.holders import hold

STATUS = "watch.json"
MOST_ATTEMPTS = 3
"""How often a slide that fails is tried, and one during which the process dies."""
RETRY_S = 600.0
"""Time between two attempts."""
SHARE = 20
"""A pause is at least so many times as long as the look before it, which may be slow on a share."""
log = logging.getLogger("morphinfer.watch")

Segmented = Mapping[str, Any]
"""A summary, or an object with ``error``."""
SegmentOne = Callable[[Path, bool], Segmented]
"""Segments a slide; the second argument says whether its label image is replaced."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """How a folder is watched."""

    settle_s: float = 60.0
    """A slide is complete once nothing of it has changed for so long."""
    every_s: float = 10.0
    """Shortest pause between two looks at the folder."""
    once: bool = False
    """End once every slide is done or has failed."""
    again: bool = False
    """Segment a slide again whose files changed after it was segmented."""


class Watch:
    """The slides of a folder, and what to do next; the caller says what time it is."""

    def __init__(self, folder: Path, out_dir: Path, settings: WatchSettings) -> None:
        self.folder, self.out_dir, self.settings = folder, out_dir, settings
        self.slides = _of_last_process(out_dir / STATUS)
        self._seen: dict[str, tuple[Footprint, float]] = {}
        self._tried: dict[str, float] = {}

    def look(self, now: float) -> None:
        """Look at the folder.

        Raises
        ------
        SlideError
            It cannot be listed.
        """
        names = {
            path.relative_to(self.folder).as_posix(): path for path in slides_below(self.folder)
        }
        self.slides = {
            name: self._state(name, footprint(path), now) for name, path in names.items()
        }
        self._save()

    def _state(self, name: str, present: Footprint, now: float) -> WatchedSlide:
        if name not in self._seen or self._seen[name][0] != present:
            self._seen[name] = present, now
        rests = not present.busy and now - self._seen[name][1] >= self.settings.settle_s
        fresh = WatchedSlide("arriving", present.files, present.size_bytes, present.newest_ns)
        slide = self.slides.get(name) or self._moved(name, fresh)
        if slide.labels and not Path(slide.labels).exists():  # it was deleted, to have a new one
            slide = self._moved(name, fresh)
        if (slide.files, slide.size_bytes, slide.newest_ns) != astuple(fresh)[1:4]:
            if slide.state in ("done", "changed") and not self.settings.again:
                return self._moved(name, replace(slide, state="changed"))
            slide = self._moved(name, replace(fresh, labels=slide.labels))
        slide = replace(slide, busy=present.busy)
        if slide.state == "failed" and self._is_tried_again(name, slide, now):
            slide = replace(slide, state="arriving")
        if slide.state == "arriving" and rests:
            slide = self._moved(name, replace(slide, state="waiting"))
        return slide

    def _is_tried_again(self, name: str, slide: WatchedSlide, now: float) -> bool:
        soon = self.settings.once or slide.attempts >= MOST_ATTEMPTS
        return not soon and now - self._tried.get(name, now) >= RETRY_S

    def next(self) -> str | None:
        """The slide that is segmented next: the one that rests the longest."""
        waiting = [name for name, slide in self.slides.items() if slide.state == "waiting"]
        return min(waiting, key=lambda name: self._seen[name][1], default=None)

    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return all(slide.state in ("done", "failed", "changed") for slide in self.slides.values())

    def segment(self, name: str, segment_one: SegmentOne, clock: Callable[[], float]) -> None:
        """Segment a slide; what comes of it is noted, also where the process ends meanwhile."""
        slide = self.slides[name]
        begun = replace(slide, state="segmenting", attempts=slide.attempts + 1, error="")
        self.slides[name] = self._moved(name, begun)
        self._save()
        began = clock()
        try:
            result = segment_one(self.folder / name, bool(slide.labels))
        except KeyboardInterrupt:
            self.slides[name] = replace(slide, state="arriving")
            self._save()
            raise
        self._tried[name] = clock()
        labels, error = str(result.get("labels", "")), str(result.get("error", ""))
        twin = next(
            (n for n, s in self.slides.items() if labels and s.labels == labels and n != name), ""
        )
        if twin:
            error = f"{labels} is the label image of {twin}; rename one of the slides"
        ended = replace(
            begun, state="failed" if error else "done", error=error,
            labels=slide.labels if error else labels, seconds=round(clock() - began, 3),
        )  # fmt: skip
        self.slides[name] = self._moved(name, ended)
        self._save()

    def _moved(self, name: str, slide: WatchedSlide) -> WatchedSlide:
        """The slide in its new state, which is logged where it is one."""
        before = self.slides.get(name)
        if before is not None and before.state == slide.state:
            return slide
        text = {
            "arriving": "is written",
            "waiting": f"is complete: {slide.files} files, {slide.size_bytes / 1e6:.1f} MB",
            "segmenting": f"is segmented, attempt {slide.attempts}",
            "done": f"is done in {slide.seconds:.0f} s: {slide.labels}",
            "failed": f"failed: {slide.error}",
            "changed": f"changed after it was segmented; delete {slide.labels}, or give `again=True`",
        }[slide.state]
        log.log(logging.WARNING if slide.state == "changed" else logging.INFO, "%s: %s", name, text)
        return slide

    def status(self) -> WatchStatus:
        """What the status file holds."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return WatchStatus(str(self.folder), os.getpid(), now, dict(self.slides))

    def _save(self) -> None:
        text = json.dumps(to_plain(self.status()), indent=1, ensure_ascii=False) + "\n"
        draft, target = self.out_dir / f".{STATUS}.part", self.out_dir / STATUS
        try:
            draft.write_text(text, encoding="utf-8")
            with suppress(
                PermissionError
            ):  # Windows, while another program reads it: the next one will do
                draft.replace(target)
        except OSError as problem:
            log.warning("%s: cannot be written (%s)", target, problem.strerror)


def _of_last_process(path: Path) -> dict[str, WatchedSlide]:
    """The slides of a status file, as a process that begins sees them; none without a sound file."""
    try:
        last = parse_fields(WatchStatus, json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, RecursionError) as problem:
        log.warning("%s: is not used (%s)", path, problem)
        return {}
    slides = {}
    for name, slide in last.slides.items():
        if slide.state == "segmenting" and slide.attempts >= MOST_ATTEMPTS:
            error = f"the process ended {slide.attempts} times while it was segmented"
            slide = replace(slide, state="failed", error=error)
        elif slide.state == "failed":
            slide = replace(slide, state="arriving", attempts=0, error="")
        elif slide.state in ("waiting", "segmenting"):
            slide = replace(slide, state="arriving")
        slides[name] = slide
    return slides


def watch(
    folder: Path,
    out_dir: Path,
    segment_one: SegmentOne,
    settings: WatchSettings,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> WatchStatus:
    """Segment the slides of a folder as they become complete; see `WatchSettings.once` for when it ends.

    Parameters
    ----------
    folder : Path
        Where slides are written; it is only read.
    out_dir : Path
        Where the status file lies, which exists and is not inside ``folder``.
    segment_one : callable
        Segments a slide; see `SegmentOne`.

    Raises
    ------
    OutputError
        Another process watches with the same ``out_dir``, or it lies inside ``folder``.
    SlideError
        The folder cannot be listed at the beginning.
    """
    if out_dir.resolve().is_relative_to(folder.resolve()):
        raise OutputError(
            f"{out_dir}: lies in {folder}, which is only read; name another `out_dir`"
        )
    with _alone(out_dir):
        slides = Watch(folder, out_dir, settings)
        slides.look(clock())
        while True:
            name = slides.next()
            if name is not None:
                slides.segment(name, segment_one, clock)
            elif settings.once and slides.is_over():
                return slides.status()
            began = clock()
            try:
                slides.look(began)
            except SlideError as problem:  # a share that is away for a while
                log.warning("%s", problem)
            if slides.next() is None and not (settings.once and slides.is_over()):
                sleep(max(settings.every_s, SHARE * (clock() - began)))


@contextmanager
def _alone(out_dir: Path) -> Iterator[None]:
    """Refuse to run beside another watch that writes into the same folder."""
    try:
        with hold(out_dir / STATUS):
            yield
    except OutputError as problem:
        raise OutputError(str(problem).replace("`out`", "`out_dir`")) from problem
