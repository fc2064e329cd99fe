"""Whether the slide of a plan looks like those that its networks were trained on."""

from __future__ import annotations

from dataclasses import replace

from morphinfer.networks import compare, misfit, training_appearances
from morphinfer.runs.plan import Plan
from morphinfer.tiles import measure_appearance


def with_fit(plan: Plan) -> Plan:
    """The plan with the comparison, and a warning where the slide does not fit.

    The slide is read only where the cards of the networks say how their training sections look.

    Raises
    ------
    ModelError
        What the cards say cannot be read.
    SlideError
        The slide cannot be read.
    """
    models = plan.ensemble.models
    sections = training_appearances(models)
    fit = compare(sections, measure_appearance(plan.image, plan.intensity) if sections else None)
    doubt = misfit(fit, plan.image.slide.name, models.name)
    doubts = () if doubt is None else (doubt,)
    return replace(plan, fit=fit, warnings=(*plan.warnings, *doubts))
