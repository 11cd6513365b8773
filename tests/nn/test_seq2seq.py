"""Encoder-decoder models: beside the same models in PyTorch's words, and what padding may not touch."""

import numpy as np
import pytest
import torch

import tinyrnn
from tinyrnn.nn import Decoder, Encoder, Seq2Seq
from tinyrnn.nn.functional import cross_entropy

V, E, H, S, T, B = 11, 5, 6, 7, 4, 3
LENGTHS = [7, 2, 5]


def tokens(seed=0):
    rng = np.random.default_rng(seed)
    source = rng.integers(4, V, (B, S))
    for b, n in enumerate(LENGTHS):
        source[b, n:] = 0
    target = rng.integers(4, V, (B, T + 2))
    target[:, 0] = 2
    target[0, -1], target[1, 3], target[1, 4:], target[2, -1] = 3, 3, 0, 3
    return source, target


def build(cell="gru", attention=True, num_layers=1, bidirectional=True, **options):
    tinyrnn.manual_seed(0)
    model = Seq2Seq.build(V, V, E, H, num_layers, cell, attention, bidirectional, **options)
    return model.double()


def in_pytorch(model, source, target):
    """The loss of the same model, written with PyTorch's layers; returns it with the parameters by name."""
    w = {name: torch.tensor(p.detach().numpy(), requires_grad=True) for name, p in model.named_parameters()}

    def rnn(part, layer, name):
        kind = type(layer).__name__
        module = getattr(torch.nn, kind)(layer.input_size, layer.hidden_size, layer.num_layers, dtype=torch.float64,
                                         batch_first=layer.batch_first, bidirectional=layer.bidirectional)
        own = {key[len(name) + 1:]: value for key, value in w.items() if key.startswith(name + ".")}
        return lambda *args: torch.func.functional_call(module, own, args)
    linear = torch.nn.functional.linear
    D = model.encoder.rnn.num_directions
    embedded = torch.nn.functional.embedding(torch.tensor(source), w["encoder.embedding.weight"], padding_idx=0)
    packed = torch.nn.utils.rnn.pack_padded_sequence(embedded, LENGTHS, batch_first=True, enforce_sorted=False)
    output, state = rnn("encoder", model.encoder.rnn, "encoder.rnn")(packed)
    output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, batch_first=True)
    state = state if isinstance(state, tuple) else (state,)
    state = tuple(torch.cat([part[d::D] for d in range(D)], -1) for part in state)
    summary = state[0][-1]
    layers = model.decoder.rnn.num_layers
    bridge = w["decoder.bridge.weight"], w["decoder.bridge.bias"]
    state = tuple(torch.tanh(linear(part, *bridge)).expand(layers, -1, -1).contiguous() for part in state)
    decoder = rnn("decoder", model.decoder.rnn, "decoder.rnn")
    mask = torch.arange(S) < torch.tensor(LENGTHS)[:, None]
    logits = []
    for t in range(target.shape[1] - 1):
        e = torch.nn.functional.embedding(torch.tensor(target[:, t]), w["decoder.embedding.weight"], padding_idx=0)
        context = summary
        if model.decoder.attention is not None:
            q = linear(state[0][-1], w["decoder.attention.W_q.weight"])
            k = linear(output, w["decoder.attention.W_k.weight"])
            score = (torch.tanh(q[:, None] + k) @ w["decoder.attention.v.weight"][0]).masked_fill(~mask, -torch.inf)
            context = (score.softmax(-1)[:, None] @ output)[:, 0]
        out, state = decoder(torch.cat([e, context], -1)[None], state if len(state) > 1 else state[0])
        state = state if isinstance(state, tuple) else (state,)
        known = torch.cat([out[0], e, context], -1)
        known = torch.tanh(linear(known, w["decoder.readout.weight"], w["decoder.readout.bias"]))
        logits.append(linear(known, w["decoder.output.weight"], w["decoder.output.bias"]))
    logits = torch.stack(logits, 1)
    wanted = torch.tensor(target[:, 1:]).flatten()
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted, ignore_index=0)
    return logits, loss, w


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("attention, bidirectional", [(True, True), (False, False), (True, False)])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_like_pytorch(cell, attention, bidirectional, num_layers):
    source, target = tokens()
    model = build(cell, attention, num_layers, bidirectional)
    logits_t, loss_t, weights = in_pytorch(model, source, target)
    logits = model(tinyrnn.tensor(source), tinyrnn.tensor(target[:, :-1]), LENGTHS)
    np.testing.assert_allclose(logits.detach().numpy(), logits_t.detach().numpy(), rtol=1e-10, atol=1e-12)
    loss = model.loss(tinyrnn.tensor(source), tinyrnn.tensor(target), LENGTHS)
    loss.backward()
    loss_t.backward()
    np.testing.assert_allclose(loss.item(), loss_t.item(), rtol=1e-12)
    for name, p in model.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), weights[name].grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("attention", [True, False])
def test_padding_changes_nothing(cell, attention):
    """More padding, in source and target, alters no bit of the loss or of a gradient; lengths are found unasked."""
    source, target = (tinyrnn.tensor(x) for x in tokens())
    model = build(cell, attention)
    results = []
    for pad, lengths in ((0, LENGTHS), (0, None), (3, LENGTHS), (3, None)):
        model.zero_grad()
        wide, long = (tinyrnn.cat([x, tinyrnn.zeros(B, pad, dtype=tinyrnn.int64)], 1) for x in (source, target))
        loss = model.loss(wide, long, lengths)
        loss.backward()
        results.append([loss.detach().numpy(), *(p.grad.numpy() for p in model.parameters())])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


class Delegate(tinyrnn.nn.Module):
    """A decoder of one's own, with what a decoder needs."""

    def __init__(self, decoder):
        super().__init__()
        self.inner = decoder

    def __getattr__(self, name):
        return getattr(self._modules["inner"], name) if name in ("start", "remember") else super().__getattr__(name)

    def forward(self, *args):
        return self.inner(*args) * 2


def double(method):
    return lambda *args: method(*args) * 2


def with_hook(model, part):
    part.register_forward_hook(lambda module, args, output: output * 2)


def with_forward(model, part):
    part.forward = double(part.forward)


def with_sequential(model, part):
    model.decoder.output = tinyrnn.nn.Sequential(model.decoder.output, tinyrnn.nn.Identity())


def with_call(model, part):
    part.__class__ = type("Twice", (type(part),), {"__call__": double(type(part).__call__)})


def with_delegate(model, part):
    model.decoder = Delegate(model.decoder)


@pytest.mark.parametrize("where", ["", "decoder", "decoder.output"])
@pytest.mark.parametrize("change", [lambda model, part: None, with_hook, with_forward, with_sequential, with_call,
                                    with_delegate])
def test_loss_is_the_cross_entropy_of_what_the_model_returns(change, where):
    """Whatever is done to the model or a part of it, though the scores are not all made where nobody sees them."""
    source, target = (tinyrnn.tensor(x) for x in tokens())
    model = build("gru", True)
    change(model, model.get_submodule(where))
    logits = model(source, target[:, :-1], LENGTHS).flatten(0, 1)
    want = cross_entropy(logits, target[:, 1:].flatten(), ignore_index=0, label_smoothing=0.1)
    loss = model.loss(source, target, LENGTHS, label_smoothing=0.1)
    np.testing.assert_allclose(loss.item(), want.item(), rtol=1e-13)


def test_teacher_forcing():
    source, target = (tinyrnn.tensor(x) for x in tokens())
    model = build()
    forced = model(source, target[:, :-1], LENGTHS)
    state, memory = model.encode(source, LENGTHS)
    np.testing.assert_allclose(model.decoder(target[:, :-1], state, memory, 0.999999).detach().numpy(),
                               forced.detach().numpy(), rtol=1e-12)
    free = model(source, target[:, :-1], LENGTHS, teacher_forcing_ratio=0.0)
    greedy = model.greedy(source, LENGTHS, max_length=T + 1)
    for b, one in enumerate(greedy):
        written = free.detach().numpy()[b].argmax(-1).tolist()
        assert written[:len(one.tokens)] == one.tokens
    with pytest.raises(ValueError, match="teacher_forcing_ratio"):
        model(source, target, LENGTHS, teacher_forcing_ratio=1.5)


def test_greedy_and_beam():
    source, _ = tokens()
    model = build()
    source = tinyrnn.tensor(source)
    greedy = model.greedy(source, LENGTHS, max_length=8)
    for one, (best,) in zip(greedy, model.beam(source, LENGTHS, max_length=8, beam_size=1), strict=True):
        assert one.tokens == best.tokens and one.score == best.score
    for b, outputs in enumerate(model.beam(source, LENGTHS, max_length=8, beam_size=4, n_best=3)):
        assert len(outputs) == 3 and outputs == sorted(outputs, key=lambda h: -h.score)
        assert outputs[0].score >= greedy[b].score
        for h in outputs:
            assert h.attention.shape == (len(h.tokens), S)
            assert not h.attention[:, LENGTHS[b]:].any()
            np.testing.assert_allclose(h.attention.sum(1), 1, rtol=1e-9)
    alone = model.beam(source[1:2], LENGTHS[1:2], max_length=8, beam_size=4, n_best=3)[0]
    together = model.beam(source, LENGTHS, max_length=8, beam_size=4, n_best=3)[1]
    assert [h.tokens for h in alone] == [h.tokens for h in together]


def test_parts_can_be_combined_by_hand():
    encoder = Encoder(V, E, H, cell="lstm", bidirectional=False)
    decoder = Decoder(V, E, H, encoder.output_size, cell="lstm")
    model = Seq2Seq(encoder, decoder)
    source, target = (tinyrnn.tensor(x) for x in tokens())
    assert model(source, target).shape == (B, T + 2, V)
    assert model.greedy(source, max_length=3)[0].attention is None


@pytest.mark.parametrize("call, message", [
    (lambda m, s: m(s[0], s), "Seq2Seq"),
    (lambda m, s: m(s, s, [1, 2]), "lengths"),
    (lambda m, s: m(s, s, [1, 2, 99]), "lengths"),
    (lambda m, s: m.beam(s, beam_size=0), "beam_size"),
    (lambda m, s: m.beam(s, beam_size=2, n_best=3), "n_best"),
    (lambda m, s: m.beam(s, length_penalty=-1.0), "length_penalty"),
    (lambda m, s: m.greedy(s, max_length=0), "max_length"),
    (lambda m, s: Seq2Seq.build(V, V, E, H, cell="rnn"), "cell"),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(build(), tinyrnn.tensor(tokens()[0]))


def test_different_depths_do_not_meet():
    encoder = Encoder(V, E, H, num_layers=2)
    model = Seq2Seq(encoder, Decoder(V, E, H, encoder.output_size, num_layers=3))
    with pytest.raises(ValueError, match="3 layers"):
        model.greedy(tinyrnn.tensor(tokens()[0]))


def test_coverage_does_not_see_padding():
    model, source = build(), tinyrnn.tensor(tokens()[0])
    options = {"max_length": 8, "beam_size": 4, "n_best": 3, "coverage_penalty": 0.2}
    (alone,), together = model.beam(source[1:2], LENGTHS[1:2], **options), model.beam(source, LENGTHS, **options)[1]
    assert [h.tokens for h in alone] == [h.tokens for h in together]
    np.testing.assert_allclose([h.score for h in alone], [h.score for h in together], rtol=1e-12)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_tables_start_small(part):
    table = getattr(Seq2Seq.build(400, 400, 50, 3), part).embedding.weight.detach().numpy()
    assert abs(table[1:].std() - 0.3) < 0.006 and not table[0].any()


def test_tied_embeddings():
    """The gradient of the one table is the sum of those of two tables that hold the same numbers."""
    source, target = (tinyrnn.tensor(x) for x in tokens())
    tied = Seq2Seq.build(V, V, H, H, tie=True).to(tinyrnn.float64)
    free = Seq2Seq.build(V, V, H, H).to(tinyrnn.float64)
    free.load_state_dict(tied.state_dict())
    assert tied.decoder.embedding.weight is tied.decoder.output.weight
    assert len(list(free.parameters())) == len(list(tied.parameters())) + 1
    losses = [model.loss(source, target, LENGTHS) for model in (tied, free)]
    assert losses[0].item() == losses[1].item()
    for loss in losses:
        loss.backward()
    both = free.decoder.embedding.weight.grad + free.decoder.output.weight.grad
    np.testing.assert_allclose(tied.decoder.output.weight.grad.numpy(), both.numpy(), rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="tie needs embedding_dim 4"):
        Seq2Seq.build(V, V, 4, 5, tie=True)
