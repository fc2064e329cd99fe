"""A tiny network, run on an execution provider to see whether it works here."""

from __future__ import annotations

import numpy as np

from morphinfer.errors import ProviderError
from morphinfer.networks.environment import session_options
from morphinfer.networks.runtime import (
    PROVIDER_OPTIONS,
    PROVIDERS,
    load_runtime,
    open_session,
    why_not,
)

TINY = bytes.fromhex(
    "08083a6b0a0f0a01780a01771201792204436f6e761201675a1b0a017812160a14080112100a0208010a0208010a"
    "0208080a0208085a1b0a017712160a14080112100a0208010a0208010a0208030a020803621b0a017912160a1408"
    "0112100a0208010a0208010a0208060a02080642040a00100d"
)
"""An ONNX model: y is x, of 8 x 8 pixels, convolved with w, of 3 x 3."""


def try_providers() -> dict[str, str]:
    """Why each execution provider of the installed ONNX Runtime does not work; '' where it does.

    Each runs a network of one convolution, in a session as those of model sets. Providers that this
    package has no name for are left out.

    Raises
    ------
    ProviderError
        ONNX Runtime is missing, installed twice, or does not load.
    """
    available = load_runtime().get_available_providers()
    return {name: _trial(name) for name, full in PROVIDERS.items() if full in available}


def _trial(name: str) -> str:
    if problem := why_not(name, TINY):
        return problem
    pixels, kernel = (np.ones((1, 1, side, side), np.float32) for side in (8, 3))
    providers = [(PROVIDERS[name], PROVIDER_OPTIONS.get(name, {}))]
    try:
        session = open_session(TINY, session_options(1), providers)
        (output,) = session.run(None, {"x": pixels, "w": kernel})
    except ProviderError:
        raise
    except Exception as problem:  # ONNX Runtime's own errors share no narrower base
        return str(problem).strip().splitlines()[0]
    right = output.shape == (1, 1, 6, 6) and bool((output == 9).all())
    return "" if right else "a convolution of ones gives wrong numbers"
