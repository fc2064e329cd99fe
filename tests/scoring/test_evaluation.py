"""Label images are compared where they lie in micrometres, and refused where they do not match."""

from __future__ import annotations

import numpy as np
import pytest
from label_images import NAMES, matrix, random_values

from morphinfer.classes import UNLABELLED
from morphinfer.errors import AlignmentError, SlideError
from morphinfer.images.labels.opening import open_labels
from morphinfer.scoring.evaluation import evaluate
from morphinfer.scoring.metrics import scores_json

pytest_plugins = ["label_images"]


def test_an_image_equals_itself(make):
    path = make(random_values(30, 20))
    agreement = evaluate(path, path)
    assert agreement.mean_dice == agreement.mean_iou == 1
    assert agreement.pixels_compared == 600


def test_equal_grids_are_compared_pixel_by_pixel(make):
    labels, reference = random_values(30, 20), random_values(30, 20, seed=1)
    agreement = evaluate(make(labels), make(reference))
    np.testing.assert_array_equal(agreement.confusion, matrix(reference, labels))


def test_open_label_images_are_taken_too(make):
    image = open_labels(make(random_values(8, 8)))
    assert evaluate(image, image).mean_dice == 1


def test_small_tiles_give_the_same_counts(make):
    labels, reference = make(random_values(37, 41)), make(random_values(74, 82, seed=1), 2.0)
    expected = evaluate(labels, reference).confusion
    np.testing.assert_array_equal(evaluate(labels, reference, tile=7).confusion, expected)


def test_a_finer_reference_is_compared_at_its_own_pixels(make):
    labels, reference = random_values(9, 7), random_values(27, 21, seed=1)
    agreement = evaluate(make(labels, 6.0), make(reference, 2.0))
    np.testing.assert_array_equal(
        agreement.confusion, matrix(reference, np.kron(labels, np.ones((3, 3), np.uint8)))
    )


def test_a_coarser_reference_is_looked_up_by_pixel(make):
    labels, reference = random_values(20, 20), random_values(10, 10, seed=1)
    agreement = evaluate(make(labels, 2.0), make(reference, 4.0))
    np.testing.assert_array_equal(
        agreement.confusion, matrix(np.kron(reference, np.ones((2, 2), np.uint8)), labels)
    )


def test_a_reference_half_a_pixel_away_is_looked_up_by_micrometres(make):
    labels, reference = random_values(6, 6), random_values(12, 12, seed=1)
    agreement = evaluate(make(labels, 4.0), make(reference, 2.0, corner=(2.0, 0.0)))
    fine = np.kron(labels, np.ones((2, 2), np.uint8))
    np.testing.assert_array_equal(agreement.confusion, matrix(reference[:11], fine[1:]))


def test_an_overhanging_last_pixel_is_compared_where_both_images_are(make):
    labels, reference = random_values(4, 4), random_values(25, 25, seed=1)
    agreement = evaluate(make(labels, 8.0), make(reference, 1.0))
    fine = np.kron(labels, np.ones((8, 8), np.uint8))
    np.testing.assert_array_equal(agreement.confusion, matrix(reference, fine[:25, :25]))


def test_images_of_one_pixel_are_compared(make):
    assert evaluate(make([[2]]), make([[2]])).dice == (None, None, 1, None)


def test_corners_far_from_the_origin_do_not_blur_the_match(make):
    labels, corner = random_values(50, 50), (98765.4321, 12345.6789)
    agreement = evaluate(make(labels, 0.325 * 8, corner), make(labels, 0.325 * 8, corner))
    assert agreement.mean_dice == 1


def test_unlabelled_pixels_of_the_reference_are_left_out(make):
    agreement = evaluate(make([[0, 1, 3]]), make([[0, 1, UNLABELLED]]))
    assert agreement.pixels_compared == 2
    assert agreement.dice == (1, 1, None, None)


@pytest.mark.parametrize("size", [2.0, 4.0])
def test_only_the_inside_of_a_region_of_interest_is_compared(make, tmp_path, size):
    labels, reference = random_values(30, 20), random_values(30, 20, seed=1)
    fine = np.kron(reference, np.ones((int(4 / size),) * 2, np.uint8))
    (tmp_path / "part.csv").write_text("x_um,y_um\n0,0\n40,0\n40,60\n0,60\n")
    part = evaluate(make(labels), make(fine, size), roi=tmp_path / "part.csv", tile=7)
    expected = matrix(reference[:15, :10], labels[:15, :10]) * int(4 / size) ** 2
    np.testing.assert_array_equal(part.confusion, expected)


def test_classes_are_matched_by_name_whatever_their_values(make):
    reference = make([[3, 0, 2, 1]], names=("tissue", "Lamp5", "Slc17a7", "background"))
    agreement = evaluate(make([[0, 1, 2, 3]]), reference)
    assert agreement.class_names == NAMES
    assert agreement.mean_dice == 1
    assert agreement.matched == ()


def test_genes_of_other_names_are_matched_by_match(make):
    reference = make([[0, 1, 2, 3]], names=("background", "tissue", "Neurod6", "Cplx3"))
    match = {"Neurod6": "Slc17a7", "Cplx3": "Lamp5"}
    agreement = evaluate(make([[0, 1, 2, 3]]), reference, match=match)
    assert agreement.mean_dice == 1
    assert dict(agreement.matched) == match


def test_several_classes_of_the_reference_may_be_one_of_ours(make):
    reference = make([[0, 1, 2, 3]])
    agreement = evaluate(
        make([[0, 1, 1, 1]]), reference, match={"Slc17a7": "tissue", "Lamp5": "tissue"}
    )
    assert agreement.dice == (1, 1, None, None)


def test_a_class_that_the_reference_does_not_know_has_no_dice_of_its_own(make):
    result = np.array([[0, 0, 1, 1, 3, 3]])
    reference = np.array([[0, 0, 1, 1, 1, 1]])
    agreement = evaluate(make(result), make(reference, names=NAMES[:3]))
    assert agreement.dice == (1, pytest.approx(2 / 3), None, None)
    assert agreement.classes_counted == 2


def test_a_class_that_the_reference_does_not_know_may_be_predicted_anywhere(make):
    names = ("background", "tissue", "Lamp5")
    agreement = evaluate(make([[0, 0, 1, 1, 2, 2, 3]]), make([[0, 0, 1, 1, 1, 1, 2]], names=names))
    assert agreement.dice == (1, pytest.approx(2 / 3), None, 1)
    assert agreement.confusion[1].tolist() == [0, 2, 2, 0]


def test_progress_reaches_its_total(make):
    seen = []
    path = make(random_values(16, 9))
    evaluate(path, path, lambda done, total: seen.append((done, total)), tile=8)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("shape", "size", "corner"),
    [((12, 10), 4.0, (0.0, 0.0)), ((10, 10), 5.0, (0.0, 0.0)), ((10, 10), 4.0, (0.0, 4.1))],
)
def test_a_reference_of_another_place_is_refused(make, shape, size, corner):
    reference = make(random_values(*shape), size, corner)
    with pytest.raises(
        AlignmentError, match=r"rows 0\.00 to 40\.00 .* micrometres .* one pixel of"
    ):
        evaluate(make(random_values(10, 10)), reference)


def test_a_reference_one_pixel_larger_is_compared(make):
    assert evaluate(make(random_values(10, 10)), make(random_values(11, 11))).pixels_compared == 100


def test_a_reference_of_foreign_classes_is_refused(make):
    with pytest.raises(
        AlignmentError, match=r"no 'Slc17a7', 'Lamp5'; .* `match={'Slc17a7': 'tissue'}`"
    ):
        evaluate(make([[0, 1]], names=NAMES[:2]), make([[0, 3]]))


@pytest.mark.parametrize(("labels", "reference"), [([[0, 1]], [[0, 9]]), ([[0, 9]], [[0, 1]])])
def test_a_value_without_a_class_is_refused(make, labels, reference):
    with pytest.raises(AlignmentError, match="has the value 9"):
        evaluate(make(labels), make(reference))


def test_a_reference_without_labels_is_refused(make):
    with pytest.raises(AlignmentError, match="nothing to compare"):
        evaluate(make([[0, 1]]), make([[UNLABELLED, UNLABELLED]]))


def test_a_path_that_does_not_exist_is_refused(make, tmp_path):
    with pytest.raises(SlideError, match="no such file"):
        evaluate(make([[0]]), tmp_path / "absent.zarr")


def test_the_pixels_of_an_ignored_class_are_not_compared(make):
    reference = make([[0, 1, 4, 4]], names=(*NAMES, "artefact"))
    agreement = evaluate(make([[0, 1, 2, 3]]), reference, ignore=["artefact"])
    assert (agreement.mean_dice, agreement.pixels_compared) == (1, 2)
    assert agreement.ignored == ("artefact",)
    assert agreement.confusion.sum() == agreement.blocks.sum() == 2


def test_a_reference_of_ignored_classes_alone_leaves_nothing_to_compare(make):
    path = make([[2, 2]])
    with pytest.raises(AlignmentError, match="nothing to compare"):
        evaluate(path, path, ignore=["Slc17a7"])


@pytest.mark.parametrize(
    ("corner", "apart"),
    [
        ((0.0, 0.0), None),
        ((0.2, 0.0), None),
        ((2.0, 0.0), "0.5 of a pixel"),
        ((0.0, -4.0), "1 of a pixel"),
    ],
)
def test_a_reference_beside_the_labels_is_reported(make, caplog, corner, apart):
    values = random_values(20, 20)
    agreement = evaluate(make(values), make(values, corner=corner))
    assert agreement.apart_um == corner
    assert scores_json(agreement)["apart_um"] == list(corner)
    assert [apart in text for text in agreement.warnings] == ([True] if apart else [])
    assert list(agreement.warnings) == [r.getMessage() for r in caplog.records]


def test_unlabelled_pixels_of_the_result_are_refused_where_the_reference_has_a_class(make):
    with pytest.raises(AlignmentError, match="has the value 255, unlabelled, where"):
        evaluate(make([[0, UNLABELLED]]), make([[0, 1]]))
