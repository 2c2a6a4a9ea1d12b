# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Compiled pieces of a softmax that several kernels share.

A pixel must get the same bits wherever it is decided. So nothing here may be reassociated, the
only licence is to fuse a product with the sum it goes into, and exponential() ends in integer
arithmetic, which leaves no product for the caller's sum to fuse with.

The cache of compiled kernels looks at the file of the calling kernel only: whoever changes this
file has to remove the *.nbi files beside it.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(inline='always', fastmath={'contract', 'nsz'})
def exponential(x):  # type: ignore[no-untyped-def]
    """exp(x) for float32 x <= 0, to 1e-7 |x| + 3e-7 relative; below exp(-87) it stays there.

    2^n 2^f with |f| <= 1/2: n goes into the exponent's bits, 2^f is a polynomial.
    """
    clamped = x if x > np.float32(-87) else np.float32(-87)
    z = clamped * np.float32(1.442695)
    n = np.floor(z + np.float32(0.5))
    f = z - n
    p = np.float32(1) + f * (np.float32(0.693147) + f * (np.float32(0.24022242) + f * (
        np.float32(0.055507336) + f * (np.float32(0.009671513) + f * np.float32(0.001326472)))))
    bits = np.float32(p).view(np.int32) + (np.int32(n) << np.int32(23))
    return np.int32(bits).view(np.float32)


@numba.njit(inline='always', fastmath={'contract', 'nsz'})
def logarithm(x):  # type: ignore[no-untyped-def]
    """Natural logarithm of a normal float32 above 0, to 1e-5: exponent's bits and polynomial."""
    bits = np.float32(x).view(np.int32)
    exponent = np.float32((bits >> np.int32(23)) - np.int32(127))
    mantissa = np.int32((bits & np.int32(0x7FFFFF)) | np.int32(0x3F800000)).view(np.float32)
    z = mantissa - np.float32(1)
    p = z * (np.float32(0.99990165) + z * (np.float32(-0.4978749) + z * (
        np.float32(0.31764814) + z * (np.float32(-0.1937591) + z * (
            np.float32(0.08556826) + z * np.float32(-0.018338297))))))
    return exponent * np.float32(0.6931472) + p


@numba.njit(nogil=True, fastmath={'contract', 'nsz'})
def sum_exponentials(values, best, size, num_driving, total, foreign):  # type: ignore[no-untyped-def]
    """Sum of exp(value - best) and the share of the foreign classes in it.

    Args:
        values: (C, N) float32, the logits of N pixels.
        best: (N,) float32, the largest logit of each.
        size: How many of the N pixels there are.
        num_driving: The classes from this one on are foreign.
        total: (N,) float32, receives the sums.
        foreign: (N,) float32, receives the foreign probabilities.
    """
    for x in range(size):
        total[x] = foreign[x] = 0
    for c in range(values.shape[0]):
        for x in range(size):
            total[x] += exponential(values[c, x] - best[x])
        if c == num_driving - 1:
            for x in range(size):
                foreign[x] = total[x]
    for x in range(size):
        share = np.float32(1) - foreign[x] / total[x]
        foreign[x] = share if share > 0 else np.float32(0)
