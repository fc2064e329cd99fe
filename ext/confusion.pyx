# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: embedsignature=True, autotestdict=False
"""Counting pairs of classes.

The kernel does not check its arguments: ``morphinfer.scoring.metrics`` does, and nothing else may
call it.
"""


def confusion(
    const unsigned char[:, :] reference,
    const unsigned char[:, :] result,
    long long[:, ::1] counts,
):
    """Add to counts[a, b] the number of pixels with class a in reference and b in result."""
    cdef Py_ssize_t r, c, height = reference.shape[0], width = reference.shape[1]
    with nogil:
        for r in range(height):
            for c in range(width):
                counts[reference[r, c], result[r, c]] += 1
