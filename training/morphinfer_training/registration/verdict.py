"""What the tests of the registration mean, in words: the cause, how sure it is, and what to do."""

from __future__ import annotations

from morphinfer.errors import SpotsError
from morphinfer_training.registration.check import Registration
from morphinfer_training.registration.search import Place, PlaceComparison
from morphinfer_training.spots import Orientation

ORIENTATION_CAUSES: dict[Orientation, str] = {
    "given": "they are turned although the table has the orientation of the slide",
    "swapped": "x and y are swapped",
    "rows-flipped": "y runs upwards",
    "cols-flipped": "x runs to the left",
    "rotated": "both axes run backwards",
    "swapped-rows-flipped": "x and y are swapped, and rows run upwards",
    "swapped-cols-flipped": "x and y are swapped, and columns run to the left",
    "swapped-rotated": "x and y are swapped, and both run backwards",
}
ACCEPT = "`accept_registration=True` takes them as they are"


def registration_findings(
    registration: Registration,
    comparison: PlaceComparison | None,
    pixel_size_um: float,
    name: str,
    covered: tuple[float, float] = (1.0, 1.0),
) -> tuple[str | None, str | None]:
    """A reason to refuse the spots, or None, and a warning, or None.

    Parameters
    ----------
    registration : Registration
        Contrast of the image under spots and beside them.
    comparison : PlaceComparison or None
        Comparison with other places, where there are enough spots.
    pixel_size_um : float
        Side of a pixel of level 0 in micrometres.
    name : str
        Name of the spots in messages.
    covered : tuple of float
        Share of the rows and of the columns of the slide between the outermost spots.
    """
    if comparison is not None and comparison.verdict == "right":
        return None, _only_by_texture(comparison, registration, name)
    if comparison is not None and comparison.verdict == "wrong":
        return _misplaced(comparison, registration.chosen, pixel_size_um, name), None
    if registration.another_is_right:
        return _misoriented(registration, name), None
    if not registration.visible:
        given = registration.given
        return None, (
            f"{name}: the image under the spots is like the image beside them "
            f"({given.contrast:+.1%}, {abs(given.significance):.1f} standard errors); the spots may be "
            f"shifted or scaled, and cover {covered[0]:.0%} of the rows and {covered[1]:.0%} of the "
            f"columns of the slide: check `unit`, `pixel_size_um` and the picture"
        )
    return None, None


def refuse(reason: str | None) -> None:
    """Raise if there is a reason.

    Raises
    ------
    SpotsError
        There is one.
    """
    if reason is not None:
        raise SpotsError(f"{reason}; {ACCEPT}")


def _only_by_texture(
    comparison: PlaceComparison, registration: Registration, name: str
) -> str | None:
    if comparison.evidence == "nuclei":
        return None
    return (
        f"{name}: the spots are not concentrated on nuclei "
        f"(brightness under them {registration.given.contrast:+.1%}, "
        f"{registration.given.significance:+.1f} standard errors), but the texture of the tissue "
        f"explains {comparison.given_fit:.0%} of the densities of genes, at no other place clearly more; "
        f"a shift of less than about 25 micrometres would not be noticed: check the picture"
    )


def _misplaced(
    comparison: PlaceComparison, chosen: Orientation, pixel_size_um: float, name: str
) -> str:
    """The cause of a misfit, how sure it is, and the parameters that mend it."""
    causes, advice = _causes(comparison.best, chosen, pixel_size_um)
    if comparison.evidence == "nuclei":
        how_sure = (
            f"the correlation with the nuclei is {comparison.given_fit:.1f} standard errors as given and "
            f"{comparison.best_fit:.1f} there, {comparison.ratio:.1f} times that of any other place tried"
        )
    else:
        how_sure = (
            f"the texture of the tissue explains {comparison.given_fit:.0%} of the densities of genes as "
            f"given and {comparison.best_fit:.0%} there; less sure than by nuclei"
        )
    return f"{name}: the spots seem to lie elsewhere: {causes} ({how_sure}); give {advice}"


def _causes(place: Place, chosen: Orientation, pixel_size_um: float) -> tuple[str, str]:
    causes, advice = [], []
    if place.factor != 1.0:
        as_um = place.factor == 1 / pixel_size_um
        share = pixel_size_um if as_um else 1 / pixel_size_um
        taken = "micrometres taken as pixels" if as_um else "pixels taken as micrometres"
        causes.append(f"they cover {share:.3g} of the extent that they should, {taken}")
        advice.append(f"`unit={'micrometer' if as_um else 'pixel'!r}`")
    if place.orientation != chosen:
        causes.append(ORIENTATION_CAUSES[place.orientation])
        advice.append(f"`orientation={place.orientation!r}`")
    if place.shift != (0.0, 0.0):
        right, down = place.shift
        causes.append(
            f"shifted by ({-right:.0f}, {-down:.0f}) pixels to the right and down, "
            f"({-right * pixel_size_um:.0f}, {-down * pixel_size_um:.0f}) micrometres"
        )
        advice.append(f"`shift='{right:.1f},{down:.1f}'`")
    return ", ".join(causes), " and ".join(advice)


def _misoriented(registration: Registration, name: str) -> str:
    best, given = registration.others[registration.best], registration.given
    return (
        f"{name}: the coordinates seem to be {registration.best}: the image under the spots differs "
        f"from the image beside them by {given.contrast:+.1%} ({abs(given.significance):.1f} standard "
        f"errors) if {registration.chosen}, and by {best.contrast:+.1%} "
        f"({abs(best.significance):.1f}) if {registration.best}; give "
        f"`orientation={registration.best!r}`"
    )
