"""What will be computed for a slide, where the result lies, and how that is told in the run record."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

from morphinfer.ensemble import Ensemble, Options
from morphinfer.evaluation import Frame
from morphinfer.grid import TileGrid, patch_offset
from morphinfer.model_image import ModelImage
from morphinfer.normalising import Intensity, measure_intensity
from morphinfer.session import available_cores
from morphinfer.slide import Slide


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be computed, and where the result lies."""

    image: ModelImage
    """The slide at the model's pixel size."""
    intensity: Intensity
    """How its intensities become input."""
    ensemble: Ensemble
    """The networks."""
    grid: TileGrid
    """The tiles."""
    frame: Frame
    """Place of the label image, in the slide's coordinates."""

    @classmethod
    def of(cls, slide: Slide, ensemble: Ensemble, options: Options) -> Plan:
        """Plan for a slide."""
        card = ensemble.models.card
        image = ModelImage.of(slide, card.pixel_size_um)
        stride, patch = ensemble.predictor.stride_px, ensemble.predictor.patch_size_px
        grid = TileGrid.over(image.shape, stride, options.tile_px)
        # Half a model pixel where a patch cannot lie centred on its cell, see `patch_offset`.
        shift_um = (patch_offset(patch, stride) - (stride - patch) / 2) * card.pixel_size_um
        row, col = slide.corner_um
        frame = Frame(
            f"the label image of {slide.name}",
            (row + shift_um, col + shift_um),
            (grid.height, grid.width),
            card.pixel_size_um * stride,
        )
        return cls(image, measure_intensity(slide, card.normalisation), ensemble, grid, frame)


def run_record(slide: Slide, plan: Plan, options: Options) -> dict[str, Any]:
    """The run record (contract C8) as far as it is known before the run."""
    ensemble = plan.ensemble
    models = ensemble.models
    return {
        "morphinfer": version("morphinfer"),
        "slide": {
            "path": str(slide.path or slide.name),
            "shape": list(slide.shape),
            "pixel_size_um": slide.pixel_size_um,
            "level": plan.image.level,
            "channel": slide.channel,
            "z": slide.z,
            "identity": slide.identity,
            "synthetic": slide.synthetic,
        },
        "models": {"name": models.name, "sha256": {f.path.name: f.sha256 for f in models.files}},
        "classes": [c.name for c in models.card.classes],
        "pixel_size_um": models.card.pixel_size_um,
        "stride_px": ensemble.predictor.stride_px,
        "mode": ensemble.mode,
        "provider": {"ran": ensemble.provider.name, "why": ensemble.provider.reason},
        "options": asdict(replace(options, threads=options.threads or available_cores())),
        "intensity": asdict(plan.intensity),
    }
