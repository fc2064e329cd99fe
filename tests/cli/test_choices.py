"""Options that repeat a choice of the library, which would be slow to import for ``--help``."""

from __future__ import annotations

from typing import get_args

import click
import pytest

from morphinfer.cli.choices import PROVIDERS, ZPlane
from morphinfer.cli.plan import plan
from morphinfer.networks.options import CHOICES, MOST
from morphinfer.networks.runtime import PROVIDERS as KNOWN
from morphinfer.networks.runtime import Provider

OPTIONS = {param.name: param for param in plan.params}


def test_the_providers_are_those_of_the_library():
    assert get_args(Provider) == PROVIDERS
    assert {"auto", *KNOWN} == set(PROVIDERS)


@pytest.mark.parametrize("name", ["mode", "provider", "skip_background", "on_empty"])
def test_a_choice_is_that_of_the_library(name):
    assert tuple(OPTIONS[name].type.choices) == tuple(c for c in CHOICES[name] if c is not None)


def test_the_most_threads_are_those_of_the_library():
    assert OPTIONS["threads"].type.max == MOST["threads"]


def test_a_plane_is_a_number_in_decimal_digits():
    assert ZPlane().convert("3", None, None) == 3
    with pytest.raises(click.BadParameter, match="neither an index"):
        ZPlane().convert("²", None, None)
