from tinyrnn.autograd.tensor import Tensor

def additive_attention(
    query: Tensor, keys: Tensor, values: Tensor, v: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]: ...
