"""Layers that have what the plugin asks of those of napari, without napari."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np


@dataclass
class FakeLayer:
    """A layer without rotation unless ``linear`` says so."""

    data: Any
    scale: tuple[float, float] = (1.0, 1.0)
    translate: tuple[float, float] = (0.0, 0.0)
    name: str = "layer"
    path: str | None = None
    multiscale: bool = False
    rgb: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    features: dict[str, Any] = field(default_factory=dict)
    linear: Any = None
    dims: int = 2

    @property
    def ndim(self) -> int:
        return self.dims

    @property
    def source(self) -> Any:
        return SimpleNamespace(path=self.path)

    def data_to_world(self, position: Any) -> tuple[float, ...]:
        linear = np.diag(self.scale) if self.linear is None else np.asarray(self.linear)
        last = linear @ np.asarray(position)[-2:] + self.translate
        return (*position[:-2], *last)


def shown(layer_data: Any) -> FakeLayer:
    """What the viewer makes of data, attributes and type of a layer."""
    data, attributes, _ = layer_data
    kept = {k: attributes[k] for k in ("scale", "translate", "name", "multiscale")}
    return FakeLayer(data, metadata=attributes.get("metadata", {}), **kept)
