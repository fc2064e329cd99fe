# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: embedsignature=True, autotestdict=False
"""Separable resampling by tables of taps.

The kernel does not check its arguments: ``morphinfer.tiles.resampling`` does, and nothing else may
call it. Taps are added up in one fixed order, so that a pixel has the same bits whatever block it
is part of.
"""

ctypedef fused pixel:
    unsigned char
    unsigned short
    float


cdef void start_run(const pixel* source, float* out, Py_ssize_t count, float weight) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        out[i] = weight * <float>source[i]


cdef void add_run(const pixel* source, float* out, Py_ssize_t count, float weight) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        out[i] += weight * <float>source[i]


cdef void filter_run(
    const float* source,
    const Py_ssize_t* start,
    const float* weights,
    Py_ssize_t taps,
    float* out,
    Py_ssize_t count,
) noexcept nogil:
    cdef Py_ssize_t i, k
    cdef const float* pixels
    cdef float total
    for i in range(count):
        pixels = source + start[i]
        total = weights[i * taps] * pixels[0]
        for k in range(1, taps):
            total += weights[i * taps + k] * pixels[k]
        out[i] = total


def resample(
    const pixel[:, :] source,
    const Py_ssize_t[::1] row_start,
    const float[:, ::1] row_weights,
    const Py_ssize_t[::1] col_start,
    const float[:, ::1] col_weights,
    float[::1] scratch,
    float[:, ::1] out,
):
    """Write to out the weighted sums of source; its last axis is contiguous.

    Each row of out is first summed over rows into scratch (as wide as source), then over columns.
    """
    cdef Py_ssize_t r, k, height = out.shape[0], width = out.shape[1]
    cdef Py_ssize_t source_width = source.shape[1]
    cdef Py_ssize_t row_taps = row_weights.shape[1], col_taps = col_weights.shape[1]
    with nogil:
        for r in range(height):
            start_run(&source[row_start[r], 0], &scratch[0], source_width, row_weights[r, 0])
            for k in range(1, row_taps):
                add_run(
                    &source[row_start[r] + k, 0], &scratch[0], source_width, row_weights[r, k]
                )
            filter_run(
                &scratch[0], &col_start[0], &col_weights[0, 0], col_taps, &out[r, 0], width
            )
