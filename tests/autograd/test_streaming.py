"""layer.step: the same bits as the whole sequence, states that can be kept, weights that may change."""
import copy
import pickle

import numpy as np
import pytest

from tinyrnn import cat, nn, no_grad, optim, randn, tensor, use_fused
from tinyrnn.autograd.arrays import DtypeError, ShapeError

LAYERS = [(nn.RNN, {}), (nn.RNN, {"nonlinearity": "relu"}), (nn.GRU, {}), (nn.GRU, {"reset_after": False}),
          (nn.LSTM, {}), (nn.LSTM, {"proj_size": 3})]
each = pytest.mark.parametrize(("kind", "options"), LAYERS, ids=[f"{k.__name__} {o}" for k, o in LAYERS])


def parts(state):
    return [s.numpy(force=True) for s in (state if isinstance(state, tuple) else (state,))]


def assert_same(a, b):
    assert all(np.array_equal(x, y) and x.dtype == y.dtype for x, y in zip(parts(a), parts(b), strict=True))


@each
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 2, 13, 33])
def test_same_bits_as_the_sequence(kind, options, dtype, batch):
    for layers, bias in ((1, True), (3, False)):
        layer = kind(5, 17, layers, bias=bias, dtype=dtype, **options)
        x = randn(6, batch, 5, dtype=dtype)
        output, final = layer(x)
        state, steps = None, []
        for t in range(6):
            y, state = layer.step(x[t], state)
            steps.append(y.numpy())
        assert np.array_equal(np.stack(steps), output.numpy(force=True))
        assert_same(state, final)


@each
def test_a_state_can_be_kept_and_forked(kind, options):
    layer = kind(4, 7, 2, **options)
    x = randn(3, 4, 4)
    _, state = layer.step(x[0])
    kept = copy.deepcopy(parts(state))
    first, a = layer.step(x[1], state)
    first.zero_()
    layer.step(x[2], a)
    again, b = layer.step(x[1], state)
    assert_same(a, b)
    assert all(np.array_equal(p, q) for p, q in zip(parts(state), kept, strict=True))
    rows = tensor([2, 0, 2])
    picked = tuple(p.index_select(1, rows) for p in state) if isinstance(state, tuple) else state.index_select(1, rows)
    few, _ = layer.step(x[1].index_select(0, rows), picked)
    assert np.array_equal(few.numpy(), again.numpy()[[2, 0, 2]])


def test_a_changed_kind_of_cell_is_noticed():
    gru, rnn, x = nn.GRU(4, 7), nn.RNN(4, 7), randn(3, 2, 4)
    gru.step(x[0]), rnn.step(x[0])
    gru.reset_after, rnn.nonlinearity = False, "relu"
    for layer in gru, rnn:
        output, _ = layer.step(x[0])
        assert np.array_equal(output.numpy(), layer(x)[0].numpy(force=True)[0])


@each
def test_changed_weights_are_noticed(kind, options):
    layer = kind(4, 7, **options)
    x = randn(16, 4)

    def check():
        y, _ = layer.step(x)
        with no_grad():
            assert np.array_equal(y.numpy(), layer(x.unsqueeze(0))[0][0].numpy())
        return y.numpy()

    seen = [check()]
    layer(x.unsqueeze(0))[0].sum().backward()
    optim.SGD(layer.parameters(), lr=0.1).step()
    seen.append(check())
    layer.load_state_dict(kind(4, 7, **options).state_dict())
    seen.append(check())
    layer.weight_hh_l0 = nn.Parameter(layer.weight_hh_l0.detach() * 2)
    layer.weight_ih_l0 = nn.Parameter(layer.weight_ih_l0.detach() * 2)
    seen.append(check())
    layer.weight_ih_l0.data.mul_(3)
    seen.append(check())
    layer.weight_ih_l0.data.data[1:] = 0.5
    seen.append(check())
    layer.weight_ih_l0.array[...] += 1                      # behind the layer's back
    layer.flatten_parameters()
    seen.append(check())
    layer.double()
    x = x.double()
    check()
    assert all(not np.array_equal(a, b) for k, a in enumerate(seen) for b in seen[:k])


@each
def test_the_twin_agrees(kind, options):
    layer, x = kind(4, 7, 2, batch_first=True, dtype="float64", **options), randn(3, 4, dtype="float64")
    y, state = layer.step(x)
    with use_fused(False):
        z, other = layer.step(x)
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-10)
    for a, b in zip(parts(state), parts(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
    assert not y.requires_grad and not z.requires_grad


def test_copies_and_pickles():
    layer, x = nn.GRU(4, 7), randn(2, 4)
    y, _ = layer.step(x)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert np.array_equal(other.step(x)[0].numpy(), y.numpy())
        with no_grad():
            other.weight_ih_l0.zero_()
        assert not np.array_equal(other.step(x)[0].numpy(), y.numpy())
    assert np.array_equal(layer.step(x)[0].numpy(), y.numpy())


def test_a_weight_that_is_no_parameter():
    """As when a script replaces a weight by something computed from it."""
    layer, x = nn.GRU(4, 7), randn(2, 4)
    raw = layer.weight_hh_l0
    del layer.weight_hh_l0
    for factor in (1.0, 0.5):
        layer.weight_hh_l0 = raw.detach() * factor
        with no_grad():
            assert np.array_equal(layer.step(x)[0].numpy(), layer(x.unsqueeze(0))[0][0].numpy())


@each
def test_weights_that_do_not_fit_raise(kind, options):
    """As in the whole sequence: the kernels would read and write past the end."""
    x = randn(2, 4)
    state = kind(4, 7, 2, **options).state_dict()
    for name, weight in state.items():
        for wrong in (weight.double(), weight[:-1], weight.new_zeros(1), cat([weight] * 40), weight.unsqueeze(0)):
            layer = kind(4, 7, 2, **options)
            setattr(layer, name, nn.Parameter(wrong))
            with pytest.raises((ShapeError, DtypeError), match="weight|bias"):
                layer.step(x)
    layer = kind(4, 7, **options)
    layer.weight_hh_l0 = None
    with pytest.raises(TypeError, match="weight_hh"):
        layer.step(x)


@each
def test_threads_share_a_layer(in_threads, kind, options):
    """Batches of other sizes, and weights packed anew, while others step: the same bits as alone."""
    layer = kind(4, 7, 2, **options)
    inputs = [randn(rows, 4) for rows in (1, 2, 5, 13, 33, 64)]
    alone = [layer.step(x)[0].numpy() for x in inputs]
    failed = []

    def serve(x, expected):
        for k in range(300):
            if k % 30 == 0:
                layer.flatten_parameters()
            if not np.array_equal(layer.step(x)[0].numpy(), expected):
                failed.append(len(x))

    in_threads(serve, zip(inputs, alone, strict=True))
    assert not failed


@each
def test_errors(kind, options):
    layer, x = kind(4, 7, 2, **options), randn(3, 4)
    _, state = layer.step(x)
    for wrong in (x.unsqueeze(0), x[0], "x", None, x.numpy()):
        with pytest.raises(TypeError, match="step"):
            layer.step(wrong)
    with pytest.raises(ShapeError, match=r"batch, 4"):
        layer.step(randn(3, 5))
    with pytest.raises(DtypeError, match="float64"):
        layer.step(x.double())
    with pytest.raises(ShapeError, match="state"):
        layer.step(randn(2, 4), state)
    with pytest.raises((TypeError, ShapeError)):
        layer.step(x, (state,))
    with pytest.raises(DtypeError):
        layer.step(x, tuple(s.double() for s in state) if isinstance(state, tuple) else state.double())
    with pytest.raises(RuntimeError, match="direction"):
        kind(4, 7, bidirectional=True, **options).step(x)
    dropping = kind(4, 7, 2, dropout=0.5, **options)
    with pytest.raises(RuntimeError, match="dropout"):
        dropping.step(x)
    dropping.eval().step(x)
    assert layer.step(randn(0, 4))[0].shape == (0, options.get("proj_size", 7))
