"""Arrays of the levels of an image, or why one of them is none."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

from morphinfer.errors import SlideError
from morphinfer.images.stores.watch import Watch
from morphinfer.images.stores.watched_arrays import WatchedArray
from morphinfer.limits import check_depth


def level_array(group: Any, array_path: str, watch: Watch) -> WatchedArray | SlideError:
    """Array of a level, or the error that says why there is none: a coarse level can be done without."""
    path = watch.address
    try:
        watch.store.check_metadata(f"{group.path}/{array_path}".lstrip("/"))
        array = group[array_path]
        check_depth(dict(array.attrs))  # dict fails where the attributes are no table
    except (json.JSONDecodeError, UnicodeDecodeError) as problem:
        return SlideError(
            f"{path}: the metadata of its level '{array_path}' are damaged ({problem}); copy the slide again "
            f"from its source"
        )
    except Exception as problem:  # zarr raises anything for damaged metadata
        # zarr 3.0 raises the name of an unknown codec as it does that of a missing array.
        if isinstance(problem, KeyError) and array_path in str(problem):
            return SlideError(
                f"{path}: its metadata name the level '{array_path}', which is not there; "
                f"copy the slide again from its source"
            )
        return SlideError(
            f"{path}: zarr {version('zarr')} cannot read the metadata of its level '{array_path}' "
            f"({problem}); if they are not damaged, write the image with codecs and data types of the zarr "
            f"specification"
        )
    if not hasattr(array, "shape"):
        return SlideError(
            f"{path}: its level '{array_path}' is a group, not an array; name a group whose levels are "
            f"arrays"
        )
    return WatchedArray(array, watch)
