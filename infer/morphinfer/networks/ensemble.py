"""The networks of a model set loaded on a provider, in the mode and at the stride asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from morphinfer.errors import ModelError
from morphinfer.images import LAYERS, Layer
from morphinfer.networks.predictor import DensePredictor, Predictor, WindowPredictor
from morphinfer.networks.resources import Resources, share_out
from morphinfer.networks.runtime import Provider, ProviderChoice, choose_provider
from morphinfer.networks.session import ModelSet, Session, available_cores, load_models, share_arena

Mode = Literal["dense", "windows"]
SkipBackground = Literal["off", "on", "auto"]


@dataclass(frozen=True, slots=True)
class Options:
    """How to segment; the defaults suit any slide."""

    mode: Mode | None = None
    """Dense, or patch by patch; None takes dense where the networks allow it."""
    stride_px: int | None = None
    """Distance of predictions in model pixels; None takes the networks' own."""
    provider: Provider = "auto"
    """ONNX Runtime execution provider."""
    threads: int = 0
    """Threads that run at once; 0 takes all cores that the process may use."""
    tile_px: int | None = None
    """Side of a tile in model pixels, without its halo; None takes what suits and fits."""
    max_memory_mb: float = 800
    """Memory of the whole process, which bounds the tiles that are worked on side by side."""
    skip_background: SkipBackground = "auto"
    """Whether cells that see nothing but darkness become background without being computed; 'auto'
    skips them where the networks agree on a sample of the slide."""
    probabilities: bool = False
    """Whether the fused probabilities are kept too, as uint8."""
    uncertainty: bool = False
    """Whether the uncertainty of each cell is kept too, as uint8."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What is kept beside the labels."""
        return tuple(layer for layer in LAYERS if getattr(self, layer))


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Networks loaded on a provider, ready to predict."""

    models: ModelSet
    provider: ProviderChoice
    mode: Mode
    predictor: Predictor
    resources: Resources

    @property
    def weights(self) -> list[float]:
        """Fusion weight of each network that is run; one network alone needs none of its own."""
        used = self.models.used
        return [f.card.fusion_weight for f in used] if len(used) > 1 else [1.0]

    @property
    def cell_um(self) -> float:
        """Side of a cell in micrometres."""
        return self.models.card.pixel_size_um * self.predictor.stride_px


def load_ensemble(models: str | Path | ModelSet, options: Options) -> Ensemble:
    """Load a model set on the provider that the options ask for.

    Raises
    ------
    ModelError
        The set is damaged, or its networks cannot run in the mode or at the stride asked for.
    ProviderError
        The provider does not run here.
    """
    found = models if isinstance(models, ModelSet) else load_models(models)
    if options.stride_px is not None and options.stride_px < 1:
        raise ModelError(f"stride {options.stride_px} px: it must be at least 1")
    mode: Mode = options.mode or ("dense" if found.padding_free else "windows")
    if mode == "dense" and not found.padding_free:
        raise ModelError(
            f"{found.path}: its networks pad inside, so a large tile does not give what patches "
            f"give; use `mode='windows'`"
        )
    choice = choose_provider(options.provider, found.files[0].path.read_bytes())
    resources = share_out(
        options.threads or available_cores(),
        options.max_memory_mb,
        options.tile_px,
        found.patch_size_px,
        gpu=choice.name != "cpu",
    )
    share_arena(0 if choice.name != "cpu" else resources.arena_bytes)
    sessions = [Session(file, choice, resources.threads) for file in found.used]
    if mode == "windows":
        return Ensemble(
            found, choice, mode, WindowPredictor(sessions, options.stride_px), resources
        )
    fixed = None if choice.name == "cpu" else resources.tile_px + resources.tile_px // 8
    return Ensemble(
        found, choice, mode, DensePredictor(sessions, options.stride_px, fixed), resources
    )
