"""Gradients through time beside PyTorch's loops of cells, gates beside their equations, and the origin of a NaN."""
import math

import numpy as np
import pytest
import torch
from nn_helpers import transfer

import tinyrnn
from tinyrnn import inspect, nn

T, B, FEATURES, H = 6, 3, 2, 4
LENGTHS = [6, 2, 4]
RNG = np.random.default_rng(0)
X = RNG.standard_normal((T, B, FEATURES))
WEIGHT = RNG.standard_normal((T, B, H))             # what the loss makes of every output
KINDS = [("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("GRU", {}), ("LSTM", {})]
kinds = pytest.mark.parametrize(("kind", "options"), KINDS)


def pair(kind, options):
    torch.manual_seed(0)
    cell = getattr(torch.nn, f"{kind}Cell")(FEATURES, H, **options).double()
    layer = getattr(nn, kind)(FEATURES, H, **options).double()
    layer.load_state_dict({f"{name}_l0": w.numpy(force=True) for name, w in cell.named_parameters()})
    return layer, cell


def loss_of(output, weight):
    return (output * weight).sum() + (output[-1] ** 2).sum()


def torch_norms(cell, lengths):
    """|dL/dh_t| and |dL/dc_t| by a loop over the steps of each row; every row has its own, so nothing is masked."""
    loss, norms = 0.0, np.zeros((2, T, B))
    kept = []
    for b in range(B):
        state = None
        for t in range(lengths[b]):
            state = cell(torch.tensor(X[t, b:b + 1]), state)
            parts = state if isinstance(state, tuple) else (state,)
            for k, part in enumerate(parts):
                part.retain_grad()
                kept.append((k, t, b, part))
            loss = loss + (parts[0] * torch.tensor(WEIGHT[t, b])).sum()
            if t == T - 1:
                loss = loss + (parts[0] ** 2).sum()
    loss.backward()
    for k, t, b, part in kept:
        norms[k, t, b] = part.grad.norm().item()
    return norms


@kinds
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_state_gradients_are_those_of_a_loop_of_cells(kind, options, lengths):
    layer, cell = pair(kind, options)
    with inspect.state_gradients(layer) as watch:
        output, _ = layer(tinyrnn.tensor(X), lengths=lengths)
        loss_of(output, tinyrnn.tensor(WEIGHT)).backward()
    expected = torch_norms(cell, lengths or [T] * B)
    np.testing.assert_allclose(watch.norms[0], expected[0], rtol=1e-10)
    assert watch.norms.shape == (1, T, B)
    if kind == "LSTM":
        np.testing.assert_allclose(watch.cell_norms[0], expected[1], rtol=1e-10)
    else:
        with pytest.raises(AttributeError, match="has no cell"):
            _ = watch.cell_norms


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_watching_changes_nothing(kind):
    """Two layers and directions, padding that is not finite: the same outputs and the same gradients."""
    layer = getattr(nn, kind)(FEATURES, H, num_layers=2, bidirectional=True)
    x = tinyrnn.tensor(X.astype("f"))
    x[3, 1] = math.nan
    results = []
    for watched in (False, True):
        layer.zero_grad()
        watch = inspect.state_gradients(layer) if watched else tinyrnn.enable_grad()
        with watch:
            output, state = layer(x, lengths=LENGTHS)
            output.square().sum().backward()
        results.append([output.detach().numpy(), *(p.grad.numpy() for p in layer.parameters())])
    for a, b in zip(results[0], results[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert watch.norms.shape == (4, T, B)
    padding = np.arange(T)[:, None] >= np.array(LENGTHS)
    assert (watch.norms[:, padding] == 0).all() and (watch.norms[:, ~padding] > 0).all()


def test_the_last_call_counts_and_misuse_is_named():
    layer = nn.GRU(FEATURES, H)
    with inspect.state_gradients(layer) as watch:
        with pytest.raises(RuntimeError, match="not called"):
            _ = watch.norms
        with pytest.raises(RuntimeError, match="watched already"), inspect.saturation(layer):
            pass
        layer(tinyrnn.randn(3, 1, FEATURES))
        output, _ = layer(tinyrnn.randn(5, 1, FEATURES))
        with pytest.raises(RuntimeError, match="no gradient has arrived"):
            _ = watch.norms
        output[2].sum().backward()
    assert watch.norms.shape == (1, 5, 1)
    assert (watch.norms[0, :3] > 0).all() and (watch.norms[0, 3:] == 0).all()
    assert "one_layer" not in vars(layer) and layer.fused
    with pytest.raises(TypeError, match="expected an RNN, GRU or LSTM, not Linear"):
        inspect.state_gradients(nn.Linear(1, 1))


# ---- saturated gates -------------------------------------------------------------------------------------------------

def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gates_of(layer, x, h, c, suffix):
    """The gates of one step by the equations, and the new state."""
    w = {name: p.detach().numpy() for name, p in layer.named_parameters()}
    a = w["weight_ih" + suffix] @ x + w["bias_ih" + suffix]
    b = w["weight_hh" + suffix] @ h + w["bias_hh" + suffix]
    if isinstance(layer, nn.RNN):
        return {"state": np.tanh(a + b)}, np.tanh(a + b), c
    if isinstance(layer, nn.LSTM):
        i, f, g, o = (s(part) for s, part in zip((sigmoid, sigmoid, np.tanh, sigmoid), np.split(a + b, 4), strict=True))
        c = f * c + i * g
        return {"input": i, "forget": f, "cell": g, "output": o}, o * np.tanh(c), c
    a, b = np.split(a, 3), np.split(b, 3)
    r, z = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
    if layer.reset_after:
        n = np.tanh(a[2] + r * b[2])
    else:
        n = np.tanh(a[2] + w["weight_hh" + suffix][2 * H:] @ (r * h) + w["bias_hh" + suffix][2 * H:])
    return {"reset": r, "update": z, "candidate": n}, (1 - z) * n + z * h, c


def shares_by_hand(layer, margin):
    found = {}
    for reverse, suffix in enumerate(("_l0", "_l0_reverse")):
        for b in range(B):
            h, c = np.zeros(H), np.zeros(H)
            for t in reversed(range(LENGTHS[b])) if reverse else range(LENGTHS[b]):
                gates, h, c = gates_of(layer, X[t, b], h, c, suffix)
                for name, values in gates.items():
                    found.setdefault(f"{suffix[1:]}.{name}", []).append(values)
    tanh = ("state", "candidate", "cell")
    lowest = {name: -1 if name.partition(".")[2] in tanh else 0 for name in found}
    return {name: (np.mean(np.array(values) < lowest[name] + margin), np.mean(np.array(values) > 1 - margin))
            for name, values in found.items()}


@pytest.mark.parametrize(("kind", "options"), [("RNN", {}), ("GRU", {}), ("GRU", {"reset_after": False}), ("LSTM", {})])
def test_saturation_by_the_equations(kind, options, tmp_path):
    layer = getattr(nn, kind)(FEATURES, H, bidirectional=True, **options).double()
    for weight in layer.parameters():
        weight.data.mul_(6.0)                       # so that gates do saturate
    x = tinyrnn.tensor(X)
    with inspect.saturation(layer, margin=0.2) as watch:
        output, _ = layer(x, lengths=LENGTHS)
        layer(x, lengths=LENGTHS)                   # a second call counts as well, and here changes no share
    np.testing.assert_array_equal(output.detach().numpy(), layer(x, lengths=LENGTHS)[0].detach().numpy())
    expected = shares_by_hand(layer, 0.2)
    assert watch.shares.keys() == expected.keys()
    for name, shares in expected.items():
        np.testing.assert_allclose(watch.shares[name], shares, err_msg=name)
        assert watch.units[name].shape == (2, H)
    assert any(0 < share < 1 for pair in expected.values() for share in pair)
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    inspect.draw_saturation(tmp_path / "gates.png", watch.units)
    assert (tmp_path / "gates.png").read_bytes().startswith(b"\x89PNG")


def test_saturation_refuses_what_has_no_limits():
    with pytest.raises(ValueError, match="RNN_RELU has no gates"):
        inspect.saturation(nn.RNN(1, 1, nonlinearity="relu"))
    with pytest.raises(ValueError, match="margin must be between 0 and 0.5"):
        inspect.saturation(nn.GRU(1, 1), margin=0.5)
    layer = nn.GRU(1, 2)
    with inspect.saturation(layer) as watch:
        layer.step(tinyrnn.ones(1, 1))
    with pytest.raises(RuntimeError, match="not called inside the with block"):
        assert watch.shares


# ---- gradient norms --------------------------------------------------------------------------------------------------

def test_gradient_norms(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    ours = transfer(nn.Linear(3, 2), theirs := torch.nn.Linear(3, 2))
    record = inspect.GradientNorms(ours)
    for scale in (1.0, 5.0):
        ours.zero_grad()
        theirs.zero_grad()
        (ours(tinyrnn.full((4, 3), scale)) ** 2).sum().backward()
        (theirs(torch.full((4, 3), scale)) ** 2).sum().backward()
        record.record()
        for name, parameter in theirs.named_parameters():
            assert record.norms[name][-1] == pytest.approx(parameter.grad.norm().item(), rel=1e-5)
    ours.bias.grad = None
    record.record()
    assert len(record.norms["bias"]) == 3 and math.isnan(record.norms["bias"][-1])
    record.draw(tmp_path / "norms.png")
    assert (tmp_path / "norms.png").read_bytes().startswith(b"\x89PNG")
    tinyrnn.save(record.state_dict(), tmp_path / "norms.npz")
    again = inspect.GradientNorms(ours)
    again.load_state_dict(tinyrnn.load(tmp_path / "norms.npz"))
    np.testing.assert_equal(again.norms, record.norms)
    with pytest.raises(ValueError, match="of other parameters"):
        again.load_state_dict({"other": np.zeros(3)})


def test_gradient_norms_of_any_size_and_history():
    layer = nn.Linear(2, 1, bias=False)
    (layer(tinyrnn.ones(1, 2)) ** 2).sum().backward(create_graph=True)
    record = inspect.GradientNorms(layer)
    record.record()
    for size in (1e-25, 1e25):
        layer.weight.grad = tinyrnn.full((1, 2), size)
        record.record()
    assert record.norms["weight"][1:] == pytest.approx([math.sqrt(2) * 1e-25, math.sqrt(2) * 1e25], rel=1e-6, abs=0)


def test_state_gradients_are_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    inspect.draw_state_gradients(tmp_path / "memory.png", {"GRU": np.array([1e-3, 0.1, 1.0]), "RNN": [1e-9, 1e-4, 1]})
    assert (tmp_path / "memory.png").read_bytes().startswith(b"\x89PNG")


# ---- where a NaN comes from ------------------------------------------------------------------------------------------

class Log(nn.Module):
    def forward(self, x):
        return x.log()


class Root(nn.Module):
    """sqrt(0): a finite output, an infinite gradient."""

    def forward(self, x):
        return (x * 0).sqrt()


class Model(nn.Module):
    def __init__(self, middle):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.block = nn.Sequential(nn.Tanh(), middle)
        self.rnn = nn.GRU(3, 2)

    def forward(self, x):
        return self.rnn(self.block(self.first(x)))


@pytest.mark.parametrize(("middle", "message"), [
    (Log(), "forward: block.1 makes an output that is not finite"),
    (Root(), "backward: block.1 makes a gradient that is not finite for its input"),
])
def test_the_first_module_is_named(middle, message):
    tinyrnn.manual_seed(0)                              # a logarithm needs a negative number to fail
    model = Model(middle)
    with pytest.raises(FloatingPointError, match=message), inspect.find_nan(model):
        model(tinyrnn.randn(4, 1, 3))[0].sum().backward()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_what_arrives_is_named():
    model = Model(nn.Identity())
    x = tinyrnn.randn(4, 1, 3)
    with inspect.find_nan(model):
        model(x)[0].sum().backward()                # nothing to find
    with pytest.raises(FloatingPointError, match="arrives at the output of rnn is not finite"), \
            inspect.find_nan(model):
        (model(x)[0].sum() * 0).sqrt().backward()
    with pytest.raises(FloatingPointError, match="the input of Model"), inspect.find_nan(model):
        model(x / 0)
    model.rnn.bias_hh_l0.data[1] = math.nan
    with pytest.raises(FloatingPointError, match="the parameter bias_hh_l0 of rnn"), inspect.find_nan(model):
        model(x)


def test_a_call_that_was_cut_short_is_forgotten():
    model = nn.Sequential(nn.Linear(2, 2))
    with inspect.find_nan(model):
        with pytest.raises(RuntimeError):
            model(tinyrnn.ones(1, 3))
        with pytest.raises(FloatingPointError, match="the input of Sequential is not finite"):
            model(tinyrnn.full((1, 2), math.nan))


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_a_search_can_be_watched(search):
    model = nn.Seq2Seq.build(9, 9, 4, 3).eval()
    source, calls = tinyrnn.randint(4, 9, (2, 5)), []
    with inspect.saturation(model.decoder.rnn):
        getattr(model, search)(source, max_length=3)
    handle = model.decoder.rnn.register_forward_hook(lambda *_: calls.append(1))
    getattr(model, search)(source, max_length=3)
    handle.remove()
    assert calls
    model.decoder.rnn.weight_hh_l0.data[0] = math.nan
    with pytest.raises(FloatingPointError, match="weight_hh_l0 of decoder.rnn"), inspect.find_nan(model):
        getattr(model, search)(source, max_length=3)


def test_the_gradient_of_a_parameter_is_named():
    model = nn.Sequential(nn.Linear(2, 2))
    nn.init.zeros_(model[0].weight)
    with pytest.raises(FloatingPointError, match="the gradient of weight of 0 is not finite"), inspect.find_nan(model):
        (model(tinyrnn.full((1, 2), 1e30)) * 1e20).sum().backward()


def test_a_whole_training_can_be_watched():
    """What was seen in one call is forgotten at the next: neither tensors nor hooks add up."""
    model = Model(nn.Identity())
    start = tinyrnn.zeros(1, 1, 2, requires_grad=True)
    with inspect.find_nan(model) as finder:
        sizes = []
        for _ in range(4):
            model.rnn(tinyrnn.randn(4, 1, 3), start)
            model(tinyrnn.randn(4, 1, 3))[0].sum().backward()
            sizes.append((len(finder.seen), len(finder.handles)))
    assert sizes[1:] == [sizes[1]] * 3
