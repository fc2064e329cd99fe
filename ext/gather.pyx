# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: embedsignature=True, autotestdict=False
"""Copying pixels of a slide into the tiles and patches that a network sees.

No kernel checks its arguments: ``morphinfer.tiles.gather`` does, and nothing else may call them.
"""

from clones cimport cloned
from libc.string cimport memcpy

ctypedef fused pixel:
    unsigned char
    unsigned short
    float


cdef inline float scaled(
    float value, float low, float scale, float floor, float ceiling
) noexcept nogil:
    value = (value - low) * scale
    value = floor if value < floor else value  # a NaN stays a NaN, as in NumPy
    return ceiling if value > ceiling else value


cdef cloned scale_run(
    const pixel* source, float* out, Py_ssize_t count,
    float low, float scale, float floor, float ceiling,
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        out[i] = scaled(<float>source[i], low, scale, floor, ceiling)


cdef void look_up(
    const pixel* line, const Py_ssize_t* cols, float* out, Py_ssize_t count
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        out[i] = <float>line[cols[i]]


def gather(
    const pixel[:, :] source,
    const Py_ssize_t[::1] rows,
    const Py_ssize_t[::1] cols,
    Py_ssize_t inner_start,
    Py_ssize_t inner_stop,
    float low,
    float scale,
    float clip_low,
    float clip_high,
    float[:, ::1] out,
):
    """Write clip((source[rows, cols] - low) * scale) to out; the last axis of source is contiguous.

    Columns inner_start to inner_stop of out are neighbours in source; the others are looked up.
    """
    cdef Py_ssize_t r, height = out.shape[0], width = out.shape[1]
    cdef const pixel* line
    with nogil:
        for r in range(height):
            line = &source[rows[r], 0]
            if inner_start > 0:
                look_up(line, &cols[0], &out[r, 0], inner_start)
                scale_run[float](
                    &out[r, 0], &out[r, 0], inner_start, low, scale, clip_low, clip_high
                )
            if inner_stop > inner_start:
                scale_run(
                    line + cols[inner_start], &out[r, inner_start], inner_stop - inner_start,
                    low, scale, clip_low, clip_high,
                )
            if width > inner_stop:
                look_up(line, &cols[inner_stop], &out[r, inner_stop], width - inner_stop)
                scale_run[float](
                    &out[r, inner_stop], &out[r, inner_stop], width - inner_stop,
                    low, scale, clip_low, clip_high,
                )


def gather_windows(
    const float[:, ::1] tile,
    Py_ssize_t stride,
    Py_ssize_t cols_per_row,
    Py_ssize_t first,
    float[:, :, ::1] out,
):
    """Copy to out[k] the window of prediction first + k, in reading order, of a tile."""
    cdef Py_ssize_t k, r, row, col
    cdef Py_ssize_t count = out.shape[0], height = out.shape[1], width = out.shape[2]
    with nogil:
        for k in range(count):
            row = (first + k) // cols_per_row * stride
            col = (first + k) % cols_per_row * stride
            for r in range(height):
                memcpy(&out[k, r, 0], &tile[row + r, col], width * sizeof(float))
