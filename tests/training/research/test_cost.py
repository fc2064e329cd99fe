"""The cost of the networks as training/research computes it."""

from __future__ import annotations

from pathlib import Path

RESEARCH = Path(__file__).parents[3] / "training/research"


def test_multiply_adds_count_each_layer_at_its_resolution(monkeypatch):
    monkeypatch.syspath_prepend(str(RESEARCH))
    from cost import multiply_adds_per_pixel

    by_hand = 25 * 16 + 9 * (16 * 32 / 4 + 32 * 64 / 16 + 2 * 64 * 64 / 64) + 64 * 4 / 64
    assert multiply_adds_per_pixel((16, 32, 64, 64), 4) == by_hand
