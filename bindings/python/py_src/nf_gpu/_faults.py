"""Faulty cells, as they are drawn on every adapter (docs/fault-format.md)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _nf_gpu
from ._errors import UsageError, raised


class FaultMask(NamedTuple):
    """Faulty cells of a layer: words of 32 cells, four stored weights each (cell = 8 weight + bit)."""

    #: uint32 [words]: cells that read 1. A cell in both masks reads the opposite of what was stored.
    to_1: NDArray[np.uint32]
    #: uint32 [words]: cells that read 0.
    to_0: NDArray[np.uint32]

    def flips(self, stored: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """The bits of the stored words, uint32 [words], that read differently."""
        return (self.to_1 & ~stored) | (self.to_0 & stored)


def fault_mask(seed: int, layer: int, words: int, ber: float, faults: str = "stuck-at") -> FaultMask:
    """The faulty cells of `words` stored words of a layer, bit for bit those of every adapter.

    `layer` counts a network's faultable layers in the order of its `state_dict`, from 0; `faults` is `flip`, `stuck-at`,
    `asymmetric` (with the same rate both ways) or `reference`. Masks are nested as `ber`, a probability, grows.

    >>> from nf_gpu import fault_mask
    >>> mask = fault_mask(seed=7, layer=0, words=1000, ber=0.01)
    >>> mask.to_1.shape, mask.to_1.dtype
    ((1000,), dtype('uint32'))
    >>> bool((mask.to_1 & mask.to_0).any())  # a stuck cell reads 0 or 1
    False
    """
    try:
        with raised():
            return FaultMask(*_nf_gpu.fault_mask(seed, layer, words, ber, faults))
    except OverflowError:
        what = f"seed {seed}, layer {layer}, {words} words: one of them is out of range"
        raise UsageError(what, "seeds have 64 bits, layers and words 32; none is below 0", 2) from None
