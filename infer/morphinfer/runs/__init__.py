"""One run, from slide and networks to a published label image; the only package that joins the stages.

`segmentation` holds the calls. A `plan` says what is computed, the `engine` sends tiles through the
networks, `background` decides whether empty parts are skipped, and finished rows go into a `draft`
(`row_writer`, `journal`), which survives interruption and is published as a whole; `draft_checks` says what
can be resumed, `open_rows` and `stretches` what of an incomplete row is kept, and `holders` who works on it.
`steps` is what all runs share, `sharding` splits one over processes, `forecast` predicts what it costs,
`watching` segments what appears in a folder, and `outputs` knows where results belong; `into_slide` writes
labels into the image of the slide.
"""

from __future__ import annotations

from morphinfer.runs.draft import Draft, draft_folder
from morphinfer.runs.finishing import finish
from morphinfer.runs.forecast import Forecast, forecast_run
from morphinfer.runs.into_slide import write_into_slide
from morphinfer.runs.outputs import default_out, refuse_inputs, run_outputs
from morphinfer.runs.results import ArraySegmentation, Segmentation
from morphinfer.runs.segmentation import segment, segment_array
from morphinfer.runs.sharding import segment_shard, shard_rows
from morphinfer.runs.steps import Models, Progress, Report, make_plan
from morphinfer.runs.watching import WatchSettings, watch

__all__ = [
    "ArraySegmentation",
    "Draft",
    "Forecast",
    "Models",
    "Progress",
    "Report",
    "Segmentation",
    "WatchSettings",
    "default_out",
    "draft_folder",
    "finish",
    "forecast_run",
    "make_plan",
    "refuse_inputs",
    "run_outputs",
    "segment",
    "segment_array",
    "segment_shard",
    "shard_rows",
    "watch",
    "write_into_slide",
]
