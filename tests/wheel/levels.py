"""A hash for each of many results, as JSON: what this build computes at the level in use, to be compared with others.

    PYTHONPATH=. TINYRNN_ISA=x86-64-v3 python tests/wheel/levels.py
"""
import hashlib
import json

import numpy as np

import tinyrnn
from tinyrnn import from_numpy, nn, optim


def numbers(generator, dtype, *shape):
    return from_numpy(generator.standard_normal(shape).astype(dtype)).requires_grad_()


def digest(*tensors):
    parts = [(x.detach() if isinstance(x, tinyrnn.Tensor) else x).numpy().tobytes() for x in tensors]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def with_gradients(y, *leaves):
    """The bits of y and of the gradients of sum(y^2)."""
    (y * y).sum().backward()
    return digest(y, *(x.grad for x in leaves))


def pointwise(generator, dtype):
    wide = from_numpy(np.linspace(-30, 30, 40_001).astype(dtype))
    near = from_numpy(np.geomspace(1e-30, 1e30, 40_001).astype(dtype))
    for name in ("tanh", "sigmoid", "exp", "expm1", "relu", "sin", "cos", "erf"):
        yield name, digest(getattr(tinyrnn, name)(wide))
    for name in ("log", "log1p", "log2", "log10", "sqrt", "rsqrt"):
        yield name, digest(getattr(tinyrnn, name)(near))
    for name in ("logsigmoid", "silu", "gelu", "softplus", "elu"):
        yield name, digest(getattr(nn.functional, name)(wide))


def reductions(generator, dtype):
    for name in ("sum", "mean", "var", "softmax", "log_softmax", "logsumexp", "norm", "cumsum", "prod"):
        x = numbers(generator, dtype, 37, 131)
        for dim in (0, 1):
            y = x.norm(2, dim) if name == "norm" else getattr(tinyrnn, name)(x, dim)
            yield f"{name} {dim}", digest(y)


def products(generator, dtype):
    for M, K, N in ((1, 129, 33), (17, 33, 129), (70, 300, 130)):
        a, b = numbers(generator, dtype, M, K), numbers(generator, dtype, K, N)
        yield f"matmul {M} {K} {N}", with_gradients(a @ b, a, b)


def layers(generator, dtype):
    tinyrnn.manual_seed(0)
    name_of_dtype = np.dtype(dtype).name
    for kind in ("RNN", "GRU", "LSTM"):
        layer = getattr(nn, kind)(19, 33, num_layers=2, bidirectional=True, dtype=name_of_dtype)
        x = numbers(generator, dtype, 9, 5, 19)
        y, _ = layer(x, lengths=[9, 1, 4, 7, 9])
        yield kind, with_gradients(y, x, *layer.parameters())
    attention = nn.AdditiveAttention(19, 33, 21, dtype=name_of_dtype)
    query, keys = numbers(generator, dtype, 5, 19), numbers(generator, dtype, 5, 9, 33)
    yield "AdditiveAttention", with_gradients(attention(query, keys)[0], query, keys, *attention.parameters())


def optimisers(generator, dtype):
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"):
        w = numbers(generator, dtype, 1001)
        optimiser = getattr(optim, name)([w], lr=0.1)
        for _ in range(3):
            w.grad = numbers(generator, dtype, 1001).detach()
            optimiser.step()
        yield name, digest(w)


def main():
    found = {}
    for dtype in (np.float32, np.float64):
        for family in (pointwise, reductions, products, layers, optimisers):
            for name, bits in family(np.random.default_rng(0), dtype):
                found[f"{name}, {np.dtype(dtype).name}"] = bits
    print(json.dumps(found))


if __name__ == "__main__":
    main()
