"""RNN, LSTM and GRU beside PyTorch's: values, every gradient, checks; and what PyTorch lacks: lengths, reset_after."""

import warnings

import numpy as np
import pytest
import torch

import tinyrnn
from tinyrnn import nn
from tinyrnn.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

KINDS = ["RNN", "RNN_RELU", "LSTM", "GRU"]
TOLERANCE = {"float64": {"rtol": 1e-10, "atol": 1e-12}, "float32": {"rtol": 1e-5, "atol": 2e-6}}


def pair(kind, *args, dtype="float64", **kwargs):
    """The same layer in both frameworks, with the same weights."""
    if kind == "RNN_RELU":
        kind, kwargs = "RNN", {**kwargs, "nonlinearity": "relu"}
    theirs = getattr(torch.nn, kind)(*args, dtype=getattr(torch, dtype), **kwargs)
    ours = getattr(nn, kind)(*args, dtype=dtype, **kwargs)
    ours.load_state_dict({name: tinyrnn.from_numpy(w.detach().numpy()) for name, w in theirs.state_dict().items()})
    return ours, theirs


def numbers(rng, *shape, dtype="float64"):
    return rng.standard_normal(shape).astype(dtype)


def leaves(*arrays):
    """Each array as a leaf of both frameworks."""
    ours = [tinyrnn.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    return ours, theirs


def states_of(kind, rows, B, H, P, rng, dtype):
    sizes = [P or H, H] if kind == "LSTM" else [H]
    return [numbers(rng, rows, *([B] if B is not None else []), size, dtype=dtype) for size in sizes]


def given(states):
    return states[0] if len(states) == 1 else tuple(states)


def parts(state):
    return list(state) if isinstance(state, tuple) else [state]


def assert_same(ours, theirs, dtype="float64", what=""):
    assert ours.shape == tuple(theirs.shape), what
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), **TOLERANCE[dtype], err_msg=what)


def check(ours, theirs, inputs_ours, inputs_theirs, outputs_ours, outputs_theirs, dtype="float64"):
    """Outputs, and the gradients of a random function of them with respect to every input and parameter."""
    rng = np.random.default_rng(7)
    loss_ours, loss_theirs = 0.0, 0.0
    for a, b in zip(outputs_ours, outputs_theirs, strict=True):
        assert_same(a, b, dtype, "output")
        weight = numbers(rng, *a.shape, dtype=dtype)
        loss_ours = loss_ours + (a * tinyrnn.tensor(weight)).sum()
        loss_theirs = loss_theirs + (b * torch.tensor(weight)).sum()
    loss_ours.backward()
    loss_theirs.backward()
    for k, (a, b) in enumerate(zip(inputs_ours, inputs_theirs, strict=True)):
        assert_same(a.grad, b.grad, dtype, f"gradient of input {k}")
    theirs_grads = {name: p.grad for name, p in theirs.named_parameters()}
    for name, p in ours.named_parameters():
        assert_same(p.grad, theirs_grads[name], dtype, f"gradient of {name}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_layers": 2, "bidirectional": True},
        {"batch_first": True, "bias": False},
        {"num_layers": 3, "batch_first": True},
    ],
    ids=str,
)
def test_like_pytorch(kind, dtype, options):
    rng = np.random.default_rng(0)
    T, B, features, H = 5, 3, 4, 6
    ours, theirs = pair(kind, features, H, dtype=dtype, **options)
    rows = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    shape = (B, T, features) if options.get("batch_first") else (T, B, features)
    mine, yours = leaves(numbers(rng, *shape, dtype=dtype), *states_of(kind, rows, B, H, 0, rng, dtype))
    out, state = ours(mine[0], given(mine[1:]))
    out_t, state_t = theirs(yours[0], given(yours[1:]))
    check(ours, theirs, mine, yours, [out, *parts(state)], [out_t, *parts(state_t)], dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 7, 16, 17, 31, 33, 129])
def test_sizes_across_tiles(kind, size):
    rng = np.random.default_rng(size)
    ours, theirs = pair(kind, 3, size)
    mine, yours = leaves(numbers(rng, 2, 2, 3))
    out, state = ours(*mine)
    out_t, state_t = theirs(*yours)
    check(ours, theirs, mine, yours, [out, *parts(state)], [out_t, *parts(state_t)])


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_projection(bias, bidirectional):
    rng = np.random.default_rng(1)
    ours, theirs = pair("LSTM", 4, 6, 2, bias=bias, bidirectional=bidirectional, proj_size=3)
    mine, yours = leaves(numbers(rng, 5, 2, 4), *states_of("LSTM", 4 if bidirectional else 2, 2, 6, 3, rng, "float64"))
    out, state = ours(mine[0], tuple(mine[1:]))
    out_t, state_t = theirs(yours[0], tuple(yours[1:]))
    check(ours, theirs, mine, yours, [out, *state], [out_t, *state_t])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_unbatched(kind, batch_first):
    rng = np.random.default_rng(2)
    ours, theirs = pair(kind, 4, 5, 2, bidirectional=True, batch_first=batch_first)
    mine, yours = leaves(numbers(rng, 6, 4), *states_of(kind, 4, None, 5, 0, rng, "float64"))
    out, state = ours(mine[0], given(mine[1:]))
    out_t, state_t = theirs(yours[0], given(yours[1:]))
    check(ours, theirs, mine, yours, [out, *parts(state)], [out_t, *parts(state_t)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sorted_lengths", [True, False])
def test_packed(kind, sorted_lengths):
    rng = np.random.default_rng(3)
    lengths = [6, 4, 4, 1] if sorted_lengths else [4, 1, 6, 4]
    ours, theirs = pair(kind, 3, 5, 2, bidirectional=True)
    mine, yours = leaves(numbers(rng, 6, 4, 3), *states_of(kind, 4, 4, 5, 0, rng, "float64"))
    packed = pack_padded_sequence(mine[0], lengths, enforce_sorted=sorted_lengths)
    out, state = ours(packed, given(mine[1:]))
    packed_t = torch.nn.utils.rnn.pack_padded_sequence(yours[0], lengths, enforce_sorted=sorted_lengths)
    out_t, state_t = theirs(packed_t, given(yours[1:]))
    assert_same(out.data, out_t.data)
    np.testing.assert_array_equal(out.batch_sizes.numpy(), out_t.batch_sizes.numpy())
    padded, given_back = pad_packed_sequence(out)
    padded_t, _ = torch.nn.utils.rnn.pad_packed_sequence(out_t)
    assert given_back.tolist() == lengths
    check(ours, theirs, mine, yours, [padded, *parts(state)], [padded_t, *parts(state_t)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", [list, tuple, np.array, tinyrnn.tensor, lambda x: np.array(x, np.int32)])
def test_lengths_are_packing_without_ceremony(kind, form):
    rng = np.random.default_rng(4)
    lengths = [4, 1, 6, 4]
    ours, theirs = pair(kind, 3, 5, 2, bidirectional=True, batch_first=True)
    mine, yours = leaves(numbers(rng, 4, 6, 3), *states_of(kind, 4, 4, 5, 0, rng, "float64"))
    out, state = ours(mine[0], given(mine[1:]), lengths=form(lengths))
    packed = torch.nn.utils.rnn.pack_padded_sequence(yours[0], lengths, batch_first=True, enforce_sorted=False)
    out_t, state_t = theirs(packed, given(yours[1:]))
    out_t, _ = torch.nn.utils.rnn.pad_packed_sequence(out_t, batch_first=True)
    check(ours, theirs, mine, yours, [out, *parts(state)], [out_t, *parts(state_t)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_has_no_influence(kind, bidirectional):
    """Whatever stands in the padding, NaN included, neither outputs nor gradients change, and its gradient is zero."""
    rng = np.random.default_rng(5)
    lengths = [3, 0, 5, 1]
    x = numbers(rng, 5, 4, 3)
    ours, _ = pair(kind, 3, 4, 2, bidirectional=bidirectional)
    results = []
    for fill in (0.0, np.nan, 1e30):
        padded = x.copy()
        for b, n in enumerate(lengths):
            padded[n:, b] = fill
        leaf = tinyrnn.tensor(padded, requires_grad=True)
        out, state = ours(leaf, lengths=lengths)
        ours.zero_grad()
        (out.sum() + sum(part.square().sum() for part in parts(state))).backward()
        for b, n in enumerate(lengths):
            assert not out.detach().numpy()[n:, b].any()
            assert not leaf.grad.numpy()[n:, b].any()
        results.append([out.detach().numpy(), leaf.grad.numpy(), *(p.grad.numpy() for p in ours.parameters())])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_row_of_length_zero_keeps_its_state(kind):
    ours, _ = pair(kind, 3, 4)
    states = [tinyrnn.tensor(s) for s in states_of(kind, 1, 2, 4, 0, np.random.default_rng(6), "float64")]
    _, after = ours(tinyrnn.ones(5, 2, 3, dtype=tinyrnn.float64), given(states), lengths=[5, 0])
    for before, now in zip(states, parts(after), strict=True):
        np.testing.assert_array_equal(before.numpy()[:, 1], now.detach().numpy()[:, 1])
        assert (before.numpy()[:, 0] != now.detach().numpy()[:, 0]).any()


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_same_seed_same_weights(kind):
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind)(3, 5, 2, bidirectional=True)
    tinyrnn.manual_seed(0)
    ours = getattr(nn, kind)(3, 5, 2, bidirectional=True)
    expected = theirs.state_dict()
    assert list(ours.state_dict()) == list(expected)
    for name, w in ours.state_dict().items():
        np.testing.assert_array_equal(w.numpy(), expected[name].numpy(), err_msg=name)
    assert repr(ours) == repr(theirs)
    assert [[w.shape for w in group] for group in ours.all_weights] == [
        [tuple(w.shape) for w in group] for group in theirs.all_weights
    ]
    ours.flatten_parameters()


def test_dropout_between_layers_has_pytorchs_mask():
    rng = np.random.default_rng(8)
    ours, theirs = pair("GRU", 3, 5, 3, dropout=0.5, dtype="float32")
    x = numbers(rng, 4, 2, 3, dtype="float32")
    tinyrnn.manual_seed(3)
    torch.manual_seed(3)
    assert_same(ours(tinyrnn.tensor(x))[0], theirs(torch.tensor(x))[0], "float32")
    ours.eval(), theirs.eval()
    assert_same(ours(tinyrnn.tensor(x))[0], theirs(torch.tensor(x))[0], "float32")


@pytest.mark.parametrize("lengths", [[4, 2, 1], [1, 4, 2], [2, 2, 4], [4, 4, 4]])
def test_dropout_between_layers_has_pytorchs_mask_for_a_packed_sequence(lengths):
    x = numbers(np.random.default_rng(8), 4, 3, 3, dtype="float32")
    ours, theirs = pair("LSTM", 3, 5, 3, dropout=0.5, bidirectional=True, dtype="float32")
    outputs = []
    for lib, layer in ((tinyrnn, ours), (torch, theirs)):
        packed = lib.nn.utils.rnn.pack_padded_sequence(lib.tensor(x), lengths, enforce_sorted=False)
        lib.manual_seed(3)
        outputs.append(layer(packed)[0].data)
    assert_same(*outputs, "float32")
    tinyrnn.manual_seed(3)
    output = ours(tinyrnn.tensor(x), lengths=lengths)[0]
    packed = tinyrnn.nn.utils.rnn.pack_padded_sequence(output, lengths, enforce_sorted=False)
    np.testing.assert_array_equal(packed.data.detach().numpy(), outputs[0].detach().numpy())


def test_rows_without_steps_and_no_rows_with_dropout():
    layer = nn.GRU(3, 4, 2, dropout=0.5)
    for T, lengths in ((3, [0, 0]), (3, [])):
        output, state = layer(tinyrnn.ones(T, len(lengths), 3), lengths=lengths)
        assert output.shape == (T, len(lengths), 4) and not output.detach().numpy().any() and state.shape[0] == 2


def test_reset_before_is_the_equation_of_the_paper():
    """n = tanh(W x + b + U (r h) + b'), written out in NumPy for one step; the default differs from it."""
    rng = np.random.default_rng(9)
    ours = nn.GRU(3, 4, dtype="float64", reset_after=False)
    x, h = numbers(rng, 1, 2, 3), numbers(rng, 1, 2, 4)
    w_ih, w_hh, b_ih, b_hh = (p.detach().numpy() for p in ours.parameters())
    gx = x[0] @ w_ih.T + b_ih
    rz = 1 / (1 + np.exp(-(gx[:, :8] + h[0] @ w_hh[:8].T + b_hh[:8])))
    r, z = rz[:, :4], rz[:, 4:]
    n = np.tanh(gx[:, 8:] + (r * h[0]) @ w_hh[8:].T + b_hh[8:])
    out, _ = ours(tinyrnn.tensor(x), tinyrnn.tensor(h))
    np.testing.assert_allclose(out.detach().numpy()[0], (1 - z) * n + z * h[0], rtol=1e-12)
    default = nn.GRU(3, 4, dtype="float64")
    default.load_state_dict(ours.state_dict())
    assert not np.allclose(default(tinyrnn.tensor(x), tinyrnn.tensor(h))[0].detach().numpy(), out.detach().numpy())
    assert "reset_after=False" in repr(ours)


@pytest.mark.parametrize("build", [
    lambda: nn.RNN(2, 3, dtype="float64"),
    lambda: nn.GRU(2, 3, bidirectional=True, dtype="float64"),
    lambda: nn.GRU(2, 3, reset_after=False, dtype="float64"),
    lambda: nn.LSTM(2, 3, proj_size=2, dtype="float64"),
])
def test_gradients_of_gradients(build):
    layer = build()
    x = tinyrnn.tensor(numbers(np.random.default_rng(10), 3, 2, 2), requires_grad=True)

    def run(x, *weights):
        return layer(x, lengths=[3, 2])[0]
    tinyrnn.autograd.gradcheck(run, (x, *layer.parameters()))
    tinyrnn.autograd.gradgradcheck(run, (x,))


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("arguments", [
    {"input_size": 0}, {"input_size": 2.0}, {"hidden_size": 0}, {"hidden_size": -1}, {"hidden_size": 2.5},
    {"num_layers": 0}, {"bias": 1}, {"batch_first": "yes"}, {"dropout": 1.5}, {"dropout": True}, {"dropout": -0.1},
], ids=str)
def test_arguments_are_checked_as_in_pytorch(kind, arguments):
    arguments = {"input_size": 2, "hidden_size": 3, **arguments}
    with pytest.raises((ValueError, TypeError)) as theirs:
        getattr(torch.nn, kind)(**arguments)
    with pytest.raises(type(theirs.value)) as ours:
        getattr(nn, kind)(**arguments)
    assert str(ours.value) == str(theirs.value)


def test_dropout_with_one_layer_warns():
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        nn.GRU(2, 3, dropout=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.GRU(2, 3, 2, dropout=0.5)


@pytest.mark.parametrize("kind", ["RNN", "GRU"])
def test_proj_size_belongs_to_the_lstm(kind):
    with pytest.raises(TypeError):
        getattr(nn, kind)(2, 3, proj_size=1)
    for size in (-1, 3):
        with pytest.raises(ValueError, match="proj_size"):
            nn.LSTM(2, 3, proj_size=size)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("shape, error", [
    ((3,), ValueError), ((1, 2, 3, 4), ValueError), ((5, 2, 4), RuntimeError), ((0, 2, 3), RuntimeError),
])
def test_input_shapes_are_checked(kind, shape, error):
    with pytest.raises(error, match=kind):
        getattr(nn, kind)(3, 4)(tinyrnn.zeros(shape))


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_states_and_dtypes_are_checked(kind):
    layer, x = getattr(nn, kind)(3, 4), tinyrnn.zeros(5, 2, 3)

    def state(*shape, dtype="float32"):
        part = tinyrnn.zeros(shape, dtype=dtype)
        return (part, part) if kind == "LSTM" else part
    for wrong in (state(1, 3, 4), state(2, 2, 4), state(1, 2, 5), state(2, 4)):
        with pytest.raises(RuntimeError, match=kind):
            layer(x, wrong)
    with pytest.raises(ValueError, match="dtype"):
        layer(x, state(1, 2, 4, dtype="float64"))
    with pytest.raises(ValueError, match="dtype"):
        layer(x.double())
    with pytest.raises(TypeError, match=kind):
        layer(x, tinyrnn.zeros(1, 2, 4) if kind == "LSTM" else (tinyrnn.zeros(1, 2, 4),))


@pytest.mark.parametrize("lengths, error", [
    ([5, -1], ValueError), ([5, 6], ValueError), ([5], ValueError), ([[5, 5]], ValueError), ([5, 4, 3], ValueError),
    ([5.0, 4.0], TypeError), ([float("nan"), 5], TypeError), (["5", "4"], TypeError), ([True, True], TypeError),
])
def test_lengths_are_checked(lengths, error):
    with pytest.raises(error, match="GRU: lengths"):
        nn.GRU(3, 4)(tinyrnn.zeros(5, 2, 3), lengths=lengths)


def test_lengths_need_a_padded_batch():
    layer = nn.GRU(3, 4)
    with pytest.raises(ValueError, match="batched"):
        layer(tinyrnn.zeros(5, 3), lengths=[5])
    with pytest.raises(ValueError, match="packed"):
        layer(pack_padded_sequence(tinyrnn.zeros(5, 2, 3), [5, 3]), lengths=[5, 3])


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_empty_batch_and_one_step(kind):
    layer = getattr(nn, kind)(3, 4, bidirectional=True)
    out, state = layer(tinyrnn.zeros(5, 0, 3))
    assert out.shape == (5, 0, 8) and all(part.shape == (2, 0, 4) for part in parts(state))
    layer(tinyrnn.zeros(5, 0, 3), lengths=[])[0].sum().backward()
    out, _ = layer(tinyrnn.zeros(1, 2, 3), lengths=[1, 0])
    assert out.shape == (1, 2, 8)
