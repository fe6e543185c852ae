"""Compiled functions on arrays. They import numpy, numba and each other only."""
