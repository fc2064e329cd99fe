"""The training loop of one network."""

from __future__ import annotations

import math
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from morphinfer.errors import ConfigError
from morphinfer_training.config import TrainConfig, TrainingConfig
from morphinfer_training.learning.checkpoint import (
    Row,
    TrainingState,
    load_checkpoint,
    save_checkpoint,
    write_log,
)
from morphinfer_training.learning.fusion import calibrated_dice
from morphinfer_training.learning.nets import PaddingFreeNet, make_network
from morphinfer_training.learning.patches import TileSampler, balanced_loss
from morphinfer_training.learning.progress import Progress, StepReport, silent
from morphinfer_training.learning.validation import HeldOutScorer, mean_dice

LARGEST_GRADIENT = 5.0
"""Gradients of a greater norm are scaled down to it."""
BIAS_FACTOR = 10.0
"""Ratio of the learning rate of the bias to that of the other weights. Adam changes a number by about the
learning rate a step, and the bias, which alone classifies empty patches, has to change by units."""
CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained network with its evaluations."""

    network: PaddingFreeNet
    """The network with the averaged weights, on the CPU."""
    patch_size_px: int
    """Side of its patches."""
    history: list[Row]
    """All evaluations."""
    probabilities: NDArray[np.float32]
    """Its probabilities on the held-out positions, shape (K, C)."""


def network_name(patch_size_px: int, brightness: str = "blind") -> str:
    """Name of a network in its set; in a run, those that see brightness have another one.

    >>> network_name(96), network_name(96, "seen")
    ('p096', 'p096-seen')
    """
    return f"p{patch_size_px:03d}" + ("-seen" if brightness == "seen" else "")


def fit(
    config: TrainConfig,
    patch_size_px: int,
    sampler: TileSampler,
    scorer: HeldOutScorer,
    folder: Path,
    *,
    device: torch.device,
    resume: bool = False,
    progress: Progress = silent,
    weights: dict[str, Tensor] | None = None,
) -> Fitted:
    """Train one network; the moving average of its weights after the last step is kept.

    Parameters
    ----------
    config : TrainConfig
        Training configuration.
    patch_size_px : int
        Side of the patches.
    sampler : TileSampler
        Source of the batches.
    scorer : HeldOutScorer
        The held-out positions.
    folder : Path
        Existing folder for the checkpoint and the log.
    device : torch.device
        Where to compute.
    resume : bool
        Continue from the checkpoint in ``folder`` if it exists.
    progress : Progress
        Called after every step, and once if the checkpoint is that of a finished network.
    weights : dict of Tensor, optional
        Weights to start from; random by default.

    Raises
    ------
    ConfigError
        The checkpoint is damaged, or of another configuration or version.
    """
    settings, name = config.training, network_name(patch_size_px, config.brightness)
    run = start_run(config, patch_size_px, folder, device, resume=resume, weights=weights)
    network, state = run.network, run.state
    losses: list[Tensor] = []
    if state.finished:
        progress(run.report(name, None))
    while not state.finished:
        rate = learning_rate(state.step, settings)
        for group in run.optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        torch.manual_seed(step_seed(config.seed, patch_size_px, state.step))  # for dropout
        batch = sampler.draw(state.step)  # image (N, 1, T, T), labels (N, n, n)
        logits = network(batch.image)  # (N, C, n, n)
        loss = balanced_loss(
            logits,
            batch.labels,
            settings.label_smoothing,
            settings.class_weight_limit,
            batch.tissue,
        )
        run.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        run.optimiser.step()
        state.step += 1
        move_average(run.average, network, min(settings.average, state.step / (state.step + 10)))
        losses.append(loss.detach())
        if state.step % settings.evaluate_every == 0 or state.step == settings.steps:
            dice = calibrated_dice(scorer.probabilities(run.average, patch_size_px), scorer)
            run.add_evaluation(float(torch.stack(losses).mean()), rate, dice, settings)
            save_checkpoint(folder / CHECKPOINT, run.current_state(), config)
            write_log(folder / LOG, state.history, config.classes)
            losses.clear()
        progress(run.report(name, float(loss.detach())))
    probabilities = scorer.probabilities(run.average, patch_size_px)
    return Fitted(run.average.cpu(), patch_size_px, state.history, probabilities)


@dataclass(slots=True)
class Run:
    """Objects that change during a training run."""

    network: PaddingFreeNet
    """The network that is trained."""
    average: PaddingFreeNet
    """Moving average of its weights."""
    optimiser: torch.optim.AdamW
    """Optimiser of the network."""
    state: TrainingState
    """Counters, history and best weights."""
    began: float
    """Start on the clock of time.perf_counter; interruptions of the run are not counted."""

    def add_evaluation(
        self, loss: float, rate: float, dice: NDArray[np.float64], settings: TrainingConfig
    ) -> None:
        """Add an evaluation to the history."""
        state, mean = self.state, mean_dice(dice)
        seconds = time.perf_counter() - self.began
        per_class = tuple(float(d) for d in dice)
        state.history.append(Row(state.step, loss, rate, seconds, mean, per_class))
        state.finished = is_finished(state.history, settings)

    def report(self, network: str, loss: float | None) -> StepReport:
        """What is reported after a step with this loss."""
        dice = [row.mean_dice for row in self.state.history]
        latest, best = (dice[-1], max(dice)) if dice else (None, None)
        return StepReport(network, self.state.step, loss, latest, best, self.state.finished)

    def current_state(self) -> TrainingState:
        """The state with the current weights."""
        self.state.network = self.network.state_dict()
        self.state.average = self.average.state_dict()
        self.state.optimiser = self.optimiser.state_dict()
        return self.state


def start_run(
    config: TrainConfig,
    patch_size_px: int,
    folder: Path,
    device: torch.device,
    *,
    resume: bool,
    weights: dict[str, Tensor] | None = None,
) -> Run:
    """A new run, or the run of the checkpoint in ``folder`` if there is one and ``resume``.

    Raises
    ------
    ConfigError
        The checkpoint is damaged, or of another configuration or version.
    """
    torch.manual_seed(step_seed(config.seed, patch_size_px, 2**31))
    network = make_network(config, patch_size_px).to(device).train()
    if weights is not None:
        network.load_state_dict(weights)
    average = deepcopy(network).eval()
    optimiser = make_optimiser(network, config.training)
    state = TrainingState(0, False, {}, {}, {}, [])
    if resume and (folder / CHECKPOINT).exists():
        state = load_checkpoint(folder / CHECKPOINT, config, device)
        network.load_state_dict(state.network)
        average.load_state_dict(state.average)
        optimiser.load_state_dict(state.optimiser)
    elapsed = state.history[-1].seconds if state.history else 0.0
    return Run(network, average, optimiser, state, time.perf_counter() - elapsed)


def step_seed(seed: int, patch_size_px: int, step: int) -> int:
    """Seed of torch's generator at one step of one network."""
    return int(np.random.SeedSequence([seed, patch_size_px, step]).generate_state(1)[0])


def make_optimiser(network: PaddingFreeNet, settings: TrainingConfig) -> torch.optim.AdamW:
    """AdamW with weight decay for convolutions, and none for contrast floor, shifts and bias."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim < 2 and p is not network.bias]
    groups = [
        {"params": kernels, "weight_decay": settings.weight_decay, "factor": 1.0},
        {"params": others, "weight_decay": 0.0, "factor": 1.0},
        {"params": [network.bias], "weight_decay": 0.0, "factor": BIAS_FACTOR},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def learning_rate(step: int, settings: TrainingConfig) -> float:
    """Learning rate of a step: a linear rise, then half a cosine down to a hundredth."""
    warm = max(1, round(settings.warmup * settings.steps))
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    done = (step - warm) / max(1, settings.steps - warm)
    return settings.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def is_finished(history: list[Row], settings: TrainingConfig) -> bool:
    """Whether all steps are done, or ``patience`` evaluations followed the best one."""
    best = max(range(len(history)), key=lambda i: history[i].mean_dice)
    return history[-1].step >= settings.steps or len(history) - 1 - best >= settings.patience


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Update the moving average of weights and running statistics, in place."""
    trained = network.state_dict()
    for key, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(trained[key], 1 - decay)
        else:
            value.copy_(trained[key])


def pick_device(name: str) -> torch.device:
    """Device by name; 'auto' is CUDA if torch finds it, else the CPU.

    Raises
    ------
    ConfigError
        ``name`` is 'cuda' and torch finds no CUDA device.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device 'cuda': torch {torch.__version__} finds no CUDA device; use `device='auto'` or "
            f"'cpu', or install a torch with CUDA"
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
