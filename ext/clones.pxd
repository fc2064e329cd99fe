# cython: language_level=3
"""Functions that are compiled twice, for AVX2 and for any processor, where the compiler can."""

cdef extern from *:
    """
    /* AVX2 where the machine has it, chosen at load time; never FMA, which would give other bits. */
    #if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
    #define MORPHINFER_CLONES __attribute__((target_clones("avx2", "default")))
    #else
    #define MORPHINFER_CLONES
    #endif
    """
    ctypedef void cloned "MORPHINFER_CLONES void"
