"""The variants that `ablations.py` trains, one change each.

Each variant changes the probe configuration (`ablations.PROBE`): two networks (64 and 128 pixels), 400
steps, otherwise the defaults with a wider variation of intensities. Sections that are kept for a test
are not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FIVE = [48, 64, 96, 128, 160]
NONE: dict[str, Any] = {
    "flip": False, "rotate": "none", "scale_jitter": 1.0, "gain": 1.0, "gamma": 1.0, "offset": 0.0,
    "floor": 0.0, "illumination": 0.0, "blur_px": [0.0, 0.0], "noise": 0.0, "downscale": 0.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Variant:
    """One change of the probe configuration."""

    name: str
    """Unique; also the name of its file."""
    question: str
    """Group of the table."""
    change: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the training configuration that differ."""
    sections: tuple[str, ...] = ("ca1", "septum_1")
    """ca1 is trained on with its classes, others with background and tissue by their image alone."""
    keep: float = 1.0
    """Share of the spots that are kept before training regions are made."""
    shift_um: float = 0.0
    """Shift of the spots against the image before training regions are made."""
    border_um: float = 0.0
    """Band at the borders of regions that is left out of training."""
    pretext: bool = False
    """Whether training starts from the weights of the pretext task on nuclei images (`pretext.py`)."""


def _of(question: str, **changes: Mapping[str, Any]) -> list[Variant]:
    return [Variant(name, question, change) for name, change in changes.items()]


def augment(**changes: Any) -> dict[str, Any]:
    """A change of the augmentation."""
    return {"augmentation": changes}


VARIANTS = [
    *_of("noise of the figure itself", probe={}, seed_2={"seed": 2}, seed_3={"seed": 3}),
    *_of(
        "normalisation",
        normalise_fixed={"normalisation": {"method": "fixed", "low": 0.0, "high": 255.0}},
        normalise_wide={"normalisation": {"low": 25.0, "high": 90.0}},
    ),
    *_of(
        "augmentation",
        augment_none=augment(**NONE),
        augment_no_geometry=augment(flip=False, rotate="none", scale_jitter=1.0),
        augment_no_intensity=augment(
            **{k: NONE[k] for k in ("gain", "gamma", "offset", "illumination")}
        ),
        augment_no_blur_noise=augment(**{k: NONE[k] for k in ("blur_px", "noise", "downscale")}),
        rotate_any=augment(rotate="any"),
        scale_1_5=augment(scale_jitter=1.5),
        gain_1=augment(gain=1.0, offset=0.0),
        gamma_2_2=augment(gamma=2.2),
        floor_0_08=augment(floor=0.08),
        illumination_0_6=augment(illumination=0.6),
        blur_2_5=augment(blur_px=[0.0, 2.5]),
        noise_0_15=augment(noise=0.15, downscale=0.3),
    ),
    *_of(
        "faint tissue",
        floor_0_5={"contrast_floor": 0.5},
        floor_0_135={"contrast_floor": 0.135},
        gain_3=augment(gain=3.0),
    ),
    *_of(
        "patch sizes",
        small_three={"patch_sizes_px": [48, 64, 80]},
        five={"patch_sizes_px": FIVE},
        wide_five={"patch_sizes_px": [64, 96, 128, 176, 224]},
        largest_three={"patch_sizes_px": [128, 176, 224]},
    ),
    *_of(
        "channel widths",
        channels_8={"channels": [8, 16, 32, 32]},
        channels_12={"channels": [12, 24, 48, 48]},
        channels_24={"channels": [24, 48, 96, 96]},
        channels_32={"channels": [32, 64, 128, 128]},
    ),
    Variant("sections_ca1", "training sections", sections=("ca1",)),
    Variant("sections_three", "training sections", sections=("ca1", "septum_1", "midbrain_corner")),
    Variant("border_8_um", "borders of regions", border_um=8.0),
    *_of(
        "borders of regions",
        smoothing_0={"training": {"label_smoothing": 0.0}},
        smoothing_0_15={"training": {"label_smoothing": 0.15}},
    ),
    Variant("spots_50", "label noise", keep=0.5),
    Variant("spots_25", "label noise", keep=0.25),
    Variant("spots_10", "label noise", keep=0.1),
    Variant("shift_5_um", "registration error", shift_um=5.0),
    Variant("shift_10_um", "registration error", shift_um=10.0),
    Variant("shift_20_um", "registration error", shift_um=20.0),
    *_of("length of training", steps_800={"training": {"steps": 800}}),
    Variant("pretext", "pretext task", pretext=True),
]
