"""Compiled kernels; each has one Python wrapper, which validates and allocates, above it."""
