"""Compiled functions on arrays: the algorithms, one file each, on what `core` gives them.

They import numpy, numba and each other, and no model: what they need comes in as arguments, which the table at the head
of each file names once. Only `core/jit.py` looks further, at the folder that keeps the compiled code (files/cache.py).
"""
