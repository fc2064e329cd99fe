"""What training/research/clusters.py says of each cluster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

RESEARCH = Path(__file__).parents[3] / "training/research"


def test_each_class_has_its_share_dice_and_most_frequent_error(monkeypatch):
    monkeypatch.syspath_prepend(str(RESEARCH))
    from clusters import by_class

    truth = np.array([0, 0, 1, 1, 1, 2, 2, 2], np.uint8)
    predicted = np.array([0, 0, 1, 1, 2, 2, 1, 1])
    figures = by_class(("background", "tissue", "islets"), truth, predicted)
    assert figures["background"] == {"share": 0.25, "dice": 1.0, "taken_for": ""}
    assert figures["islets"]["dice"] == pytest.approx(2 / 5)
    assert figures["islets"]["taken_for"] == "tissue"
