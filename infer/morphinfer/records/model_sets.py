"""The objects that ``morphinfer models`` prints with ``--json``."""

from __future__ import annotations

from typing import Any, TypedDict

from morphinfer.classes import Role


class ModelSetSummary(TypedDict):
    """A model set in the list of them."""

    name: str
    """Name of the set."""
    path: str
    """Its folder."""
    classes: list[str]
    """Names of the classes; the value of a class is its index."""
    roles: dict[str, Role]
    """Role of each class, by its name."""
    pixel_size_um: float
    """Side of a model pixel in micrometres."""
    patch_sizes_px: list[int]
    """Side of the patch of each network, in model pixels."""
    stride_px: int
    """Distance of neighbouring positions in model pixels."""
    padding_free: bool
    """Whether the networks run dense."""
    fusion_weights: list[float]
    """Weight of each network."""
    sha256: dict[str, str]
    """SHA-256 of each file, by file name."""


class ModelSets(TypedDict):
    """What ``morphinfer models --json`` prints."""

    sets: list[ModelSetSummary]
    """The sets, shipped or in a folder."""


class ModelSetCard(TypedDict):
    """What ``morphinfer models show --json`` prints."""

    card: dict[str, Any]
    """Content of card.json, or what the first file's own metadata holds."""
    markdown: str | None
    """Content of README.md; null where there is none."""
    sha256: dict[str, str]
    """SHA-256 of each file as it is on disk, by file name."""
    changed: list[str]
    """Files whose hash is not that of the card, that are gone, or that the card does not list."""


class NetworkCheck(TypedDict):
    """One network against its embedded test vectors."""

    network: str
    """Name of the network in its set."""
    vectors: int
    """Number of test vectors."""
    largest_difference: float
    """Largest difference of a probability from the trained network's."""
    dense_difference: float
    """Largest difference of a probability, dense against patch by patch."""


class ModelSetChecks(TypedDict):
    """What ``morphinfer models verify --json`` prints."""

    set: str
    """The set as the command named it."""
    networks: list[NetworkCheck]
    """One entry a network."""
