"""Model card of a set: README.md in Markdown, generated from card.json and figures.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from morphinfer_training.config import CardConfig

Table = Mapping[str, Any]
BRIGHTNESS = {
    "blind": "The networks are blind to brightness: they see structure, and hardly how bright it is.",
    "seen": "The networks see brightness: nuclei brighter or fainter than on the training sections, "
    "after normalisation, can change the labels.",
}
"""By the key `brightness` of the configuration."""


def model_card(card: Table) -> str:
    """Model card in Markdown: use and limits, data, protocol, figures, hashes, history.

    Parameters
    ----------
    card : mapping
        Content of card.json.
    """
    parts = [_head(card), _data(card), _validation(card), _test(card)]
    measured = card.get("figures", {}).get("sections", [])
    parts += [_figures(each, card["classes"]) for each in measured if each.get("methods")]
    parts += [_files(card), _training(card)]
    return "\n\n".join(part for part in parts if part) + "\n"


def about_of(card: Table) -> Table:
    """Use and limits of a card, with the defaults of ``CardConfig`` for missing entries."""
    return {**asdict(CardConfig()), **card["provenance"].get("config", {}).get("card", {})}


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
        BRIGHTNESS[card["provenance"].get("config", {}).get("brightness", "blind")],
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
    provenance = card["provenance"]
    sections = "\n".join(_section_line(each, card["classes"]) for each in provenance["sections"])
    return f"## Data\n\n{sections}\n\nProtocol: {provenance['protocol']}"


def _section_line(section: Table, classes: Sequence[str]) -> str:
    counts = section["trained_cells"]
    positions = ", ".join(f"{name} {counts[name]}" for name in classes if counts.get(name))
    kind = " (synthetic)" if section.get("synthetic") else ""
    held_out = section["held_out_cells"]
    test = f"; test part: {section['test_cells']}" if "test_cells" in section else ""
    counts = f"training positions: {positions}; held out: {held_out}{test}"
    return f"- {section['name']}{kind}: {counts}{_reference(section)}"


def _reference(section: Table) -> str:
    """Genes, thresholds, spots and region of interest of the reference of a section."""
    reference = section.get("reference") or {}
    if not reference.get("genes"):
        return ""
    classes = "; ".join(
        f"{name} = {_rule(genes, reference['thresholds'].get(name))}, {reference['spots'][name]} spots"
        for name, genes in reference["genes"].items()
    )
    roi = reference.get("roi")
    inside = roi and (roi.get("file") or f"{roi['near_spots_um']:g} micrometres around spots")
    part = f"; only inside {inside}" if inside else ""
    return f"; reference: {classes} of {reference['table']['used']} in {reference['table']['name']}{part}"


def _rule(genes: Sequence[str], threshold: float | None) -> str:
    if threshold is None:
        return f"cluster of {', '.join(genes)}"
    return f"{' + '.join(genes)} from {threshold:.3g} on"


def _validation(card: Table) -> str:
    validation, names = card["provenance"]["validation"], card["classes"]
    weights = {n["network"]: f"{n['fusion_weight']:.3f}" for n in card["networks"]}
    rows = [
        [
            name,
            weights.get(name, ""),
            show(dice["mean"]),
            *(show(dice["per_class"][c]) for c in names),
        ]
        for name, dice in [*validation["networks"].items(), ("fused", validation["fused"])]
    ]
    text = (
        "## Validation on held-out positions\n\nThe held-out positions are in the same sections, **not** in "
        "independent tissue. Calibration, class factors, weights and, in earlier sets, the step of each "
        "network were chosen on them.\n\n" + table(["network", "weight", "mean Dice", *names], rows)
    )
    notes = []
    for kind, figures in validation.get("brightness", {}).items():
        notes.append(
            f"Trained as {kind}, the mean Dice is {show(figures['held_out'])} as scanned and "
            f"{show(figures['scanners'])} under simulated scanners (mean {show(figures['mean'])})."
        )
    for name, key in (("Class factors", "class_factors"), ("Temperatures", "temperatures")):
        if key in validation:
            notes.append(f"{name}: {', '.join(f'{value:.2f}' for value in validation[key])}.")
    if "calibration_error" in validation:
        error = validation["calibration_error"]
        notes.append(f"Expected calibration error of the fusion: {error:.3f}.")
    return "\n\n".join([text, " ".join(notes)]) if notes else text


def _test(card: Table) -> str:
    """The figures of the test part of the training sections; empty without one."""
    test, names = card["provenance"].get("test"), card["classes"]
    if test is None:
        return ""
    rows = [
        [name, show(dice["mean"]), *(show(dice["per_class"][c]) for c in names)]
        for name, dice in [*test["networks"].items(), ("fused", test["fused"])]
    ]
    intervals = test["intervals"]
    ends = [intervals["mean"], *(intervals["per_class"][c] for c in names)]
    rows.append(
        ["95 % interval of fused", *("{:.3f} to {:.3f}".format(*e) if e else "n/a" for e in ends)]
    )
    return (
        f"## Test part of the training sections\n\n{test['part']}, {test['cells']} positions: measured "
        f"once, after all choices. No pixel of it entered a network before. It is other tissue of the same "
        f"sections, **not** of another animal or donor. Intervals: bootstrap over {intervals['blocks']} "
        f"blocks of {intervals['block_um']:g} micrometres.\n\n"
        + table(["network", "mean Dice", *names], rows)
    )


def _figures(section: Table, classes: Sequence[str]) -> str:
    names = section.get("classes", classes)
    head = ["method", *names, "mean Dice", "95 % interval", "above the random forest"]
    rows = [_method_row(method, names) for method in section["methods"]]
    kind = "an independent section" if section.get("independent") else "for comparison"
    kind = section.get("relation") or kind
    text = f"## {section['section']}: {kind}\n\n"
    if "cells" in section:
        text += f"{section['cells']} positions"
        if "blocks" in section and "block_um" in section:
            text += (
                f" in {section['blocks']} blocks of {section['block_um']:g} micrometres, which the "
                f"bootstrap resamples"
            )
        text += ".\n\n"
    text += table(head, rows)
    if "verdict" in section:
        text += f"\n\n{section['verdict']}"
    if errors := section.get("errors_by_uncertainty"):
        shares = ", ".join(f"{share:.1%}" for share in errors)
        text += (
            f"\n\nShare of wrong positions of the fusion, from the least to the most uncertain third: "
            f"{shares}."
        )
    return text


def _method_row(method: Table, names: Sequence[str]) -> list[str]:
    dice, better = method.get("dice", {}), method.get("above_random_forest") or {}
    per_class = dice.get("per_class", {})
    interval = (method.get("intervals") or {}).get("mean")
    itself = better.get("mean") is None or method["name"] == "random forest"
    above = "" if itself else f"{better['mean']:+.3f}"
    if above and better.get("interval"):
        above += " ({:+.3f} to {:+.3f})".format(*better["interval"])
    return [
        "plain mean of the networks" if method["name"] == "mean" else method["name"],
        *(show(per_class.get(name)) for name in names),
        show(dice.get("mean")),
        "{:.3f} to {:.3f}".format(*interval) if interval else "",
        above,
    ]


def _files(card: Table) -> str:
    rows = [[n["file"], f"`{n['sha256']}`"] for n in card["networks"]]
    return "## Files\n\n" + table(["file", "SHA-256"], rows)


def _training(card: Table) -> str:
    provenance = card["provenance"]
    versions = ", ".join(f"{name} {v}" for name, v in provenance["versions"].items())
    device = f", on {provenance['device']}" if "device" in provenance else ""
    text = (
        f"## Training\n\nTrained on {provenance['date'] or 'an unknown date'} with {versions}, seed "
        f"{provenance['config']['seed']}{device}. card.json and each model file contain the whole "
        f"configuration."
    )
    history = provenance.get("history", {})
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
    """Markdown table of a head and rows."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(value) for value in line) + " |" for line in lines)


def _list(items: Mapping[str, str | None]) -> str:
    return "\n".join(f"- {name}: {text}" for name, text in items.items() if text)


def show(value: float | None) -> str:
    """A score with three decimals, or 'n/a' if it is undefined.

    >>> show(0.75), show(None)
    ('0.750', 'n/a')
    """
    return "n/a" if value is None else f"{value:.3f}"
