"""Slides opened by path or URL: OME-Zarr images, plain zarr arrays and TIFF files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from morphinfer.errors import SlideError
from morphinfer.geometry import PixelGrid
from morphinfer.images.ngff import Version, parse_multiscale
from morphinfer.images.slides import (
    Level,
    Slide,
    check_pixel_size,
    check_plain,
    hash_metadata,
    length_units,
    pick_channel,
    pick_z,
    place_levels,
    refuse_without_unit,
    time_warning,
)
from morphinfer.images.stores import (
    Address,
    MissingChunks,
    OpenedImage,
    Watch,
    WatchedArray,
    in_labels_group,
    is_node,
    is_tiff,
    level_array,
    open_image,
    refuse_links,
    result_kind,
)

logger = logging.getLogger(__name__)


def open_slide(
    path: str | Path,
    *,
    channel: str | int | None = None,
    z: int | Literal["max"] | None = None,
    pixel_size_um: float | None = None,
    series: str | int | None = None,
    missing_chunks: MissingChunks = "fill",
    follow_links: bool = False,
) -> Slide:
    """Open an OME-Zarr image (0.1 to 0.5), a plain two-dimensional zarr array or a TIFF file as a slide.

    Parameters
    ----------
    path : str or Path
        Folder or zip file of the image group, of a container (bioformats2raw, SpatialData), or of a
        zarr array; a path into a zip file; or a URL of such a folder (http, https, s3, gs, file). Or a
        TIFF file, which is read where it lies.
    channel : str or int, optional
        Label or index. Without it an image of several channels must have exactly one whose label
        speaks of DAPI, Hoechst or nuclei.
    z : int or 'max', optional
        Index along z, or the maximum projection, which is the default. Stated, it also says that the
        pages of a plain TIFF file are planes, and not channels.
    pixel_size_um : float, optional
        Side of a pixel of level 0 in micrometres; overrides the metadata, which need none then.
    series : str or int, optional
        Path, name or index of an image inside a container, or a TIFF file. By default the largest of a
        bioformats2raw container or a TIFF file is taken, without macro and label images, or the only
        image of a SpatialData store.
    missing_chunks : {'fill', 'refuse'}
        What a chunk is that is absent, as sparse slides leave out empty ones: the fill value of the
        array, or an error.
    follow_links : bool
        Whether levels are read that are links out of the folder of the image; the image itself may be one.

    Raises
    ------
    SlideError
        No image at ``path``, no such channel or z, no pixel size, an unsupported version, transformation
        or data type; a level is a link.

    Notes
    -----
    A level with a translation of its own lies where that says; without one, all levels are taken
    to share their outer corner, as area-averaged pyramids do. A coarser level that is missing, or whose
    scale, translation or data type contradicts level 0, is left out with a warning (`place_levels`).
    """
    file = Address.of(path).path
    if file is not None and is_tiff(file):
        from morphinfer.images.tiff import open_tiff_slide

        return open_tiff_slide(
            file, channel=channel, z=z, pixel_size_um=pixel_size_um, series=series,
            missing_chunks=missing_chunks,
        )  # fmt: skip
    opened = open_image(path, series)
    node, address = opened.node, opened.address
    watch = Watch(opened, missing_chunks, follow_links=follow_links)
    if hasattr(node, "shape"):
        if not follow_links:
            refuse_links(opened, [""])
        return _plain_slide(opened, pixel_size_um, watch)
    attributes = dict(node.attrs)
    meta = parse_multiscale(attributes, str(address))
    if not follow_links:
        refuse_links(opened, [d.path for d in meta.datasets])
    arrays = [level_array(node, d.path, watch) for d in meta.datasets]
    if pixel_size_um is None and length_units(meta) is None:
        refuse_without_unit(address.path)
    levels, left_out = place_levels(meta, arrays, str(address), pixel_size_um)
    axes, base = "".join(meta.axes), levels[0].array
    repaired = (*meta.warnings, *left_out, *time_warning(axes, base.shape, address))
    for warning in repaired:
        logger.warning("%s", warning)
    return Slide(
        name=opened.store.address.name,
        path=address.path,
        levels=tuple(levels),
        axes=axes,
        channels=meta.channels,
        channel=pick_channel(channel, meta.channels, axes, base.shape, address),
        z=pick_z("max" if z is None else z, axes, base.shape, address),
        version=meta.version,
        metadata_sha256=hash_metadata(attributes, base),
        synthetic=_is_synthetic(attributes),
        result=result_kind(attributes) or _kind_by_place(address),
        missing_chunks=missing_chunks,
        url=address.url,
        warnings=(*opened.warnings, *repaired),
        follow_links=follow_links,
    )


def _kind_by_place(address: Address) -> str:
    """The kind of result that lies in a group of labels; '' elsewhere, and in a mere folder of that name."""
    above = address.path.absolute().parent if address.path else None
    is_folder = above is not None and above.is_dir() and not is_node(above)
    return "label image" if in_labels_group(address) and not is_folder else ""


def _plain_slide(opened: OpenedImage, pixel_size_um: float | None, watch: Watch) -> Slide:
    array, path = opened.node, opened.address
    check_plain(array, str(path))
    if pixel_size_um is None:
        raise SlideError(
            f"{path}: a plain zarr array has no pixel size; state it in micrometres, "
            f"for example `pixel_size_um=0.325`"
        )
    check_pixel_size(pixel_size_um, str(path))
    grid = PixelGrid(array.shape, pixel_size_um, (0.0, 0.0))
    level = Level(WatchedArray(array, watch), grid, array.chunks, verified=True)
    version: Version = "0.4" if array.metadata.zarr_format == 2 else "0.5"
    hashed = hash_metadata(dict(array.attrs), array)
    return Slide(
        opened.store.address.name, path.path, (level,), "yx", (), 0, "max", version, hashed,
        missing_chunks=watch.missing, url=path.url, warnings=opened.warnings,
    )  # fmt: skip


def _is_synthetic(attributes: Mapping[str, Any]) -> bool:
    ours = attributes.get("morphinfer")
    return isinstance(ours, Mapping) and ours.get("synthetic") is True
