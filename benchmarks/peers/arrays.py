"""NumPy."""
import numpy as np
import sizes


def product(numpy, M, K, N):
    rng = np.random.default_rng(0)
    a, b = sizes.random_array(rng, M, K), sizes.random_array(rng, K, N)
    return lambda: a @ b, lambda y: {"product": y}


def pointwise_operands(elements):
    """a, b: rows of at most 1,000; b is positive."""
    rng = np.random.default_rng(0)
    shape = (elements,) if elements <= 1000 else (elements // 1000, 1000)
    return sizes.random_array(rng, *shape), rng.uniform(0.5, 2, shape).astype(np.float32)


def pointwise(numpy, name, elements):
    a, b = pointwise_operands(elements)
    step = {
        "a + b": lambda: a + b,
        "a * b": lambda: a * b,
        "exp(a)": lambda: np.exp(a),
        "tanh(a)": lambda: np.tanh(a),
        "sqrt(b)": lambda: np.sqrt(b),
        "sum(a)": lambda: a.sum(),
        "max(a)": lambda: a.max(),
        "mean(a, -1)": lambda: a.mean(-1),
        "softmax(a)": lambda: softmax(a),
    }[name]
    return step, lambda y: {name: np.asarray(y)}


def softmax(a):
    e = np.exp(a - a.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
