"""Training configurations: frozen dataclasses, read strictly from TOML.

`tables` holds the dataclasses and their defaults, `parsing` turns any TOML table into a dataclass and checks
types and limits, `rules` checks what the values must keep together, `reading` reads files. Paths are
relative to the TOML file. They are kept as written: environment variables are expanded only when a file is
opened, so that model files contain no folder of the training machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from morphinfer.lazy import attach

if TYPE_CHECKING:
    from morphinfer_training.config.parsing import (
        GeneClass,
        json_types,
        resolve_path,
    )
    from morphinfer_training.config.reading import (
        parse_config,
        read_config,
    )
    from morphinfer_training.config.tables import (
        CONTEXT_PX,
        STRIDE_PX,
        AugmentationConfig,
        CardConfig,
        SectionConfig,
        Side,
        TestConfig,
        TrainConfig,
        TrainingConfig,
        ValidationConfig,
    )

__all__ = [
    "CONTEXT_PX",
    "STRIDE_PX",
    "AugmentationConfig",
    "CardConfig",
    "GeneClass",
    "SectionConfig",
    "Side",
    "TestConfig",
    "TrainConfig",
    "TrainingConfig",
    "ValidationConfig",
    "json_types",
    "parse_config",
    "read_config",
    "resolve_path",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "parsing": (
                "GeneClass",
                "json_types",
                "resolve_path",
            ),
            "reading": (
                "parse_config",
                "read_config",
            ),
            "tables": (
                "AugmentationConfig",
                "CONTEXT_PX",
                "CardConfig",
                "STRIDE_PX",
                "SectionConfig",
                "Side",
                "TestConfig",
                "TrainConfig",
                "TrainingConfig",
                "ValidationConfig",
            ),
        },
    )
