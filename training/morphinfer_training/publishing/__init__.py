"""From trained networks to files: ONNX with cards, half precision, BioImage.IO packages.

`export` writes and checks a network, `publish` a set with its `model_card`; `half` rewrites a set in
float16, `joined_graph` joins it into one graph, `bioimageio` packs that (`bioimageio_description`,
`bioimageio_text`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from morphinfer.lazy import attach

if TYPE_CHECKING:
    from morphinfer_training.publishing.bioimageio import export_package
    from morphinfer_training.publishing.half import halve_set
    from morphinfer_training.publishing.publish import SetFacts, publish_set

__all__ = [
    "SetFacts",
    "export_package",
    "halve_set",
    "publish_set",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "bioimageio": ("export_package",),
            "half": ("halve_set",),
            "publish": (
                "SetFacts",
                "publish_set",
            ),
        },
    )
