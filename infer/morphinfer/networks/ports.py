"""What a network takes and puts out, and the way of a batch of patches through it.

Ours take float32 of the shape (batch, 1, row, column). A foreign one may take another data type,
three channels, channels last or a fixed batch, and may have several outputs (contract C3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import ModelError
from morphinfer.networks.cards import Card

FLOATS = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}
INTEGERS = {
    f"tensor({name})": name
    for name in ("uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
}
LARGEST = 255
"""The integer that 1 becomes, as in images of 8 bits."""
CHANNELS = (1, 3)
"""Numbers of channels that a network may take; three are three times the same."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The input and the output of a network that are used."""

    input: str
    """Name of the input."""
    output: str
    """Name of the output that holds the classes."""
    dtype: str = "float32"
    """Data type of the input; to integers, 1 is `LARGEST`."""
    channels: int = 1
    """Channels of the input."""
    channels_last: bool = False
    """Whether the channels are the last axis and not the second."""
    batch: int | None = None
    """Patches that it takes at once; None where that is free."""
    notes: tuple[str, ...] = ()
    """What cannot be verified, a clause each."""

    def call(
        self, session: Any, batch: NDArray[np.float32], classes: int, options: Any = None
    ) -> NDArray[np.float32]:
        """Output for a batch of patches or for a tile.

        Parameters
        ----------
        session : onnxruntime.InferenceSession
            The network.
        batch : ndarray of float32, shape (N, 1, height, width)
            Normalised input.
        classes : int
            Number of classes.
        options : onnxruntime.RunOptions, optional
            What can stop it.

        Returns
        -------
        ndarray of float32, shape (N, classes, rows, cols)

        Raises
        ------
        ModelError
            The output has another shape.
        """
        if self.batch is None or self.batch == len(batch):
            return self._call(session, batch, classes, options)
        parts = []
        for first in range(0, len(batch), self.batch):
            part = batch[first : first + self.batch]
            lacking = ((0, self.batch - len(part)), (0, 0), (0, 0), (0, 0))
            filled = np.ascontiguousarray(np.pad(part, lacking, mode="edge"))
            parts.append(self._call(session, filled, classes, options)[: len(part)])
        return np.concatenate(parts)

    def _call(
        self, session: Any, batch: NDArray[np.float32], classes: int, options: Any
    ) -> NDArray[np.float32]:
        binding = session.io_binding()
        binding.bind_cpu_input(self.input, self._prepared(batch))
        binding.bind_output(self.output)
        session.run_with_iobinding(binding, options)
        return self._placed(binding.copy_outputs_to_cpu()[0], len(batch), classes)

    def _prepared(self, batch: NDArray[np.float32]) -> NDArray[Any]:
        values: NDArray[Any] = batch
        if self.channels > 1:
            values = np.repeat(values, self.channels, axis=1)
        if self.channels_last:
            values = values.transpose(0, 2, 3, 1)
        if self.dtype in INTEGERS.values():
            values = np.rint(np.clip(values, 0, 1) * np.float32(LARGEST))
        return np.ascontiguousarray(values, dtype=self.dtype)

    def _placed(self, output: NDArray[Any], count: int, classes: int) -> NDArray[np.float32]:
        """The output with the axes batch, class, row and column."""
        shape = output.shape
        values = output.astype(np.float32, copy=False)
        if output.ndim == 4 and shape[:2] == (count, classes):
            return values
        if self.channels_last and output.ndim == 4 and (shape[0], shape[3]) == (count, classes):
            return values.transpose(0, 3, 1, 2)
        if output.size == count * classes and (count == 1 or shape[0] == count):
            return values.reshape(count, classes, 1, 1)
        each = output.size // count if shape and shape[0] == count else 0
        if each and each == max(shape[1:], default=0):
            raise ModelError(
                f"{each} outputs for {classes} classes; correct the classes in its card"
            )
        raise ModelError(
            f"its output '{self.output}' has the shape {shape} for {count} patch(es) and {classes} "
            f"classes; it must be ({count}, {classes}) or ({count}, {classes}, 1, 1), so export the "
            f"network so that each patch gives one value a class"
        )


def ports_of(session: Any, card: Card, path: Path) -> tuple[Ports, ...]:
    """The ports that a network may have, as far as its file states them; the likeliest first.

    Raises
    ------
    ModelError
        It takes or puts out what cannot be given or used, or contradicts its card.
    """
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(f"'{each.name}'" for each in inputs)
        raise ModelError(
            f"{path}: it has {len(inputs)} inputs ({names}) and a network gets one, the image of a "
            f"patch; export it with the others fixed"
        )
    (image,) = inputs
    try:
        dtype, notes = _dtype(image)
        shape = _shape(image)
        layouts = _layouts(image.name, shape)
        _check_sides(shape[1:3] if layouts[0][1] else shape[2:], card)
        outputs = _outputs(session.get_outputs(), card)
    except ModelError as problem:
        raise ModelError(f"{path}: {problem}") from problem
    return tuple(
        Ports(image.name, output, dtype, *layout, shape[0], (*notes, *more))
        for layout, (output, more) in product(layouts, outputs)
    )


def _dtype(image: Any) -> tuple[str, tuple[str, ...]]:
    if image.type in FLOATS:
        return FLOATS[image.type], ()
    if image.type not in INTEGERS:
        raise ModelError(
            f"its input '{image.name}' is a {image.type}; a network gets float32, float16, float64 or "
            f"integers from 0 to {LARGEST}, so export it with one of these"
        )
    name = INTEGERS[image.type]
    return name, (
        f"its input is {name}, so it gets the normalised intensities times {LARGEST}, rounded, from 0 "
        f"to {LARGEST}",
    )


def _shape(image: Any) -> tuple[int | None, ...]:
    """Four sides, None where one is free."""
    stated = list(image.shape) or [None, 1, None, None]  # no shape: any rank
    if len(stated) != 4:
        raise ModelError(
            f"its input '{image.name}' has the shape ({', '.join(map(str, stated))}); a network needs "
            f"four axes (batch, channel, row, column), so it is no classifier of image patches, or must "
            f"be exported with all four"
        )
    return tuple(n if isinstance(n, int) and n > 0 else None for n in stated)


def _layouts(name: str, shape: Sequence[int | None]) -> list[tuple[int, bool]]:
    """How many channels there may be, and whether they are the last axis."""
    second, last = shape[1], shape[3]
    if second in CHANNELS:
        return [(second, False)]
    if last in CHANNELS:
        return [(last, True)]
    if second is None and last is None:
        return [(count, at_end) for at_end in (False, True) for count in CHANNELS]
    if second is None and shape[2] is not None:
        return [(count, False) for count in CHANNELS]
    count = last if second is None or (second == shape[2] and last != second) else second
    raise ModelError(
        f"its input '{name}' has {count} channels; a network gets one of nuclei, alone or three times, "
        f"so train or export it for 1 or 3 channels"
    )


def _check_sides(sides: Sequence[int | None], card: Card) -> None:
    fixed = [side for side in sides if side is not None]
    if any(side != card.patch_size_px for side in fixed):
        stated = " x ".join("any" if side is None else str(side) for side in sides)
        raise ModelError(
            f"it takes patches of {stated} px and its card says patch_size_px {card.patch_size_px}; "
            f"correct the card, or export the network for that size"
        )
    if fixed and card.padding_free:
        raise ModelError(
            f"it takes patches of {card.patch_size_px} px only and its card says padding_free, which is "
            f"for networks that take any size; set padding_free to false"
        )


def _outputs(outputs: Sequence[Any], card: Card) -> list[tuple[str, tuple[str, ...]]]:
    """Names of the outputs that may hold the classes, and what to say where there are several."""
    usable = [each for each in outputs if each.type in FLOATS]
    if not usable:
        listed = ", ".join(f"'{each.name}' of type {each.type}" for each in outputs)
        way = "export it with outputs of float32"
        if any(each.type.startswith("seq") for each in outputs):
            way = "export it with a tensor of probabilities (skl2onnx: options={'zipmap': False})"
        raise ModelError(f"it puts out {listed}, and no numbers for each class; {way}")
    fitting = [each for each in usable if _may_fit(each.shape, len(card.classes))]
    likely = sorted(
        fitting or usable,
        key=lambda each: (_states(each.shape, len(card.classes)), _named(each.name, card.output)),
        reverse=True,
    )
    if len(outputs) == 1:
        return [(likely[0].name, ())]
    names = [each.name for each in outputs]
    return [(each.name, (_taken(each.name, names),)) for each in likely]


def _taken(name: str, names: Sequence[str]) -> str:
    others = [f"'{each}'" for each in names if each != name]
    verb = "is" if len(others) == 1 else "are"
    return f"of its outputs, '{name}' is taken and {', '.join(others)} {verb} not"


def _may_fit(shape: Sequence[Any], classes: int) -> bool:
    return not shape or _states(shape, classes) or not all(isinstance(n, int) for n in shape[1:])


def _states(shape: Sequence[Any], classes: int) -> bool:
    return classes in shape[1:]


def _named(name: str, kind: str) -> bool:
    return kind.rstrip("s")[:4] in name.lower()
