"""What the run record keeps of the models' training."""

from __future__ import annotations

import json

from morphinfer.networks.loading import load_models
from morphinfer.networks.provenance import MOST_POINTS, provenance_of
from networks import save_set

HISTORY = {
    "step": list(range(50, 50 * 301, 50)),
    "loss": [1 / (k + 3) for k in range(300)],
    "mean_dice": [float("nan"), *(0.5 for _ in range(299))],
}


def set_with(tmp_path, **provenance):
    return load_models(save_set(tmp_path / "models", provenance=provenance))


def test_the_configuration_is_left_to_the_model_files(tmp_path):
    config = {"steps": 5, "card": {"limits": ("Not human tissue.",)}}
    provenance = provenance_of(set_with(tmp_path, date="2026-01-02", config=config))
    assert provenance["date"] == "2026-01-02"
    assert provenance["card"] == {"limits": ["Not human tissue."]}
    assert "config" not in provenance
    assert provenance["networks"]["p062"] == {"patch_size_px": 62, "fusion_weight": 0.5}


def test_a_set_without_provenance_has_its_networks_only(tmp_path):
    assert set(provenance_of(set_with(tmp_path))) == {"networks"}


def test_learning_curves_are_thinned_and_keep_their_end(tmp_path):
    curve = provenance_of(set_with(tmp_path, history={"p046": HISTORY}))["history"]["p046"]
    assert {len(values) for values in curve.values()} == {100}
    assert len(curve["step"]) <= MOST_POINTS
    assert curve["step"][-1] == 50 * 300
    assert curve["loss"][-1] == round(1 / 302, 4)


def test_undefined_numbers_become_null(tmp_path):
    short = {key: values[:5] for key, values in HISTORY.items()}
    provenance = provenance_of(
        set_with(tmp_path, history={"p046": short}, sections=[{"w": float("inf")}])
    )
    assert provenance["history"]["p046"]["mean_dice"][0] is None
    assert provenance["sections"] == [{"w": None}]
    json.dumps(provenance, allow_nan=False)


def test_a_history_of_another_form_is_left_out(tmp_path):
    assert "history" not in provenance_of(set_with(tmp_path, history=[1, 2]))


def test_figures_of_the_set_are_kept_in_short(tmp_path):
    models = set_with(tmp_path)
    methods = [{"name": "fused", "dice": {"mean": 0.61234}, "intervals": {"mean": [0.5, 0.7]}}]
    section = {"section": "rows", "verdict": "The networks win.", "methods": methods}
    path = tmp_path / "models/figures.json"
    path.write_text(json.dumps({"sections": [section]}))
    (kept,) = provenance_of(models)["figures"]
    assert kept["methods"] == [{"name": "fused", "mean_dice": 0.6123, "interval": [0.5, 0.7]}]
    assert kept["verdict"] == "The networks win."
    path.write_text('{"sections": [1]}')
    assert "figures" not in provenance_of(models)
