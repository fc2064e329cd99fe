import numpy as np
from numpy.typing import NDArray

def resample(
    source: NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32],
    row_start: NDArray[np.intp],
    row_weights: NDArray[np.float32],
    col_start: NDArray[np.intp],
    col_weights: NDArray[np.float32],
    scratch: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None: ...
