"""The card of a model set for people: Markdown out of card.json and figures.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from morphinfer.errors import ModelError
from morphinfer.images import staged
from morphinfer_training.config import CardConfig

CARD, FIGURES, README = "card.json", "figures.json", "README.md"
Table = Mapping[str, Any]


def write_cards(folder: Path, about: CardConfig | None = None) -> None:
    """Write README.md anew, and the figures into card.json, out of what stands in a set's folder.

    Parameters
    ----------
    folder : Path
        Folder of a model set.
    about : CardConfig, optional
        What the card says, in place of what the configuration said at the training: limits are often
        found after it. The model files keep what they were trained with.

    Raises
    ------
    ModelError
        The folder holds no card.json, or one of the two files is damaged.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        card.pop("figures", None)
        if (folder / FIGURES).exists():
            card["figures"] = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
        if about is not None:
            card["about"] = json.loads(json.dumps(asdict(about)))
        text = model_card(card)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as problem:
        raise ModelError(
            f"{folder}: its card cannot be read ({problem!r}); mend {FIGURES} if that is at fault, or "
            f"train again"
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
    told = card.get("figures", {}).get("sections", [])
    parts += [_figures(each, card["classes"]) for each in told if each.get("methods")]
    parts += [_files(card), _making(card)]
    return "\n\n".join(part for part in parts if part) + "\n"


def about_of(card: Table) -> Table:
    """What a card says of use and limits, with the defaults of ``CardConfig`` where it is silent."""
    told = card.get("about") or card["provenance"].get("config", {}).get("card", {})
    return {**asdict(CardConfig()), **told}


def _head(card: Table) -> str:
    about = about_of(card)
    count, size, stride = len(card["networks"]), card["pixel_size_um"], card["stride_px"]
    patches = ", ".join(f"{n['patch_size_px'] * size:.0f}" for n in card["networks"])
    lines = [
        f"# {card['name']}",
        about["description"],
        f"{count} padding-free networks for nuclei images at {size:g} micrometres a pixel, one "
        f"prediction every {stride} pixels ({stride * size:g} micrometres), patches of {patches} "
        f"micrometres. Classes: {', '.join(card['classes'])}.",
        _list({
            "Organism": about["organism"], "Stain": about["stain"],
            "Preparation": about["preparation"], "Intended use": about["intended_use"],
            "Licence": about["licence"], "Authors": ", ".join(about["authors"]),
        }),
    ]  # fmt: skip
    if about["limits"]:
        lines += ["## Limits", "\n".join(f"- {limit}" for limit in about["limits"])]
    return "\n\n".join(line for line in lines if line)


def _data(card: Table) -> str:
    told = card["provenance"]
    sections = "\n".join(_section_line(section, card["classes"]) for section in told["sections"])
    return f"## Data\n\n{sections}\n\nProtocol: {told['protocol']}"


def _section_line(section: Table, classes: Sequence[str]) -> str:
    counts = section["trained_cells"]
    cells = ", ".join(f"{counts[name]} {name}" for name in classes if counts.get(name))
    kind = " (synthetic)" if section.get("synthetic") else ""
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
        "## Validation on held-out cells\n\nAnother part of the same sections, **not** independent tissue; "
        "the step of each network, calibration, class factors and weights were chosen there.\n\n"
        + table(["network", "weight", "mean Dice", *names], rows)
    )
    notes = []
    for name, key in (("Class factors", "class_factors"), ("Temperatures", "temperatures")):
        if key in told:
            notes.append(f"{name}: {', '.join(f'{value:.2f}' for value in told[key])}.")
    if "calibration_error" in told:
        error = told["calibration_error"]
        notes.append(f"Expected calibration error of the fusion there: {error:.3f}.")
    return "\n\n".join([text, " ".join(notes)]) if notes else text


def _figures(section: Table, classes: Sequence[str]) -> str:
    names = section.get("classes", classes)
    head = ["method", *names, "mean Dice", "95 % interval", "above the random forest"]
    rows = [_method_row(method, names) for method in section["methods"]]
    kind = "an independent section" if section.get("independent") else "for the comparison"
    text = f"## {section['section']}: {kind}\n\n"
    if "cells" in section:
        text += f"{section['cells']} cells"
        if "blocks" in section and "block_um" in section:
            text += (
                f" in {section['blocks']} blocks of {section['block_um']:g} micrometres, which the "
                f"bootstrap draws"
            )
        text += ".\n\n"
    text += table(head, rows)
    if errors := section.get("errors_by_uncertainty"):
        shares = ", ".join(f"{share:.1%}" for share in errors)
        text += (
            f"\n\nWrong cells of the fusion, from its least to its most uncertain third: {shares}."
        )
    return text


def _method_row(method: Table, names: Sequence[str]) -> list[str]:
    dice, better = method.get("dice", {}), method.get("above_random_forest") or {}
    per_class = dice.get("per_class", {})
    interval = (method.get("intervals") or {}).get("mean")
    above = "" if better.get("mean") is None else f"{better['mean']:+.3f}"
    if above and better.get("interval"):
        above += " ({:+.3f} to {:+.3f})".format(*better["interval"])
    return [
        method["name"],
        *(show(per_class.get(name)) for name in names),
        show(dice.get("mean")),
        "{:.3f} to {:.3f}".format(*interval) if interval else "",
        above,
    ]


def _files(card: Table) -> str:
    rows = [[n["file"], f"`{n['sha256']}`"] for n in card["networks"]]
    return "## Files\n\n" + table(["file", "SHA-256"], rows)


def _making(card: Table) -> str:
    told = card["provenance"]
    versions = ", ".join(f"{name} {v}" for name, v in told["versions"].items())
    device = f", on {told['device']}" if "device" in told else ""
    text = (
        f"## How it was made\n\nTrained on {told['date'] or 'a day not told'} with {versions}, seed "
        f"{told['config']['seed']}{device}; the whole configuration stands in card.json and in each "
        f"file."
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
    if citations := about_of(card)["citations"]:
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
