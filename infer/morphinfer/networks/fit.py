"""Whether a slide looks like those that a model set was trained on.

The cards hold how each training section looks (`tiles.appearance`). The distance of a slide from a
section is the root of the summed squares of its departures, each in units of a tolerance: about what
sharpness, gamma, noise and a pixel size that is 20 % off change without harm to the map. A slide that
is farther than 1 from every section is said not to fit. docs/methods.md says how well that separates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from morphinfer.errors import ModelError
from morphinfer.networks.session import ModelSet
from morphinfer.records import RunFit
from morphinfer.tiles import STATISTICS, Appearance

APPEARANCE_KEY = "appearance"
"""Of a section in the provenance of a card."""
TOLERANCE = {
    "skewness": (2.0, 4.0),
    "grain": (0.25, 0.8),
    "detail_um": (0.4, 0.4),
    "peaks": (0.35, 0.35),
}
"""Departures below and above that count as 1: of the value, of its decimal logarithm (grain, peaks), of
its binary logarithm (detail)."""
LIMIT = 1.0
"""Distance beyond which a slide does not fit."""
NOISE = 1.0
"""Grain beyond which details of a single pixel prevail."""
NAMED_SHARE = 0.2
"""Least share of the squared distance of a statistic that the warning names."""


def compare(sections: Mapping[str, Appearance], slide: Appearance | None) -> RunFit:
    """How a slide compares with the training sections of a set.

    Parameters
    ----------
    sections : Mapping
        How the training sections look, by name; see `training_appearances`.
    slide : Appearance, optional
        How the slide looks; None where too little tissue was seen.
    """
    if not sections:
        return RunFit(checked=False, reason="the cards of the models hold no statistics")
    training = {name: _medians(each) for name, each in sections.items()}
    if slide is None:
        return RunFit(
            checked=False, reason="too little tissue in a sample of the slide", training=training
        )
    medians = _medians(slide)
    departures = {name: _departures(medians, each) for name, each in training.items()}
    distances = {name: math.hypot(*each.values()) for name, each in departures.items()}
    nearest = min(distances, key=lambda name: distances[name])
    return RunFit(
        checked=True,
        reason=f"{nearest} is the training section that looks most like it",
        slide=medians,
        training=training,
        nearest=nearest,
        departures={name: round(each, 3) for name, each in departures[nearest].items()},
        distance=round(distances[nearest], 3),
    )


def training_appearances(models: ModelSet) -> dict[str, Appearance]:
    """How the training sections of a set look, by name; empty for a set whose cards do not say.

    Raises
    ------
    ModelError
        A card holds statistics that cannot be read.
    """
    sections = models.card.provenance.get("sections")
    if not isinstance(sections, list):
        return {}
    known = [s for s in sections if isinstance(s, Mapping) and APPEARANCE_KEY in s]
    try:
        return {str(s.get("name", k)): _appearance(s[APPEARANCE_KEY]) for k, s in enumerate(known)
                if s[APPEARANCE_KEY] is not None}  # fmt: skip
    except (ValueError, TypeError, LookupError, AttributeError) as problem:
        raise ModelError(
            f"{models.path}: the '{APPEARANCE_KEY}' of a section in its card cannot be read "
            f"({problem!r}); export the set again"
        ) from problem


def _appearance(plain: Any) -> Appearance:
    values = {}
    for name in STATISTICS:
        low, middle, high = map(float, plain[name])
        if not (low <= middle <= high and math.isfinite(high - low)):
            raise ValueError(f"{name}: {plain[name]}")
        values[name] = (low, middle, high)
    return Appearance(**values)


def _medians(appearance: Appearance) -> dict[str, float]:
    return {name: getattr(appearance, name)[1] for name in STATISTICS}


def _departures(slide: Mapping[str, float], section: Mapping[str, float]) -> dict[str, float]:
    """Departure of each statistic in units of its tolerance; negative where the slide has less."""
    result = {}
    for name, (below, above) in TOLERANCE.items():
        difference = _scaled(name, slide[name]) - _scaled(name, section[name])
        result[name] = difference / (below if difference < 0 else above)
    return result


def _scaled(name: str, value: float) -> float:
    if name == "skewness":
        return value
    if name == "detail_um":
        return math.log2(max(value, 1e-6))
    return math.log10(max(value, 0.0) + (0.5 if name == "peaks" else 1e-6))


def misfit(fit: RunFit, slide: str, models: str) -> str | None:
    """The sentence that warns of a slide that does not fit; None where it fits or was not checked.

    Parameters
    ----------
    fit : RunFit
        Result of `compare`.
    slide : str
        Path or name of the slide, with which the sentence begins.
    models : str
        Name of the set.
    """
    if not fit.checked or fit.distance is None or fit.distance <= LIMIT:
        return None
    departures = fit.departures
    if fit.slide["grain"] > NOISE:  # the other statistics are then those of the noise
        named = ["skewness", "grain"] if fit.slide["skewness"] < 0 else ["grain"]
    else:
        least = NAMED_SHARE * fit.distance**2
        named = [name for name in departures if departures[name] ** 2 >= least]
        named.sort(key=lambda name: -abs(departures[name]))
    clauses = "; ".join(_clause(name, fit) for name in named)
    return (
        f"{slide}: does not look like the training sections of the model set '{models}': {clauses}; "
        f"it is segmented all the same, so check channel, pixel size and tissue before using the labels"
    )


WORDS = {
    ("skewness", False): "fewer bright nuclei stand out from dark ground",
    ("skewness", True): "a few spots are far brighter than the rest",
    ("grain", False): "it is blurred or smoothed",
    ("grain", True): "it is noisy",
    ("detail_um", False): "its details are finer: smaller nuclei, or a pixel size stated too small",
    (
        "detail_um",
        True,
    ): "its details are coarser: larger nuclei, blur, or a pixel size stated too large",
    ("peaks", False): "it has fewer nuclei",
    ("peaks", True): "it has more nuclei",
}
UNITS = {
    "skewness": "skewness {}",
    "grain": "grain {}",
    "detail_um": "{} micrometres",
    "peaks": "{} peaks per square of 100 micrometres",
}


def _clause(name: str, fit: RunFit) -> str:
    value = fit.slide[name]
    known = [each[name] for each in fit.training.values()]
    words = WORDS[name, fit.departures[name] > 0]
    if name == "skewness" and value < 0:
        words = "its nuclei are dark on bright ground, as in brightfield or an inverted image"
    if name == "grain" and value > NOISE:
        words = "it is mostly noise"
    ends = " to ".join(dict.fromkeys(f"{v:.3g}" for v in (min(known), max(known))))
    return f"{words} ({UNITS[name].format(f'{value:.3g}')}, in training {ends})"
