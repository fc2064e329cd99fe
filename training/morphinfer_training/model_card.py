"""The card of a model set for people: Markdown out of card.json and figures.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from morphinfer.errors import ModelError
from morphinfer.staging import staged

CARD, FIGURES, README = "card.json", "figures.json", "README.md"
Table = Mapping[str, Any]


def write_cards(folder: Path) -> None:
    """Write README.md anew, and the figures into card.json, out of what stands in a set's folder.

    Raises
    ------
    ModelError
        The folder holds no card.json, or one of the two files is damaged.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if (folder / FIGURES).exists():
            card["figures"] = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
        text = model_card(card)
    except (OSError, ValueError, LookupError, TypeError) as problem:
        raise ModelError(
            f"{folder}: its card cannot be read ({problem!r}); train again"
        ) from problem
    for name, content in ((CARD, card_text(card)), (README, text)):
        with staged(folder / name, overwrite=True) as partial:
            partial.write_text(content, encoding="utf-8")


def card_text(card: Table) -> str:
    """JSON of a card."""
    return json.dumps(card, indent=2, sort_keys=True) + "\n"


def model_card(card: Table) -> str:
    """Model card in Markdown: use and limits, data, protocol, figures, hashes, history."""
    parts = [_head(card), _data(card), _validation(card)]
    parts += [_figures(each) for each in card.get("figures", {}).get("sections", [])]
    parts += [_files(card), _making(card)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(card: Table) -> str:
    told = card["provenance"]
    about = told["config"].get("card", {})
    count, size, stride = len(card["networks"]), card["pixel_size_um"], card["stride_px"]
    patches = ", ".join(f"{n['patch_size_px'] * size:.0f}" for n in card["networks"])
    lines = [
        f"# {card['name']}",
        about.get("description", ""),
        f"{count} padding-free networks for nuclei images at {size:g} micrometres a pixel, one "
        f"prediction every {stride} pixels ({stride * size:g} micrometres), patches of {patches} "
        f"micrometres. Classes: {', '.join(card['classes'])}.",
        _list({
            "Organism": about.get("organism"), "Stain": about.get("stain"),
            "Preparation": about.get("preparation"), "Intended use": about.get("intended_use"),
            "Licence": about.get("licence"), "Authors": ", ".join(about.get("authors", [])),
        }),
    ]  # fmt: skip
    if about.get("limits"):
        lines += ["## Limits", "\n".join(f"- {limit}" for limit in about["limits"])]
    return "\n\n".join(line for line in lines if line)


def _data(card: Table) -> str:
    told = card["provenance"]
    sections = "\n".join(map(_section_line, told["sections"]))
    return f"## Data\n\n{sections}\n\nProtocol: {told['protocol']}"


def _section_line(section: Table) -> str:
    cells = ", ".join(f"{n} {name}" for name, n in section["trained_cells"].items() if n)
    kind = " (synthetic)" if section["synthetic"] else ""
    held_out = section["held_out_cells"]
    return f"- {section['name']}{kind}: {cells} cells trained on, {held_out} held out"


def _validation(card: Table) -> str:
    told, names = card["provenance"]["validation"], card["classes"]
    weights = {n["network"]: f"{n['fusion_weight']:.3f}" for n in card["networks"]}
    rows = [
        [
            name,
            weights.get(name, ""),
            show(dice["mean"]),
            *(show(dice["per_class"][c]) for c in names),
        ]
        for name, dice in [*told["networks"].items(), ("fused", told["fused"])]
    ]
    text = (
        "## On the held-out cells\n\nAnother part of the same sections, **not** independent tissue; "
        "the step of each network, temperatures, class factors and weights were chosen there.\n\n"
        + table(["network", "weight", "mean Dice", *names], rows)
    )
    if "calibration_error" in told:
        heat = ", ".join(f"{t:.2f}" for t in told["temperatures"])
        text += (
            f"\n\nTemperatures: {heat}. Expected calibration error of the fusion there: "
            f"{told['calibration_error']:.3f}."
        )
    return text


def _figures(section: Table) -> str:
    names = section["classes"]
    rows = []
    for method in section["methods"]:
        dice, better = method["dice"], method.get("above_random_forest", {})
        interval = method.get("intervals", {}).get("mean")
        shown = "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
        above = better.get("mean")
        rows.append([
            method["name"], *(show(dice["per_class"][c]) for c in names), show(dice["mean"]), shown,
            "" if above is None else f"{above:+.3f}",
        ])  # fmt: skip
    kind = "an independent section" if section["independent"] else "for the comparison"
    head = ["method", *names, "mean Dice", "95 % interval", "above the random forest"]
    return (
        f"## {section['section']}: {kind}\n\n{section['cells']} cells in {section['blocks']} blocks of "
        f"{section['block_um']:g} micrometres, which the bootstrap draws.\n\n{table(head, rows)}"
    )


def _files(card: Table) -> str:
    rows = [[n["file"], f"`{n['sha256']}`"] for n in card["networks"]]
    return "## Files\n\n" + table(["file", "SHA-256"], rows)


def _making(card: Table) -> str:
    told = card["provenance"]
    versions = ", ".join(f"{name} {v}" for name, v in told["versions"].items())
    text = (
        f"## How it was made\n\nTrained on {told['date'] or 'a day not told'} with {versions}, seed "
        f"{told['config']['seed']}, on {told['device']}; the whole configuration stands in card.json "
        f"and in each file."
    )
    history = told.get("history", {})
    rows = [
        [name, h["step"][-1], show(h["loss"][-1]), show(max(h["mean_dice"]))]
        for name, h in history.items()
        if h["step"]
    ]
    if rows:
        head = ["network", "steps", "last loss", "best held-out Dice"]
        text += "\n\n" + table(head, rows)
    citations = told["config"].get("card", {}).get("citations", [])
    if citations:
        text += "\n\nCite:\n\n" + "\n".join(f"- {c}" for c in citations)
    return text


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _list(told: Mapping[str, str | None]) -> str:
    return "\n".join(f"- {name}: {text}" for name, text in told.items() if text)


def show(value: float | None) -> str:
    """A score with three decimals, 'n/a' where it is undefined."""
    return "n/a" if value is None else f"{value:.3f}"
