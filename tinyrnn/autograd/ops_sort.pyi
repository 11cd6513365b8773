from typing import Any, Literal, NamedTuple, overload

from tinyrnn.autograd.tensor import Tensor

class Picked(NamedTuple):
    values: Tensor
    indices: Tensor

def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Picked: ...
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor: ...
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Picked: ...
@overload
def unique(
    input: Tensor, sorted: bool = True, return_inverse: Literal[False] = False, return_counts: Literal[False] = False,
    dim: int | None = None,
) -> Tensor: ...
@overload
def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any: ...
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor: ...
