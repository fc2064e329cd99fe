"""The networks of a model set loaded on a provider, in the requested mode and stride."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from morphinfer.errors import ModelError, OptionsError, ProviderError
from morphinfer.memory_limits import memory_limit
from morphinfer.networks.environment import session_options as default_settings
from morphinfer.networks.environment import take_environment
from morphinfer.networks.loading import load_models
from morphinfer.networks.options import Mode, Options
from morphinfer.networks.predictor import DensePredictor, Predictor, WindowPredictor
from morphinfer.networks.resources import Resources, share_out
from morphinfer.networks.runtime import (
    ProviderChoice,
    Providers,
    callers_provider,
    choose_provider,
)
from morphinfer.networks.session import ModelSet, Session, available_cores

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class Ensemble:
    """Networks loaded on a provider, ready to predict."""

    models: ModelSet
    provider: ProviderChoice
    mode: Mode
    predictor: Predictor
    resources: Resources
    options: Options
    """What they were loaded with."""
    by_options: bool = True
    """Whether the options alone describe them, so that another process can load the same."""

    def __repr__(self) -> str:
        return (
            f"<Ensemble {self.models.name}: {self.mode} on {self.provider.name}, stride "
            f"{self.predictor.stride_px} px>"
        )

    @property
    def weights(self) -> list[float]:
        """Fusion weight of each network that is run; one network alone needs none of its own."""
        used = self.models.used
        return [f.card.fusion_weight for f in used] if len(used) > 1 else [1.0]

    @property
    def cell_um(self) -> float:
        """Distance of positions in micrometres."""
        return self.models.card.pixel_size_um * self.predictor.stride_px

    def beside(self, reading_mb: float) -> Ensemble:
        """The same networks with fewer or smaller tiles, beside which the slide can be read.

        Parameters
        ----------
        reading_mb : float
            Memory that reading takes beside the tiles.

        Raises
        ------
        ProviderError
            ``options.max_memory_mb`` does not suffice for both.
        """
        if not reading_mb:
            return self
        fitted = share_out(
            self.options.threads or available_cores(),
            self.options.max_memory_mb,
            self.options.tile_px,
            self.models.patch_size_px,
            gpu=self.provider.name != "cpu",
            arenas=1 if self.resources.arena_bytes else len(self.models.used),
            reading_mb=reading_mb,
            limit=memory_limit(),
        )
        loaded = self.resources  # threads and arena are those that the networks were loaded with
        resources = replace(
            fitted, threads=loaded.threads, arena_bytes=loaded.arena_bytes,
            workers=min(fitted.workers, loaded.workers), tile_px=min(fitted.tile_px, loaded.tile_px),
        )  # fmt: skip
        return replace(self, resources=resources)

    def run_options(self, requested: Options | None) -> Options:
        """Options of a run with these networks: what they were loaded with, and the rest as requested.

        Raises
        ------
        OptionsError
            An option that is not at its default contradicts how the networks were loaded.
        """
        if requested is None:
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
            if getattr(requested, name) not in (getattr(default, name), value):
                raise OptionsError(
                    f"`{name}={getattr(requested, name)!r}`: these networks were loaded with {value!r}; "
                    f"load them with these options, or leave it out"
                )
        return replace(requested, **{name: getattr(self.options, name) for name in loaded})


def load_ensemble(
    models: str | Path | ModelSet,
    options: Options | None = None,
    *,
    providers: Providers | None = None,
    session_options: Any = None,
    own_environment: bool = False,
) -> Ensemble:
    """Load a model set once, for any number of runs.

    Parameters
    ----------
    models : str, Path or ModelSet
        As for `segment`.
    options : Options, optional
        Mode, stride, provider, threads, size of tiles and memory hold for all runs with the ensemble;
        the others are defaults of a run that is given no options.
    providers : sequence of str or tuple, optional
        Execution providers as `onnxruntime.InferenceSession` takes them, in place of
        ``options.provider``.
    session_options : onnxruntime.SessionOptions, optional
        Taken as they are for each network, in place of ours. Tiles run side by side in threads, so one
        thread each (``intra_op_num_threads = 1``) suits best.
    own_environment : bool
        Whether nothing else in this process uses ONNX Runtime. Its log is then silenced, and the
        networks share one arena of its environment, which saves memory and up to a tenth of the time.

    Raises
    ------
    ModelError
        The set is damaged, or its networks cannot run in the requested mode or at the requested stride.
    ProviderError
        The provider does not run here, not every network runs on it, or ``options.max_memory_mb``
        does not suffice for one tile.
    OptionsError
        Both ``providers`` and ``options.provider`` are given.
    """
    options = options or Options()
    if isinstance(models, ModelSet):
        model_set = models
    else:
        model_set = load_models(
            models, session_options=session_options, limit_memory=own_environment
        )
    mode = _mode(model_set, options)
    choice = _provider(model_set, options, providers, session_options)
    on_cpu = choice.name == "cpu"
    resources = share_out(
        options.threads or available_cores(),
        options.max_memory_mb,
        options.tile_px,
        model_set.patch_size_px,
        gpu=not on_cpu,
        arenas=1 if own_environment else len(model_set.used),
        limit=memory_limit(),
    )
    if own_environment:
        take_environment(resources.arena_bytes if on_cpu else 0)
    settings = {"settings": session_options, "own_environment": own_environment}
    sessions = [Session(file, choice, resources.threads, **settings) for file in model_set.used]
    _refuse_other_provider(sessions, choice)
    predictor: Predictor
    if mode == "windows":
        predictor = WindowPredictor(sessions, options.stride_px)
    else:
        fixed = None if on_cpu else resources.tile_px + resources.tile_px // 8
        predictor = DensePredictor(sessions, options.stride_px, fixed)
    logger.info(
        "%s: %d networks on %s (%s), %d tiles side by side, %d threads each",
        model_set.name, len(sessions), choice.name, choice.reason, resources.workers,
        resources.threads,
    )  # fmt: skip
    by_options = providers is None and session_options is None
    return Ensemble(model_set, choice, mode, predictor, resources, options, by_options)


def _mode(models: ModelSet, options: Options) -> Mode:
    mode: Mode = options.mode or ("dense" if models.padding_free else "windows")
    if mode == "dense" and not models.padding_free:
        raise ModelError(
            f"{models.path}: its networks pad inside, so a large tile does not give what patches "
            f"give; use `mode='windows'`"
        )
    return mode


def _refuse_other_provider(sessions: Sequence[Session], choice: ProviderChoice) -> None:
    """The probe was one network; each of the others must run there too (contract C8)."""
    for session in sessions:
        if session.provider != choice.name:
            raise ProviderError(
                f"network {session.card.network} runs on '{session.provider}', not on "
                f"'{choice.name}' as the others; use `provider='cpu'`, on which every network runs"
            )


def _provider(
    models: ModelSet, options: Options, providers: Providers | None, settings: Any
) -> ProviderChoice:
    probe = str(models.files[0].path)  # a path, since weights may lie in files beside it
    if providers is None:
        return choose_provider(options.provider, probe)
    if options.provider != "auto":
        raise OptionsError(
            f"`provider={options.provider!r}` and providers={providers!r}: give one of the two"
        )
    return callers_provider(providers, probe, default_settings(1) if settings is None else settings)
