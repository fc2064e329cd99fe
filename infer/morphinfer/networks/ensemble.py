"""The networks of a model set loaded on a provider, in the mode and at the stride asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from morphinfer.errors import ModelError, OptionsError
from morphinfer.networks.options import Mode, Options
from morphinfer.networks.predictor import DensePredictor, Predictor, WindowPredictor
from morphinfer.networks.resources import Resources, share_out
from morphinfer.networks.runtime import ProviderChoice, choose_provider
from morphinfer.networks.session import ModelSet, Session, available_cores, load_models, share_arena


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Networks loaded on a provider, ready to predict."""

    models: ModelSet
    provider: ProviderChoice
    mode: Mode
    predictor: Predictor
    resources: Resources
    options: Options
    """What they were loaded with."""

    @property
    def weights(self) -> list[float]:
        """Fusion weight of each network that is run; one network alone needs none of its own."""
        used = self.models.used
        return [f.card.fusion_weight for f in used] if len(used) > 1 else [1.0]

    @property
    def cell_um(self) -> float:
        """Side of a cell in micrometres."""
        return self.models.card.pixel_size_um * self.predictor.stride_px

    def run_options(self, asked: Options | None) -> Options:
        """Options of a run with these networks: what they were loaded with, and the rest as asked for.

        Raises
        ------
        OptionsError
            An option that is not at its default contradicts how the networks were loaded.
        """
        if asked is None:
            return self.options
        loaded = {
            "mode": self.mode,
            "stride_px": self.predictor.stride_px,
            "provider": self.provider.name,
            "threads": self.options.threads or available_cores(),
            "tile_px": self.resources.tile_px,
            "max_memory_mb": self.options.max_memory_mb,
        }
        default = Options()
        for name, value in loaded.items():
            if getattr(asked, name) not in (getattr(default, name), value):
                raise OptionsError(
                    f"`{name}={getattr(asked, name)!r}`: these networks were loaded with {value!r}; "
                    f"load them with these options, or leave it out"
                )
        return replace(asked, **{name: getattr(self.options, name) for name in loaded})


def load_ensemble(models: str | Path | ModelSet, options: Options | None = None) -> Ensemble:
    """Load a model set once, for any number of runs.

    Parameters
    ----------
    models : str, Path or ModelSet
        As for `segment`.
    options : Options, optional
        Mode, stride, provider, threads, size of tiles and memory hold for all runs with the ensemble;
        the others are defaults of a run that is given no options.

    Raises
    ------
    ModelError
        The set is damaged, or its networks cannot run in the mode or at the stride asked for.
    ProviderError
        The provider does not run here.
    """
    options = options or Options()
    found = models if isinstance(models, ModelSet) else load_models(models)
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
    predictor: Predictor
    if mode == "windows":
        predictor = WindowPredictor(sessions, options.stride_px)
    else:
        fixed = None if choice.name == "cpu" else resources.tile_px + resources.tile_px // 8
        predictor = DensePredictor(sessions, options.stride_px, fixed)
    return Ensemble(found, choice, mode, predictor, resources, options)
