"""Classes of a reference are matched by name or by `match`; a class without a partner is refused."""

from __future__ import annotations

import numpy as np
import pytest

from morphinfer.classes import UNLABELLED
from morphinfer.errors import AlignmentError
from morphinfer.scoring.class_matching import differing, match_classes, matched

OURS = ("background", "tissue", "Neurod6", "Plp1")


def test_classes_are_matched_by_name_whatever_their_order():
    assert match_classes(("tissue", "Plp1", "background"), OURS) == (1, 3, 0)


def test_a_class_of_another_name_is_matched_by_match():
    theirs = ("background", "tissue", "Slc17a7")
    values = match_classes(theirs, OURS, {"Slc17a7": "Neurod6"})
    assert values == (0, 1, 2)
    assert differing(theirs, OURS, values) == (("Slc17a7", "Neurod6"),)


def test_match_may_give_a_class_of_the_same_name_another_partner():
    assert match_classes(("Neurod6", "Plp1"), OURS, {"Plp1": "tissue"}) == (2, 1)


def test_a_foreign_class_is_refused_with_both_sides_and_the_way_out():
    with pytest.raises(AlignmentError) as error:
        match_classes(("background", "tissue", "Cplx3"), OURS, reference="r.zarr", labels="l.zarr")
    assert str(error.value) == (
        "r.zarr has the classes background, tissue, Cplx3, but l.zarr has background, tissue, "
        "Neurod6, Plp1 and no 'Cplx3'; name the class to compare it with, for example "
        "`match={'Cplx3': 'Neurod6'}`, or leave it out, `ignore=['Cplx3']`, or segment with models that "
        "were trained for the classes of the reference"
    )


def test_the_way_out_names_the_nearest_class():
    with pytest.raises(AlignmentError, match=r"match=\{'tissues': 'tissue'\}"):
        match_classes(("background", "tissues", "Plp1"), OURS)


@pytest.mark.parametrize(
    ("match", "part"),
    [
        ({"Slc17a7": "Neurod6"}, "`match` names 'Slc17a7', but the classes of r.zarr are"),
        ({"tissue": "Slc17a7"}, "`match` names 'Slc17a7', but the classes of l.zarr are"),
    ],
)
def test_a_name_that_neither_image_has_is_refused(match, part):
    with pytest.raises(AlignmentError, match=part):
        match_classes(OURS[:2], OURS, match, reference="r.zarr", labels="l.zarr")


def test_rows_of_the_reference_are_moved_to_the_values_of_the_labels():
    counts = np.zeros((256, 256), np.int64)
    counts[0, 1], counts[1, 2], counts[UNLABELLED, 3] = 5, 6, 7
    moved = matched(counts, (2, 0))
    assert (moved[2, 1], moved[0, 2], moved[UNLABELLED, 3]) == (5, 6, 7)
    assert moved.sum() == 18


def test_classes_that_share_a_partner_are_counted_together():
    blocks = np.arange(24).reshape(2, 3, 4)
    moved = matched(blocks, (1, 1, 3), 4)
    np.testing.assert_array_equal(moved[:, 1], blocks[:, 0] + blocks[:, 1])
    np.testing.assert_array_equal(moved[:, 3], blocks[:, 2])
    assert not moved[:, [0, 2]].any()


def test_a_class_that_is_ignored_needs_no_partner_and_is_not_counted():
    theirs = ("background", "artefact", "tissue")
    values = match_classes(theirs, OURS, ignore=["artefact"])
    assert values == (0, UNLABELLED, 1)
    assert differing(theirs, OURS, values) == ()
    counts = np.zeros((256, 256), np.int64)
    counts[0, 0], counts[1, 2], counts[2, 1], counts[UNLABELLED, 3] = 5, 6, 7, 8
    moved = matched(counts, values)
    assert (moved[0, 0], moved[1, 1], moved[UNLABELLED, 2], moved[UNLABELLED, 3]) == (5, 7, 6, 8)
    assert matched(counts[None, :3, :4], values, 4).sum() == 12


@pytest.mark.parametrize(
    ("ignore", "match", "part"),
    [
        (["tisue"], {}, "`ignore` names 'tisue', .*did you mean 'tissue'"),
        (["tissue"], {"tissue": "Plp1"}, "'tissue' is matched with 'Plp1' and ignored"),
        ("artefact", {}, "`ignore` names 'artefact'"),
    ],
)
def test_what_cannot_be_ignored_is_refused(ignore, match, part):
    with pytest.raises(AlignmentError, match=part):
        match_classes(("background", "tissue"), OURS, match, ignore)
