from collections.abc import Sequence

from tinyrnn.autograd.tensor import Tensor

def layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor: ...
