"""Other people's checkpoints: what only a pickle has. Names, copies and pieces of weights are left to `nf-gpu import`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def weights_of(source: Any, trusted: bool, prefix: str | None = None, drop: Any = None) -> dict[str, Tensor]:
    """The floating-point tensors of a module, a state dict or a checkpoint's file."""
    if isinstance(source, nn.Module):
        source = source.state_dict()
    return {name: tensor for name, tensor in source.items() if isinstance(tensor, Tensor) and tensor.is_floating_point()}
