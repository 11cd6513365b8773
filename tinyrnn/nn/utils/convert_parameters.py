"""The parameters of a model as one vector, and back."""
from tinyrnn.autograd.arrays import ShapeError
from tinyrnn.autograd.ops_join import cat
from tinyrnn.autograd.tensor import Tensor


def parameters_to_vector(parameters):
    """All elements of the parameters, one after the other: (N,). Gradients flow back to them."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec, parameters):
    """Gives each parameter its slice of a vector (N,): afterwards they lie on the vector's memory."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected Tensor, but got: {type(vec).__name__}")
    parameters = list(parameters)
    needed = sum(p.array.size for p in parameters)
    if vec.shape != (needed,):
        raise ShapeError(f"vector_to_parameters: a vector {vec.shape}, of {vec.array.size} elements, for parameters "
                         f"that have {needed}")
    start = 0
    for p in parameters:
        stop = start + p.array.size
        p.data = vec.detach()[start:stop].reshape(p.shape)
        start = stop
