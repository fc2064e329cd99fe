"""Charts are well-formed, show values at the right positions, and escape every name."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from morphinfer.reports.svg import Axis, Whisker, line_chart, whisker_chart


def parsed(text):
    """The elements of a chart."""
    return ElementTree.fromstring(text)


def test_an_axis_places_values_in_proportion():
    axis = Axis("x", 10, 20, 100, 300)
    assert [axis.place(v) for v in (10, 15, 20)] == [100, 200, 300]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.41, 0.93, [0.5, 0.6, 0.7, 0.8, 0.9]),
     (-15, 16, [-10, 0, 10]), (0.0002, 0.0004, [0.0002, 0.00025, 0.0003, 0.00035, 0.0004])],
)  # fmt: skip
def test_ticks_are_round_numbers(low, high, ticks):
    assert Axis("x", low, high, 0, 1).ticks() == pytest.approx(ticks)


def test_a_line_has_a_gap_where_a_value_is_missing():
    chart = parsed(
        line_chart({"p": ([1, 2, 3, 4, 5], [1, 2, None, 4, 5])}, x_label="x", y_label="y")
    )
    lines = [line.get("points") for line in chart.iter("polyline")]
    assert [len(points.split()) for points in lines] == [2, 2]


def test_lines_with_fewer_than_two_values_give_no_chart():
    assert line_chart({"p": ([1, 2], [None, 3])}, x_label="x", y_label="y") == ""
    assert line_chart({}, x_label="x", y_label="y") == ""


def test_a_line_that_does_not_change_is_drawn_in_the_middle():
    chart = parsed(line_chart({"p": ([1, 2], [0, 0])}, x_label="x", y_label="y", height=250))
    (line,) = chart.iter("polyline")
    assert {point.split(",")[1] for point in line.get("points").split()} == {"118.0"}


def test_names_are_escaped():
    name = "<script>&'\"\x1b"
    whiskers = parsed(whisker_chart([Whisker(name, 0.5, None)], label=name))
    lines = parsed(line_chart({name: ([1, 2], [1, 2])}, x_label=name, y_label="y"))
    for chart in (whiskers, lines):
        assert "<script>&'\"\\x1b" in [text.text for text in chart.iter("text")]
        assert not list(chart.iter("script"))


def test_an_undefined_value_shows_as_not_available():
    rows = [Whisker("a", 0.9, (0.8, 0.95)), Whisker("b", None, None)]
    chart = parsed(whisker_chart(rows, label="Dice"))
    assert len(list(chart.iter("circle"))) == 1
    assert "n/a" in [text.text for text in chart.iter("text")]


def test_a_chart_of_undefined_values_alone_is_drawn():
    assert not list(parsed(whisker_chart([Whisker("b", None, None)], label="Dice")).iter("circle"))
