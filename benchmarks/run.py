"""All figures of the engine: a table, and benchmarks/results/DATE-engine.json.

    python benchmarks/run.py [--full] [--only NAME ...] [--slides FOLDER]

Slides are synthetic (`big_slides.py`) and kept in FOLDER. Without --full the slide of 65536 x 65536
pixels, which takes 20 minutes on two cores, is left out. Leave the machine alone meanwhile. The
comparison with other tools needs an environment of its own: `rivals.py`. What the day's file holds
of sections that are not measured again is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

import big_slides
import dense_vs_windows
import end_to_end
import kernels
import machine
import memory
import shards
import skipping
import startup

RESULTS = Path(__file__).parent / "results"
DEFAULT_SLIDES = Path(__file__).parent.parent / "runs" / "slides"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    name: str
    value: float
    goal: str
    met: bool


Slides = Callable[..., str]
Measured = tuple[dict[str, Any], list[Figure]]


def at_most(name: str, value: float, goal: float) -> Figure:
    """A figure that should not be larger."""
    return Figure(name, float(value), f"<= {goal:g}", bool(value <= goal))


def at_least(name: str, value: float, goal: float) -> Figure:
    """A figure that should not be smaller."""
    return Figure(name, float(value), f">= {goal:g}", bool(value >= goal))


def run_end_to_end(slides: Slides, full: bool) -> Measured:
    """`segment` against its own sessions, operations a second, decodes."""
    figures = end_to_end.measure(slides(16384))
    return figures, [
        at_most("segment / sessions alone, 16384 square", figures["ratio_to_sessions_alone"], 1.08),
        at_least("operations a second / matrix multiply", figures["share_of_matmul"], 0.65),
        at_most("decodes of a chunk by the tiles", figures["decodes_of_a_chunk"], 1.005),
        at_most("decodes of a chunk by the sample", figures["sampled_before"], 0.15),
    ]


def run_memory(slides: Slides, full: bool) -> Measured:
    """Peak memory and time a megapixel over sizes."""
    sides = [4096, 16384, *([65536] if full else [])]
    figures = {str(side): memory.measure(slides(side)) for side in sides}
    figures["4096, limit 350 MB"] = memory.measure(slides(4096), max_memory_mb=350)
    first, last = figures[str(sides[0])], figures[str(sides[-1])]
    peaks = [figures[str(side)]["peak_mb"] for side in sides]
    slower = last["seconds_per_megapixel"] / first["seconds_per_megapixel"]
    return figures, [
        at_most(f"peak memory, {sides[-1]} / 4096 square", max(peaks) / min(peaks), 1.05),
        at_most("peak memory, MB above the libraries", max(peaks), 800),
        at_most("the same with --max-memory 350", figures["4096, limit 350 MB"]["peak_mb"], 350),
        at_most(f"seconds a megapixel, {sides[-1]} / 4096 square", slower, 1.05),
    ]


def run_dense(slides: Slides, full: bool) -> Measured:
    """Dense against patch by patch."""
    figures = dense_vs_windows.measure(slides(4096), side=1024)
    ratios = {row["network"]: row["ratio"] for row in figures["networks"]}
    return figures, [
        at_least("dense / windows, P = 96", ratios["p096"], 50),
        at_least("dense / windows, P = 176", ratios["p176"], 150),
        at_least("dense / windows, five together", figures["ratio_of_times"], 50),
        at_most("largest difference of dense from windows", figures["largest_difference"], 1e-5),
    ]


def run_kernels(slides: Slides, full: bool) -> Measured:
    """Cython kernels against memcpy and NumPy."""
    figures = kernels.measure()
    memcpy = min(figures["cases"], key=lambda row: row["of_memcpy"]["median"])
    oracle = min(figures["cases"], key=lambda row: row["over_numpy"]["median"])
    return figures, [
        at_least(
            f"kernels / memcpy, slowest: {memcpy['case']}", memcpy["of_memcpy"]["median"], 0.5
        ),
        at_least(f"kernels / NumPy, slowest: {oracle['case']}", oracle["over_numpy"]["median"], 3),
    ]


def run_skipping(slides: Slides, full: bool) -> Measured:
    """A slide with 40 % tissue."""
    figures = skipping.measure(slides(8192, tissue=0.4))
    agreeing = figures["skipped_that_networks_call_background"]
    return figures, [
        at_most("time with / without skipping, 40 % tissue", figures["ratio"], 0.5),
        at_most(
            "labels that differ outside skipped positions", figures["differing_labels_outside"], 0
        ),
        at_least("skipped positions that networks call background", agreeing, 0.999),
    ]


def run_startup(slides: Slides, full: bool) -> Measured:
    """Command start to the first tile."""
    figures = startup.measure(slides(16384))
    return figures, [at_most("command start to first tile, s", figures["median_s"], 1.0)]


def run_shards(slides: Slides, full: bool) -> Measured:
    """Two processes against one."""
    figures = shards.measure(slides(8192))
    return figures, [
        at_least("two processes / one with two threads", figures["speed_of_two_over_one"], 0.9),
        at_least("chunks equal byte by byte", float(figures["chunks_equal"]), 1),
    ]


SECTIONS = {
    "startup": run_startup,
    "kernels": run_kernels,
    "dense": run_dense,
    "skipping": run_skipping,
    "shards": run_shards,
    "end_to_end": run_end_to_end,
    "memory": run_memory,
}


def slides_in(folder: Path) -> Slides:
    """What gives the path of a synthetic slide, made when it is first asked for."""
    folder.mkdir(parents=True, exist_ok=True)

    def slide(side: int, tissue: float = 1.0) -> str:
        path = folder / f"{side}-{tissue:g}.zarr"
        if not path.exists():
            big_slides.make(path, side, tissue=tissue)
        return str(path)

    return slide


@click.command()
@click.option("--full", is_flag=True, help="Also the slide of 65536 x 65536 pixels.")
@click.option("--only", multiple=True, type=click.Choice(list(SECTIONS)))
@click.option("--slides", type=click.Path(path_type=Path), default=DEFAULT_SLIDES)
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(full: bool, only: tuple[str, ...], slides: Path, out: Path | None) -> None:
    """Measure, print the table, and write the results."""
    target = out or RESULTS / f"{machine.describe()['date']}-engine.json"
    results = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    for name in only or SECTIONS:
        click.echo(f"measuring {name}", err=True)
        measured, figures = SECTIONS[name](slides_in(slides), full)
        results[name] = {
            "machine": machine.describe(),
            "figures": [asdict(figure) for figure in figures],
            "measured": measured,
        }
        target.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    Console(width=100).print(
        table(
            [
                Figure(**figure)
                for name in SECTIONS
                if name in results
                for figure in results[name]["figures"]
            ]
        )
    )
    click.echo(f"results  {target}")


def table(figures: list[Figure]) -> Table:
    """The figures for people."""
    shown = Table("figure", "measured", "to reach", "met")
    for figure in figures:
        shown.add_row(
            figure.name, f"{figure.value:.4g}", figure.goal, "yes" if figure.met else "NO"
        )
    return shown


if __name__ == "__main__":
    main()
