import numpy as np
from numpy.typing import NDArray

def confusion(
    reference: NDArray[np.uint8], result: NDArray[np.uint8], counts: NDArray[np.int64]
) -> None: ...
