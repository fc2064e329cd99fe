# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: embedsignature=True, autotestdict=False
"""Weighted sums of class probabilities, their winners, and their storage as bytes.

No kernel checks its arguments: ``morphinfer.networks.fusion`` does, and nothing else may call them.
"""

from clones cimport cloned
from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBuffer_Release, PyObject_GetBuffer

cdef enum:
    RUN = 512  # pixels whose best value is kept on the stack
    SUM_RUN = 1024  # values whose sum stays in the nearest cache
    MOST_NETWORKS = 64


cdef cloned set_run(
    const float* source, float weight, float* total, Py_ssize_t count
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        total[i] = weight * source[i]


cdef cloned add_run(
    const float* source, float weight, float* total, Py_ssize_t count
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        total[i] += weight * source[i]


def weighted_sum(list outputs, const float[::1] weights, float[:, :, ::1] total):
    """Write to total the weighted sum of at most 64 outputs of its shape, added in their order."""
    cdef Py_buffer views[MOST_NETWORKS]  # a typed memoryview of each would cost 3 microseconds
    cdef Py_ssize_t count = total.shape[0] * total.shape[1] * total.shape[2]
    cdef Py_ssize_t k, run, first, length, viewed = 0
    cdef float* out
    if count == 0:
        return
    try:
        for output in outputs:
            PyObject_GetBuffer(output, &views[viewed], PyBUF_C_CONTIGUOUS)
            viewed += 1
        with nogil:
            for run in range((count + SUM_RUN - 1) // SUM_RUN):
                first = run * SUM_RUN
                length = min(count - first, <Py_ssize_t>SUM_RUN)
                out = &total[0, 0, 0] + first
                set_run(<const float*>views[0].buf + first, weights[0], out, length)
                for k in range(1, viewed):
                    add_run(<const float*>views[k].buf + first, weights[k], out, length)
    finally:
        for k in range(viewed):
            PyBuffer_Release(&views[k])


cdef cloned argmax_run(
    const float* total, Py_ssize_t plane, Py_ssize_t classes,
    unsigned char* labels, Py_ssize_t count,
) noexcept nogil:
    cdef float best[RUN]
    cdef unsigned char winner[RUN]
    cdef const float* values
    cdef float value, previous
    cdef unsigned char better
    cdef Py_ssize_t i
    cdef int c
    for i in range(count):
        best[i] = total[i]
        winner[i] = 0
    for c in range(1, <int>classes):
        values = total + c * plane
        for i in range(count):
            value = values[i]
            previous = best[i]
            better = <unsigned char>(-<int>(value > previous))  # all bits or none: no branch
            winner[i] ^= (winner[i] ^ <unsigned char>c) & better
            best[i] = value if value > previous else previous
    for i in range(count):
        labels[i] = winner[i]


def argmax(const float[:, :, ::1] total, unsigned char[:, ::1] labels):
    """Write to labels the class of the largest value of each pixel, the lowest class in a tie."""
    cdef Py_ssize_t plane = total.shape[1] * total.shape[2], classes = total.shape[0]
    cdef Py_ssize_t run, first
    if plane == 0:
        return
    with nogil:
        for run in range((plane + RUN - 1) // RUN):
            first = run * RUN
            argmax_run(
                &total[0, 0, 0] + first, plane, classes, &labels[0, 0] + first,
                min(plane - first, <Py_ssize_t>RUN),
            )


cdef cloned quantise_run(
    const float* source, unsigned char* out, Py_ssize_t count
) noexcept nogil:
    cdef float scaled[RUN]  # clipping and converting in one loop defeats the vectoriser of gcc 12
    cdef float value, half = 0.5, full = 255.0, zero = 0.0
    cdef Py_ssize_t i
    for i in range(count):
        value = source[i] * full + half
        value = value if value > zero else zero  # a NaN becomes 0
        scaled[i] = value if value < full else full
    for i in range(count):
        out[i] = <unsigned char><int>scaled[i]


def quantise(const float[:, :, ::1] total, unsigned char[:, :, ::1] out):
    """Write to out 255 * total, clipped to 0 to 255 and rounded, halves up."""
    cdef Py_ssize_t count = total.shape[0] * total.shape[1] * total.shape[2]
    cdef Py_ssize_t run, first
    if count == 0:
        return
    with nogil:
        for run in range((count + RUN - 1) // RUN):
            first = run * RUN
            quantise_run(
                &total[0, 0, 0] + first, &out[0, 0, 0] + first, min(count - first, <Py_ssize_t>RUN)
            )
