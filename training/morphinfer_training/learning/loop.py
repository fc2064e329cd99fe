"""The training loop of one network, from top to bottom."""

from __future__ import annotations

import math
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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
from morphinfer_training.learning.nets import PaddingFreeNet, make_network
from morphinfer_training.learning.patches import TileSampler, balanced_loss
from morphinfer_training.learning.validation import Judge, mean_dice

LARGEST_GRADIENT = 5.0
BIAS_FACTOR = 10.0
"""Learning rate of the bias by that of the others: Adam moves each number by about the rate, and the bias
alone, by units, tells that an empty patch is background."""
CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"


class Progress(Protocol):
    """What the loop tells after every step."""

    def __call__(self, network: str, step: int, loss: float, dice: float | None) -> None:
        """Steps done by ``network``, loss of the last one, and the latest mean Dice, if any."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained network with the figures of its run."""

    network: PaddingFreeNet
    """The best weights, ready to predict, on the CPU."""
    patch_size_px: int
    """Side of its patches."""
    history: list[Row]
    """All evaluations."""
    probabilities: NDArray[np.float32]
    """Its probabilities on the held-out cells, shape (K, C)."""


def silent(network: str, step: int, loss: float, dice: float | None) -> None:
    """Tell nothing."""


def network_name(patch_size_px: int) -> str:
    """Name of a network in its set.

    >>> network_name(96)
    'p096'
    """
    return f"p{patch_size_px:03d}"


def fit(
    config: TrainConfig,
    patch_size_px: int,
    sampler: TileSampler,
    judge: Judge,
    folder: Path,
    *,
    device: torch.device,
    resume: bool = False,
    progress: Progress = silent,
    weights: dict[str, Tensor] | None = None,
) -> Fitted:
    """Train one network and keep the weights of the highest mean Dice on the held-out cells.

    Parameters
    ----------
    config : TrainConfig
        What to train and how.
    patch_size_px : int
        Side of the patches.
    sampler : TileSampler
        Source of the batches.
    judge : Judge
        The held-out cells.
    folder : Path
        Where the checkpoint and the log are kept; it is there.
    device : torch.device
        Where to compute.
    resume : bool
        Continue from the checkpoint in ``folder``, if there is one.
    progress : Progress
        Told after every step.
    weights : dict of Tensor, optional
        A state of the network to begin from; drawn at random by default.
    """
    told, name = config.training, network_name(patch_size_px)
    run = begin(config, patch_size_px, folder, device, resume=resume, weights=weights)
    network, state = run.network, run.state
    losses: list[Tensor] = []
    while not state.finished:
        rate = learning_rate(state.step, told)
        for group in run.optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        torch.manual_seed(step_seed(config.seed, patch_size_px, state.step))  # for dropout
        batch = sampler.draw(state.step)  # image (N, 1, T, T), labels (N, n, n)
        logits = network(batch.image)  # (N, C, n, n)
        loss = balanced_loss(
            logits, batch.labels, told.label_smoothing, told.class_weight_limit, batch.tissue
        )
        run.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        run.optimiser.step()
        state.step += 1
        move_average(run.average, network, min(told.average, state.step / (state.step + 10)))
        losses.append(loss.detach())
        if state.step % told.evaluate_every == 0 or state.step == told.steps:
            dice = judge.dice(judge.probabilities(run.average, patch_size_px))
            run.note(float(torch.stack(losses).mean()), rate, dice, told)
            save_checkpoint(folder / CHECKPOINT, run.stored_state(), config)
            write_log(folder / LOG, state.history, config.classes)
            losses.clear()
        latest = state.history[-1].mean_dice if state.history else None
        progress(name, state.step, float(loss.detach()), latest)
    run.average.load_state_dict(state.best)
    probabilities = judge.probabilities(run.average, patch_size_px)
    return Fitted(run.average.cpu(), patch_size_px, state.history, probabilities)


@dataclass(slots=True)
class Run:
    """The moving parts of a training run."""

    network: PaddingFreeNet
    """Weights that are trained."""
    average: PaddingFreeNet
    """Their moving average."""
    optimiser: torch.optim.AdamW
    """Its state."""
    state: TrainingState
    """Counters, history and best weights."""
    began: float
    """Clock when the run began, as if it had never been interrupted."""

    def note(
        self, loss: float, rate: float, dice: NDArray[np.float64], told: TrainingConfig
    ) -> None:
        """Take down an evaluation, and the weights where they are the best so far."""
        state, mean = self.state, mean_dice(dice)
        if not any(row.mean_dice >= mean for row in state.history):
            state.best = snapshot(self.average)
        seconds = time.perf_counter() - self.began
        per_class = tuple(float(d) for d in dice)
        state.history.append(Row(state.step, loss, rate, seconds, mean, per_class))
        state.finished = is_finished(state.history, told)

    def stored_state(self) -> TrainingState:
        """The state with the weights as they are now."""
        self.state.network = self.network.state_dict()
        self.state.average = self.average.state_dict()
        self.state.optimiser = self.optimiser.state_dict()
        return self.state


def begin(
    config: TrainConfig,
    patch_size_px: int,
    folder: Path,
    device: torch.device,
    *,
    resume: bool,
    weights: dict[str, Tensor] | None = None,
) -> Run:
    """A fresh run, or the one whose checkpoint stands in ``folder``."""
    torch.manual_seed(step_seed(config.seed, patch_size_px, 2**31))
    network = make_network(config, patch_size_px).to(device).train()
    if weights is not None:
        network.load_state_dict(weights)
    average = deepcopy(network).eval()
    optimiser = make_optimiser(network, config.training)
    state = TrainingState(0, False, {}, {}, snapshot(average), {}, [])
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


def make_optimiser(network: PaddingFreeNet, told: TrainingConfig) -> torch.optim.AdamW:
    """AdamW that decays convolutions, not the floor of the contrast and the logits of empty patches."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    groups = [
        {"params": kernels, "weight_decay": told.weight_decay, "factor": 1.0},
        {"params": [network.log_floor], "weight_decay": 0.0, "factor": 1.0},
        {"params": [network.bias], "weight_decay": 0.0, "factor": BIAS_FACTOR},
    ]
    return torch.optim.AdamW(groups, lr=told.learning_rate)


def learning_rate(step: int, told: TrainingConfig) -> float:
    """Rate of a step: linear rise, then half a cosine down to a hundredth."""
    warm = max(1, round(told.warmup * told.steps))
    if step < warm:
        return told.learning_rate * (step + 1) / warm
    done = (step - warm) / max(1, told.steps - warm)
    return told.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def is_finished(history: list[Row], told: TrainingConfig) -> bool:
    """Whether all steps are done, or the best evaluation is ``patience`` evaluations old."""
    best = max(range(len(history)), key=lambda i: history[i].mean_dice)
    return history[-1].step >= told.steps or len(history) - 1 - best >= told.patience


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the averaged weights and running statistics towards the trained ones."""
    trained = network.state_dict()
    for key, kept in average.state_dict().items():
        if kept.is_floating_point():
            kept.lerp_(trained[key], 1 - decay)
        else:
            kept.copy_(trained[key])


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    """Copy of all weights and statistics."""
    return {key: value.detach().clone() for key, value in network.state_dict().items()}


def pick_device(wanted: str) -> torch.device:
    """Device by name; 'auto' is CUDA where there is one.

    Raises
    ------
    ConfigError
        CUDA is asked for and this torch does not find it.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device 'cuda': torch {torch.__version__} finds no CUDA device here; take "
            f"`device='auto'` or 'cpu', or install a torch with CUDA"
        )
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wanted)
