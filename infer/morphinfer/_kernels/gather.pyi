import numpy as np
from numpy.typing import NDArray

def gather(
    source: NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32],
    rows: NDArray[np.intp],
    cols: NDArray[np.intp],
    inner_start: int,
    inner_stop: int,
    low: float,
    scale: float,
    clip_low: float,
    clip_high: float,
    out: NDArray[np.float32],
) -> None: ...
def gather_windows(
    tile: NDArray[np.float32],
    stride: int,
    cols_per_row: int,
    first: int,
    out: NDArray[np.float32],
) -> None: ...
