"""From trained networks to files: ONNX model sets with cards, float16 sets, BioImage.IO packages.

`export` builds and checks the ONNX file of a network, `publish` writes a set with its `provenance` and
`model_card`.
Sets that morphinfer exported (`exported_set`) get other texts or statistics by `rewording`, and are
converted by `half` to float16 and by `bioimageio` to a package: `joined_graph` joins the networks into one
graph, `bioimageio_description` and `bioimageio_text` describe it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from morphinfer.lazy import attach

if TYPE_CHECKING:
    from morphinfer_training.publishing.bioimageio import export_package
    from morphinfer_training.publishing.card_files import CARD, published_card, store_figures
    from morphinfer_training.publishing.exported_set import load_exported_set
    from morphinfer_training.publishing.half import halve_set
    from morphinfer_training.publishing.provenance import training_provenance, validation_scores
    from morphinfer_training.publishing.publish import SetFacts, publish_set
    from morphinfer_training.publishing.rewording import add_appearances, reword_set

__all__ = [
    "CARD",
    "SetFacts",
    "add_appearances",
    "export_package",
    "halve_set",
    "load_exported_set",
    "publish_set",
    "published_card",
    "reword_set",
    "store_figures",
    "training_provenance",
    "validation_scores",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "bioimageio": ("export_package",),
            "exported_set": ("load_exported_set",),
            "half": ("halve_set",),
            "card_files": (
                "CARD",
                "published_card",
                "store_figures",
            ),
            "provenance": (
                "training_provenance",
                "validation_scores",
            ),
            "publish": (
                "SetFacts",
                "publish_set",
            ),
            "rewording": ("add_appearances", "reword_set"),
        },
    )
