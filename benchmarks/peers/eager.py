"""PyTorch and tinyrnn: one script for both, as their names are the same."""
from functools import partial

import numpy as np
import sizes

from peers.arrays import pointwise_operands


def layer(torch, cell, size):
    made = getattr(torch.nn, cell)(size.I, size.H)
    made.load_state_dict({name: torch.from_numpy(array) for name, array in sizes.weights(cell, size).items()})
    return made


def array(tensor):
    return tensor.detach().numpy()


def product(torch, M, K, N):
    rng = np.random.default_rng(0)
    a, b = (torch.from_numpy(sizes.random_array(rng, *shape)) for shape in ((M, K), (K, N)))
    return lambda: a @ b, lambda y: {"product": array(y)}


# ---- layers ----

def training(torch, cell, size, padded=False):
    """Forward and backward: gradients of the input and of every weight."""
    rnn = layer(torch, cell, size)
    x, dy = map(torch.from_numpy, sizes.sequences(size))
    x.requires_grad = True
    run = with_lengths(torch, rnn, sizes.half_lengths(size)) if padded else rnn

    def step():
        rnn.zero_grad()
        x.grad = None
        output, _ = run(x)
        output.backward(dy)
        return output

    def read(output):
        grads = {f"d {name}": array(weight.grad) for name, weight in rnn.named_parameters()}
        return {"output": array(output), "d input": array(x.grad), **grads}
    return step, read


def with_lengths(torch, rnn, lengths):
    """The layer over sequences of different lengths, in each library's own way."""
    if torch.__name__ == "tinyrnn":
        return partial(rnn, lengths=lengths)
    utils = torch.nn.utils.rnn

    def run(x):
        packed = utils.pack_padded_sequence(x, torch.from_numpy(lengths), enforce_sorted=False)
        output, state = rnn(packed)
        return utils.pad_packed_sequence(output, total_length=len(x))[0], state
    return run


def inference(torch, cell, size):
    rnn = layer(torch, cell, size)
    x = torch.from_numpy(sizes.sequences(size)[0])

    @torch.no_grad()
    def step():
        return rnn(x)[0]
    return step, lambda output: {"output": array(output)}


def streaming(torch, cell, size):
    """One step of a sequence that never ends; the state goes round."""
    rnn = layer(torch, cell, size)
    x = torch.from_numpy(sizes.sequences(size)[0])[0]
    if torch.__name__ == "tinyrnn":
        advance = rnn.step
    else:
        advance = torch_step(torch, rnn, size)
    state = None

    @torch.no_grad()
    def step():
        nonlocal state
        output, state = advance(x, state)
        return output
    return step, lambda output: {"output": array(output)}


def torch_step(torch, rnn, size):
    """nn.GRUCell: PyTorch's quickest way to advance one step."""
    cell = torch.nn.GRUCell(size.I, size.H)
    cell.load_state_dict({name.removesuffix("_l0"): weight for name, weight in rnn.state_dict().items()})

    def advance(x, state):
        state = cell(x, state)
        return state, state
    return advance


# ---- single operations ----

def pointwise(torch, name, elements):
    """An operation on one vector or two, nothing recorded."""
    a, b = map(torch.from_numpy, pointwise_operands(elements))
    step = {
        "a + b": lambda: a + b,
        "a * b": lambda: a * b,
        "exp(a)": lambda: torch.exp(a),
        "tanh(a)": lambda: torch.tanh(a),
        "sqrt(b)": lambda: torch.sqrt(b),
        "sum(a)": lambda: a.sum(),
        "max(a)": lambda: a.max(),
        "mean(a, -1)": lambda: a.mean(-1),
        "softmax(a)": lambda: torch.softmax(a, -1),
    }[name]
    return step, lambda y: {name: np.asarray(array(y))}


def small_operation(torch, name, backward):
    """One recorded operation on 8 x 8 matrices, forward alone or with its backward."""
    rng = np.random.default_rng(0)
    a, b, start = (torch.from_numpy(sizes.random_array(rng, 8, 8)) for _ in range(3))
    a.requires_grad = b.requires_grad = True
    forward = {
        "a + b": lambda: a + b,
        "a * b": lambda: a * b,
        "a * 2": lambda: a * 2.0,
        "tanh(a)": lambda: a.tanh(),
        "a @ b": lambda: a @ b,
    }[name]

    def step():
        forward().backward(start)
        grad = a.grad
        a.grad = b.grad = None
        return grad
    return (step if backward else forward), lambda y: {name: array(y)}
