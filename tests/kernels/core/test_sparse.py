from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from tastemap.data._pairs import rows_of
from tastemap.kernels.core.simd import LANES
from tastemap.kernels.core.sparse import sparse_rows


@pytest.mark.parametrize("width", [LANES, 2 * LANES, 3 * LANES])
def test_the_product_is_that_of_scipy_for_rows_of_every_length(width: int) -> None:
    rng = np.random.default_rng(0)
    lengths = np.array([0, 1, 2, 3, 4, 5, 8, 11, 0])
    here = np.array([rng.permutation(np.arange(11) < n) for n in lengths])
    A = sp.csr_matrix(np.where(here, rng.uniform(-1, 1, here.shape), 0).astype(np.float32))
    X = rng.uniform(-1, 1, (11, width)).astype(np.float32)
    out = np.full((len(lengths), width), 7, np.float32)
    sparse_rows(*rows_of(A), 0, 8, X, out)
    np.testing.assert_allclose(out[:8], (A @ X)[:8], rtol=1e-5, atol=1e-6)
    assert (out[8] == 7).all()
