"""How five networks are best run on a processor: speed and memory of the ways that were considered.

    python benchmarks/networks.py [--models SET] [--rounds N]

Every way runs in a process of its own, by turns, on the same random tiles in memory with all cores.
Told are megapixels (of tile, without halo) a second for all networks together, best and median over
the rounds, and the peak memory above that of the loaded networks. 'fused' is one graph that holds
the five as branches, each with its own crop of one input, made here with onnx.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import click
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table

from memory import peak_mb
from morphinfer import load_models
from morphinfer.networks.predictor import inner_start
from morphinfer.networks.session import ModelSet, available_cores

MEGAPIXELS = 8.0


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run the networks; the defaults are what morphinfer does on two cores."""

    tile_px: int = 1024
    workers: int = 2
    threads: int = 1
    fused: bool = False
    shared_arena: bool = True
    arena: bool = True
    memory_pattern: bool = False
    spinning: bool = False


WAYS = {
    "ours: two tiles side by side": Way(),
    "one tile on two threads": Way(workers=1, threads=2),
    "one tile, idle threads spin": Way(workers=1, threads=2, spinning=True),
    "fused graph, two side by side": Way(fused=True),
    "fused graph, one on two threads": Way(fused=True, workers=1, threads=2),
    "with memory patterns": Way(memory_pattern=True),
    "an arena for each network": Way(shared_arena=False),
    "no arena": Way(shared_arena=False, arena=False),
    "tiles of 512": Way(tile_px=512),
    "tiles of 1536": Way(tile_px=1536),
    "tiles of 2048": Way(tile_px=2048),
}


def measure(models: str = "hippocampus", rounds: int = 3) -> dict[str, Any]:
    """All ways, by turns."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            command = [
                sys.executable,
                __file__,
                "--models",
                models,
                "--way",
                json.dumps(asdict(way)),
            ]
            found[name].append(json.loads(subprocess.check_output(command, text=True)))
    return {
        name: {
            "way": asdict(WAYS[name]),
            "median": float(np.median([run["megapixels_per_second"] for run in runs])),
            "best": max(run["megapixels_per_second"] for run in runs),
            "peak_mb": max(run["peak_mb"] for run in runs),
        }
        for name, runs in found.items()
    }


def run(models: str, way: Way) -> dict[str, float]:
    """One way, in this process."""
    found = load_models(models)
    predict = fused(found, way) if way.fused else separate(found, way)
    size = way.tile_px - found.card.stride_px + found.patch_size_px
    tile = np.random.default_rng(0).random((1, 1, size, size), np.float32)
    loaded = peak_mb()
    count = max(2 * way.workers, round(MEGAPIXELS * 1e6 / way.tile_px**2))
    with ThreadPoolExecutor(way.workers) as pool:
        list(pool.map(predict, [tile] * way.workers))
        started = time.perf_counter()
        list(pool.map(predict, [tile] * count))
        seconds = time.perf_counter() - started
    pace = count * way.tile_px**2 / 1e6 / seconds
    return {"megapixels_per_second": pace, "peak_mb": peak_mb() - loaded}


def options(way: Way) -> Any:
    """Session options of a way."""
    told = ort.SessionOptions()
    told.log_severity_level = 4
    told.intra_op_num_threads = way.threads
    told.enable_mem_pattern = way.memory_pattern
    told.enable_cpu_mem_arena = way.arena
    told.add_session_config_entry("session.intra_op.allow_spinning", str(int(way.spinning)))
    if way.shared_arena:
        told.add_session_config_entry("session.use_env_allocators", "1")
    return told


def separate(models: ModelSet, way: Way) -> Callable[[np.ndarray], None]:
    """Five sessions, each on its crop."""
    if way.shared_arena:
        place = ort.OrtMemoryInfo(
            "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
        )
        ort.create_and_register_allocator(place, None)
    sessions = [ort.InferenceSession(str(f.path), options(way)) for f in models.files]
    starts = list(crops(models))

    def predict(tile: np.ndarray) -> None:
        for session, start in zip(sessions, starts, strict=True):
            stop = tile.shape[2] - start
            part = np.ascontiguousarray(tile[:, :, start:stop, start:stop])
            session.run(None, {session.get_inputs()[0].name: part})

    return predict


def crops(models: ModelSet) -> Iterator[int]:
    """Pixels that each network's own patch leaves out on every side."""
    for file in models.files:
        yield inner_start(models.patch_size_px, file.card.patch_size_px, models.card.stride_px)


def fused(models: ModelSet, way: Way) -> Callable[[np.ndarray], None]:
    """One graph with a branch for each network."""
    if way.shared_arena:
        separate(models, way)  # registers the arena
    nodes, initializers, outputs = [], [numpy_helper.from_array(np.array([2, 3]), "axes")], []
    for k, (file, start) in enumerate(zip(models.files, crops(models), strict=True)):
        graph = onnx.load(file.path).graph
        ends = np.array([-start if start else np.iinfo(np.int64).max] * 2)
        initializers += [
            numpy_helper.from_array(np.array([start] * 2), f"from{k}"),
            numpy_helper.from_array(ends, f"to{k}"),
        ]
        nodes.append(helper.make_node("Slice", ["x", f"from{k}", f"to{k}", "axes"], [f"in{k}"]))
        names = {graph.input[0].name: f"in{k}"}
        for tensor in graph.initializer:
            names[tensor.name] = tensor.name = f"{tensor.name}_{k}"
            initializers.append(tensor)
        for node in graph.node:
            node.name = f"{node.op_type}_{k}_{len(nodes)}"
            node.input[:] = [names[name] for name in node.input]
            names.update({name: f"{name}_{k}" for name in node.output})
            node.output[:] = [names[name] for name in node.output]
            nodes.append(node)
        shape = [1, len(file.card.classes), None, None]
        outputs.append(
            helper.make_tensor_value_info(names[graph.output[0].name], TensorProto.FLOAT, shape)
        )
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, None, None])
    whole = helper.make_graph(nodes, "five", [entry], outputs, initializers)
    opset = onnx.load(models.files[0].path).opset_import
    model = helper.make_model(whole, opset_imports=opset, ir_version=9)
    session = ort.InferenceSession(model.SerializeToString(), options(way))
    return lambda tile: session.run(None, {"x": tile})


@click.command()
@click.option("--models", default="hippocampus", show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--way", hidden=True, help="Run one way in this process.")
def main(models: str, rounds: int, way: str | None) -> None:
    """Measure all ways; print a table and one JSON object."""
    if way is not None:
        click.echo(json.dumps(run(models, Way(**json.loads(way)))))
        return
    told = measure(models, rounds)
    table = Table("way", "Mpx/s, median", "best", "memory, MB", title=f"{available_cores()} cores")
    for name, row in told.items():
        table.add_row(name, f"{row['median']:.2f}", f"{row['best']:.2f}", f"{row['peak_mb']:.0f}")
    Console(stderr=True, width=100).print(table)
    click.echo(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
