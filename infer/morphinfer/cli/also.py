"""What else becomes of a label image: exports beside it, and labels inside the slide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from morphinfer.cli.console import ParamType
from morphinfer.errors import MorphinferError, OutputError

if TYPE_CHECKING:
    from morphinfer.exports import FormatName
    from morphinfer.images import LabelImage, Slide

FORMATS = ("geojson", "csv", "shapes", "tissuumaps", "spatialdata")
DEFAULT_NAME = "morphinfer"
"""Name of the labels inside a slide."""
Command = Callable[..., Any]


class Formats(ParamType):
    """Forms of exports, separated by commas."""

    name = "FORM,..."

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Split, and refuse what is no form."""
        forms = value if isinstance(value, tuple) else tuple(dict.fromkeys(str(value).split(",")))
        for form in forms:
            if form not in FORMATS:
                self.fail(f"{form!r} is none of {', '.join(FORMATS)}", param, ctx)
        return forms


class LabelsName(ParamType):
    """A name for labels inside a slide."""

    name = "NAME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Refuse a path, since the name may be left out."""
        name = str(value)
        if set(name) & {"/", "\\"} or name.endswith((".zarr", ".tif", ".tiff")):
            self.fail(
                f"{name!r} is a path and no name; write it before {param and param.opts[0]}, or a name "
                f"after '='",
                param,
                ctx,
            )
        return name


also_option = click.option(
    "--also", type=Formats(), default=(),
    help=f"Also export the labels, as 'morphinfer export --to' does: {', '.join(FORMATS)}.",
)  # fmt: skip
into_slide_option = click.option(
    "--into-slide", is_flag=False, flag_value=DEFAULT_NAME, type=LabelsName(), metavar="[NAME]",
    help=f"Also write labels/NAME into the OME-Zarr image of the slide; NAME is {DEFAULT_NAME} by default.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Also:
    """What is made of each label image besides."""

    formats: Sequence[FormatName] = ()
    """Forms of exports beside it."""
    into_slide: str | None = None
    """Name of the labels inside the slide, if there are to be any."""

    def check(self, slide: Slide, target: Path, *, overwrite: bool) -> None:
        """Refuse, before any work is done, what could not be made.

        Raises
        ------
        OutputError
            An output exists or cannot be written, or a package is not installed.
        """
        from morphinfer.images import check_labels

        if self.into_slide is not None:
            check_labels(slide, self.into_slide, overwrite=overwrite)
        if self.formats:
            from morphinfer.exports import check_export

            for form, path in self.exports(target).items():
                check_export(path, form, overwrite=overwrite)

    def exports(self, target: Path) -> dict[FormatName, Path]:
        """Path of each export."""
        if not self.formats:
            return {}
        from morphinfer.exports import export_path

        return {form: export_path(target, form) for form in self.formats}

    def make(
        self, slide: Slide, labels: LabelImage, target: Path, *, overwrite: bool, again: bool = True
    ) -> None:
        """Make all, or without ``again`` those that are missing; one that fails does not stop the others.

        Raises
        ------
        OutputError
            Some failed.
        """
        steps: dict[Path, Callable[[], object]] = {}
        for form, path in self.exports(target).items():
            from morphinfer.exports import export_labels

            steps[path] = partial(export_labels, labels, path, form, overwrite=overwrite)
        if self.into_slide is not None:
            from morphinfer.runs import write_into_slide

            path = Path(slide.address, "labels", self.into_slide)
            steps[path] = partial(
                write_into_slide, slide, labels, self.into_slide, overwrite=overwrite
            )
        due = [step for path, step in steps.items() if again or not path.exists()]
        problems = [str(problem) for step in due if (problem := _problem(step))]
        if problems:
            raise OutputError(f"{target}: is complete, but {'; '.join(problems)}")


def _problem(step: Callable[[], object]) -> BaseException | None:
    """What stops a step, if anything."""
    try:
        step()
    except (MorphinferError, MemoryError, OSError) as problem:
        return problem
    return None
