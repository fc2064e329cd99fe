"""What morphinfer writes down of a run: the run record in a label image, and what ``--json`` prints.

`run` is the record, `summary`, `model_sets` and `doctor` are the printed objects, `watch` is the state of a
watched folder, `parsing` reads and writes the JSON values of dataclasses, and `schema` describes them all as
JSON Schema. The package is at the ground of the layers, and not in `runs`, which writes the record, because
`reports` and `scoring` below it read and write the same keys.
"""

from __future__ import annotations

from morphinfer.records.doctor import Check, CheckState, Diagnosis
from morphinfer.records.model_sets import (
    ModelSetCard,
    ModelSetChecks,
    ModelSets,
    ModelSetSummary,
    NetworkCheck,
)
from morphinfer.records.parsing import parse_fields, to_plain
from morphinfer.records.run import (
    RECORD_VERSION,
    RunBadChunks,
    RunFit,
    RunIntensity,
    RunModels,
    RunProvider,
    RunRecord,
    RunRoi,
    RunSlide,
    RunStart,
    RunTiling,
    Skipping,
)
from morphinfer.records.summary import (
    BatchSummary,
    ClassScoresJson,
    DiceJson,
    Evaluation,
    ExportedClass,
    ExportSummary,
    InSlideSummary,
    IntervalsJson,
    ReportFile,
    ReportSummary,
    ScoredSummary,
    ScoresJson,
    SeamFigures,
    SeamVerdict,
    ShardSummary,
    SlideFailure,
    Summary,
    dice_interval,
    scores_in,
)
from morphinfer.records.watch import WatchedSlide, WatchState, WatchStatus

__all__ = [
    "RECORD_VERSION",
    "BatchSummary",
    "Check",
    "CheckState",
    "ClassScoresJson",
    "Diagnosis",
    "DiceJson",
    "Evaluation",
    "ExportSummary",
    "ExportedClass",
    "InSlideSummary",
    "IntervalsJson",
    "ModelSetCard",
    "ModelSetChecks",
    "ModelSetSummary",
    "ModelSets",
    "NetworkCheck",
    "ReportFile",
    "ReportSummary",
    "RunBadChunks",
    "RunFit",
    "RunIntensity",
    "RunModels",
    "RunProvider",
    "RunRecord",
    "RunRoi",
    "RunSlide",
    "RunStart",
    "RunTiling",
    "ScoredSummary",
    "ScoresJson",
    "SeamFigures",
    "SeamVerdict",
    "ShardSummary",
    "Skipping",
    "SlideFailure",
    "Summary",
    "WatchState",
    "WatchStatus",
    "WatchedSlide",
    "dice_interval",
    "parse_fields",
    "scores_in",
    "to_plain",
]
