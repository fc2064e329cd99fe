"""Networks that run can be stopped from another thread, between two of their layers."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from morphinfer.networks.runtime import load_runtime

_options: ContextVar[Any] = ContextVar("run_options", default=None)
P = ParamSpec("P")
R = TypeVar("R")


class Stop:
    """Stops all networks that functions called by `run` have started, in any number of threads."""

    def __init__(self) -> None:
        self._run_options = load_runtime().RunOptions()
        self._run_options.log_severity_level = 4  # a stop is no error

    def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function; its networks raise an error of ONNX Runtime once `set` was called."""
        token = _options.set(self._run_options)
        try:
            return function(*args, **kwargs)
        finally:
            _options.reset(token)

    def set(self) -> None:
        """Stop the networks that run, and those that begin later."""
        self._run_options.terminate = True


def current_options() -> Any:
    """The `onnxruntime.RunOptions` of the function that this thread runs; None outside of `Stop.run`."""
    return _options.get()
