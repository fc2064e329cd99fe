"""Every package that `morphinfer[cpu]` brings has a permissive licence, and is listed in docs/licences.md."""

from __future__ import annotations

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

TABLE = Path(__file__).parents[1] / "docs/licences.md"
FLAVOURS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
PERMISSIVE = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "MIT",
    "PSF-2.0",
    "Zlib",
}
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause", "Apache 2.0": "Apache-2.0", "MIT License": "MIT",
    "License :: OSI Approved :: MIT License": "MIT",
}  # fmt: skip
"""Identifiers of what older metadata write."""


def installed(name):
    """The distribution, or the flavour of ONNX Runtime that is installed in its place."""
    names = FLAVOURS if name in FLAVOURS else (name,)
    for each in names:
        try:
            return distribution(each)
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError(name)


def dependencies():
    """All that `morphinfer[cpu]` needs on this platform, by name."""
    found, pending = {}, [("morphinfer", "cpu")]
    while pending:
        name, extra = pending.pop()
        for line in installed(name).requires or ():
            needed = Requirement(line)
            key = needed.name.lower().replace("_", "-")
            if key in found or (needed.marker and not needed.marker.evaluate({"extra": extra})):
                continue
            found[key] = installed(key)
            pending.append((key, ""))
    return found


def licence(metadata):
    """SPDX expression of a package; what it states as it is where no identifier is known."""
    classifiers = [c for c in metadata.get_all("Classifier", ()) if c.startswith("License ::")]
    stated = metadata.get("License-Expression") or metadata.get("License") or "".join(classifiers)
    return SPDX.get(stated, stated)


def refused(expression):
    """The parts of a licence that are not accepted."""
    return set(re.split(r" (?:AND|OR) ", expression)) - PERMISSIVE


def test_all_dependencies_are_listed_with_their_permissive_licences():
    rows = re.findall(
        r"^\| `([\w.-]+)` \| ([^|]+) \|", TABLE.read_text(encoding="utf-8"), re.MULTILINE
    )
    listed = dict(rows)
    found = {name: licence(each.metadata) for name, each in dependencies().items()}
    assert {name: listed.get(name) for name in found} == found
    assert {name: parts for name, each in listed.items() if (parts := refused(each))} == {}


@pytest.mark.parametrize("stated", ["GPL-3.0-only", "MIT AND LGPL-2.1-or-later", "UNKNOWN", ""])
def test_a_copyleft_or_unknown_licence_is_refused(stated):
    assert refused(stated)
