"""The section of the report on the models: origin, intended use, limits and learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from morphinfer.records import RunFit, RunModels
from morphinfer.reports.markup import escaped
from morphinfer.reports.svg import Curve, line_chart

ABOUT = {
    "organism": "organism",
    "stain": "stain",
    "preparation": "preparation",
    "intended_use": "intended use",
    "licence": "licence",
    "authors": "authors",
}
UNUSED = (
    "<p class='soft'>A network of weight 0 is not run: on the held-out positions it added little or "
    "nothing to the others.</p>"
)
STATISTICS = {
    "skewness": "skewness of the intensities (negative: dark nuclei)",
    "grain": "grain: details of 1 pixel over those of 2 (4 in noise, 0.25 after blur)",
    "detail_um": "size of the details, µm",
    "peaks": "bright peaks per square of 100 µm",
}


def models_section(models: RunModels, fit: RunFit | None = None) -> str:
    """Origin, use, limits and learning curves of the models, from a run record."""
    provenance = models.provenance
    head = "<h2>Models</h2>\n"
    if not provenance:
        return (
            f"{head}<p>The set <b>{_text(models.name)}</b>. The run record does not describe its "
            f"training.</p>"
        )
    parts = (
        _limits(provenance),
        _fit(fit),
        _networks(provenance),
        _compared(provenance),
        _curves(provenance),
    )
    return head + _origin(models.name, provenance) + "".join(parts)


def _origin(name: str, provenance: Mapping[str, Any]) -> str:
    card = provenance.get("card", {})
    entries = {"set": name, "trained on": provenance.get("date")}
    entries["sections"] = "; ".join(map(_section, provenance.get("sections", [])))
    entries["protocol"] = provenance.get("protocol")
    entries |= {label: card.get(key) for key, label in ABOUT.items()}
    rows = "".join(f"<dt>{label}<dd>{_text(value)}" for label, value in entries.items() if value)
    description = card.get("description")
    return (f"<p>{_text(description)}</p>" if description else "") + f"<dl>{rows}</dl>"


def _section(section: Any) -> str:
    """One training section: its name, and the number of positions of each class."""
    if not isinstance(section, Mapping):
        return str(section)
    positions = section.get("trained_cells", {})
    counts = ", ".join(f"{count} {name}" for name, count in positions.items() if count)
    kind = " (synthetic)" if section.get("synthetic") else ""
    return (
        f"{section.get('name', 'a section')}{kind}"
        + (f": {counts} positions" if counts else "")
        + _reference(section)
    )


def _reference(section: Mapping[str, Any]) -> str:
    """Genes and region of interest of the reference of a section, if the card states them."""
    reference = section.get("reference")
    genes = reference.get("genes") if isinstance(reference, Mapping) else None
    if not isinstance(genes, Mapping) or not isinstance(reference, Mapping):
        return ""
    spots = reference.get("spots") or {}
    thresholds = reference.get("thresholds") or {}
    classes = "; ".join(
        f"{name} = {' + '.join(map(str, _listed(each)))} "
        f"({f'threshold {thresholds[name]}' if name in thresholds else 'a cluster'}, "
        f"{spots.get(name)} spots)"
        for name, each in genes.items()
    )
    roi = reference.get("roi")
    part = (
        "" if not isinstance(roi, Mapping) else f", only inside {roi.get('file', 'reach of spots')}"
    )
    return f", reference: {classes}{part}"


def _limits(provenance: Mapping[str, Any]) -> str:
    limits = provenance.get("card", {}).get("limits")
    if not limits:
        return ""
    items = "".join(f"<li>{_text(limit)}" for limit in _listed(limits))
    return f"<p><b>Limits</b></p><ul>{items}</ul>"


def _fit(fit: RunFit | None) -> str:
    """The slide beside the training sections, or why they were not compared."""
    if fit is None or not fit.training:
        return ""
    if not fit.checked or fit.distance is None:
        return (
            f"<p class='soft'>Whether the slide looks like the training sections was not checked: "
            f"{_text(fit.reason)}.</p>"
        )
    head = "".join(f"<th>{_text(name)}" for name in fit.training)
    rows = "".join(
        f"<tr><td>{_text(STATISTICS.get(name, name))}<td>{value:.3g}"
        + "".join(f"<td>{each[name]:.3g}" for each in fit.training.values())
        + f"<td>{fit.departures[name]:+.2f}"
        for name, value in fit.slide.items()
    )
    return (
        f"<div class='wide'><table><tr><th>how the slide looks<th>slide{head}<th>departure{rows}"
        f"</table></div><p class='soft'>Departures are from {_text(fit.nearest)}, the training section "
        f"that looks most like the slide, in units of what is tolerated. Together they are a distance of "
        f"{fit.distance:.2f}; beyond 1 there is a warning.</p>"
    )


def _networks(provenance: Mapping[str, Any]) -> str:
    """A row for each network, with its Dice on the held-out positions if the cards state it."""
    figures = provenance.get("validation", {}).get("networks", {})
    rows = []
    for name, network in provenance.get("networks", {}).items():
        dice = figures.get(name, {}).get("mean")
        rows.append(
            f"<tr><td>{_text(name)}<td>{_text(network['patch_size_px'])}<td>"
            f"{network['fusion_weight']:.3f}<td>{_number(dice)}"
        )
    fused = provenance.get("validation", {}).get("fused", {}).get("mean")
    if fused is not None:
        rows.append(f"<tr class='total'><td>fused<td><td><td>{fused:.3f}")
    weights = [n["fusion_weight"] for n in provenance.get("networks", {}).values()]
    unused = "" if min(weights, default=1) > 0 else UNUSED
    head = "<tr><th>network<th>patch, px<th>weight<th>held-out Dice"
    note = (
        "<p class='soft'>Held-out positions lie in parts of the training sections that were not "
        "trained on; their Dice does not say how well the set works on another animal.</p>"
    )
    return f"<div class='wide'><table>{head}{''.join(rows)}</table></div>{unused}{note if figures else ''}"


def _compared(provenance: Mapping[str, Any]) -> str:
    """The networks beside other methods on each part of sections that was measured."""
    parts = []
    for section in provenance.get("figures", []):
        kind = "an independent section" if section["independent"] else "no independent tissue"
        rows = "".join(
            f"<tr><td>{_text(each['name'])}<td>{_number(each['mean_dice'])}<td>{_range(each['interval'])}"
            for each in section["methods"]
        )
        parts.append(
            f"<p><b>{_text(section['section'])}</b> ({kind}). {_text(section['verdict'])}</p>"
            f"<div class='wide'><table><tr><th>method<th>mean Dice<th>95 % interval{rows}</table></div>"
        )
    return "<h2>Networks and baselines</h2>\n" + "".join(parts) if parts else ""


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _range(interval: Sequence[float] | None) -> str:
    return "{:.3f} to {:.3f}".format(*interval) if interval else "n/a"


def _curves(provenance: Mapping[str, Any]) -> str:
    """Training loss and Dice on held-out positions by step."""
    history = provenance.get("history", {})
    charts = [
        line_chart(_series(history, key), x_label="step", y_label=label)
        for key, label in (("loss", "training loss"), ("mean_dice", "mean Dice, held-out"))
    ]
    head = "<h2>Learning curves</h2>\n"
    if not any(charts):
        return f"{head}<p>The models have no learning curves.</p>"
    return f"{head}<div class='charts'>{''.join(f'<figure>{chart}</figure>' for chart in charts)}</div>"


def _series(history: Mapping[str, Any], key: str) -> dict[str, Curve]:
    return {
        name: (curve["step"], curve[key])
        for name, curve in history.items()
        if curve.get("step") and curve.get(key)
    }


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _text(value: Any) -> str:
    return escaped(", ".join(map(str, _listed(value))))
