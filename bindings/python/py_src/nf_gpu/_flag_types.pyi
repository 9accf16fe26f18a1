"""Types of keyword arguments. Written by flag_types.py from the flags of the command line: do not edit."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal, TypedDict

from numpy.typing import NDArray

_Path = str | PathLike[str]

class TrainFlags(TypedDict, total=False):
    model: str | None
    input_shape: int | Sequence[int] | NDArray[Any] | None
    input_mean: float | Sequence[float] | NDArray[Any] | None
    input_std: float | Sequence[float] | NDArray[Any] | None
    side: int | str | None
    preprocess: Literal["squash", "center-crop"] | None
    data_dir: _Path | None
    generator: str | None
    init: _Path | None
    faults: str | int | float | PathLike[str] | None
    ber01: float | None
    ber10: float | None
    fault_map: _Path | Sequence[_Path] | None
    mapping: str | None
    layout: _Path | None
    chip: int | _Path | None
    lot: int | None
    shared: float | None
    bits: int | str | None
    layers: str | None
    stored: str | None
    faults_in: str | Sequence[str] | None
    activation_map: str | None
    ber: float | None
    precision: int | None
    dtype: Literal["f32", "f16", "auto"] | None
    copies: int | None
    lambda_: float | None
    loss: Literal["labels", "distill"] | None
    temperature: float | None
    epochs: int | None
    steps: int | None
    batch_size: int | None
    micro_batch: int | Literal["auto"] | None
    group: int | None
    mixed: bool | None
    lr: float | None
    schedule: Literal["reference", "cosine", "constant"] | None
    augment: Literal["safe", "reference", "none"] | None
    eval_every: int | None
    checkpoint_every: int | str | None
    out: _Path | None
    resume: _Path | None
    profile: bool | _Path | None
    tensorboard: bool | None
    max_recoveries: int | None
    on_nan: Literal["stop", "rollback"] | None
    verify_every: int | None
    preset: Literal["quick"] | None
    images: int | None
    allow_mismatch: bool | None
    seed: int | None
    adapter: str | int | None
    backend: Literal["vulkan", "metal", "dx12", "gl"] | None
    require_gpu: bool | None
    kernel_variant: str | Sequence[str] | None
    no_tune: bool | None
    csv: _Path | None

class EvalFlags(TypedDict, total=False):
    model: str | None
    input_shape: int | Sequence[int] | NDArray[Any] | None
    input_mean: float | Sequence[float] | NDArray[Any] | None
    input_std: float | Sequence[float] | NDArray[Any] | None
    side: int | str | None
    preprocess: Literal["squash", "center-crop"] | None
    allow_mismatch: bool | None
    data_dir: _Path | None
    faults: str | int | float | PathLike[str] | None
    ber01: float | None
    ber10: float | None
    fault_map: _Path | Sequence[_Path] | None
    mapping: str | None
    layout: _Path | None
    chip: int | _Path | None
    lot: int | None
    shared: float | None
    bits: int | str | None
    layers: str | None
    stored: str | None
    faults_in: str | Sequence[str] | None
    activation_map: str | None
    ber: float | Sequence[float] | NDArray[Any] | None
    seeds: int | str | range | Sequence[int] | NDArray[Any] | None
    precision: int | None
    dtype: Literal["f32", "f16", "auto"] | None
    images: int | None
    batch_size: int | None
    points: _Path | None
    voltage: float | None
    per_class: bool | None
    confusion: bool | None
    sensitivity: bool | None
    protect: bool | int | None
    shard: str | None
    merge: _Path | Sequence[_Path] | None
    mixed: bool | None
    out: _Path | None
    csv: _Path | None
    logits: _Path | None
    adapter: str | int | None
    backend: Literal["vulkan", "metal", "dx12", "gl"] | None
    require_gpu: bool | None
    kernel_variant: str | Sequence[str] | None
    no_tune: bool | None

class InjectFlags(TypedDict, total=False):
    input_shape: int | Sequence[int] | NDArray[Any] | None
    model: str | None
    faults: str | int | float | PathLike[str] | None
    ber01: float | None
    ber10: float | None
    fault_map: _Path | Sequence[_Path] | None
    mapping: str | None
    layout: _Path | None
    chip: int | _Path | None
    lot: int | None
    shared: float | None
    bits: int | str | None
    layers: str | None
    stored: str | None
    faults_in: str | Sequence[str] | None
    activation_map: str | None
    ber: float | None
    seed: int | None
    precision: int | None
    replay: _Path | None
    verify: bool | None
    adapter: str | int | None
    backend: Literal["vulkan", "metal", "dx12", "gl"] | None
    require_gpu: bool | None

class EnergyFlags(TypedDict, total=False):
    ber: float | None
    voltage: float | None
    classes: int | None
    points: _Path | None
    table: bool | None
    min_accuracy: float | None
    csv: _Path | None

class ReportFlags(TypedDict, total=False):
    out: _Path | None
    title: str | None
    svg: _Path | None
    csv: _Path | None

class ImportFlags(TypedDict, total=False):
    dataset: str | int | float | PathLike[str] | None
    precision: int | None
    input_mean: float | Sequence[float] | NDArray[Any] | None
    input_std: float | Sequence[float] | NDArray[Any] | None
    prefix: str | None
    drop: str | Sequence[str] | None
    rename: str | Sequence[str] | None
    packed: bool | None
