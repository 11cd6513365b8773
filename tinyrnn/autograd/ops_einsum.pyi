from typing import Any

from tinyrnn.autograd.tensor import Tensor

ALPHABET: str

def einsum(equation: Any, *operands: Any) -> Tensor: ...
