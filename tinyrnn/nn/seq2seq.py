"""Encoder-decoder models from parts: an Encoder, a Decoder with or without attention, and Seq2Seq, which joins them.

Two published models are spelled with these parts:

- Cho et al. 2014 (arXiv:1406.1078): ``Decoder(attention=None)``: every step sees the same summary of the source.
- Bahdanau et al. 2015 (arXiv:1409.0473): a bidirectional encoder and ``attention=AdditiveAttention(...)``: every step
  sees its own weighted mean of the source positions.

Batches come first: tokens are int64 (B, S) or (B, T), padded on the right; padding never reaches a state, a weight of
the attention, or the loss.
"""
from typing import NamedTuple

from tinyrnn.autograd.arrays import ShapeError
from tinyrnn.autograd.generator import default_generator
from tinyrnn.autograd.grad_mode import is_grad_enabled, no_grad
from tinyrnn.autograd.ops_join import cat, stack
from tinyrnn.autograd.tensor import Tensor
from tinyrnn.nn.attention import AdditiveAttention
from tinyrnn.nn.decoding import Search
from tinyrnn.nn.dropout import Dropout
from tinyrnn.nn.embedding import Embedding
from tinyrnn.nn.functional import cross_entropy, linear_cross_entropy
from tinyrnn.nn.lengths import as_lengths, length_mask
from tinyrnn.nn.linear import Linear
from tinyrnn.nn.module import Module
from tinyrnn.nn.recurrent import GRU, LSTM, RNNBase

CELLS: dict[str, type[RNNBase]] = {"gru": GRU, "lstm": LSTM}


class Memory(NamedTuple):
    """What a decoder may look at: the source, the same at every step."""

    output: Tensor              # (B, S, D*H): the encoder's outputs
    mask: Tensor | None         # (B, S): True at positions that are not padding
    projected: Tensor | None    # (B, S, A): the keys' share of the attention scores
    summary: Tensor             # (B, D*H): the final state of the encoder's last layer

    def select(self, rows):
        """The memory of the batch rows ``rows`` (N,); a row may occur several times."""
        return Memory(*(None if part is None else part.index_select(0, rows) for part in self))


def layer(cell, *args, **kwargs):
    if cell not in CELLS:
        raise ValueError(f'cell must be "gru" or "lstm", not {cell!r}')
    return CELLS[cell](*args, **kwargs)


def token_table(num_embeddings, embedding_dim, padding_idx):
    """An Embedding that starts from N(0, 0.3^2): Adam's steps are as long for every number, and a rare token takes few;
    from N(0, 1) it would stay what it was drawn as."""
    table = Embedding(num_embeddings, embedding_dim, padding_idx=padding_idx)
    with no_grad():
        table.weight.mul_(0.3)
    return table


class Encoder(Module):
    """Reads the source: embedding with ``dropout``, then a recurrent layer, bidirectional by default.

    ``encoder(source (B, S), lengths=None) -> output (B, S, D*H), state``: ``state`` is a tuple of (num_layers, B, D*H)
    tensors, one for a GRU (h) and two for an LSTM (h, c), the two directions side by side.
    """

    def __init__(self, num_embeddings, embedding_dim, hidden_size, num_layers=1, cell="gru", bidirectional=True,
                 dropout=0.0, padding_idx=0):
        super().__init__()
        self.embedding = token_table(num_embeddings, embedding_dim, padding_idx)
        self.dropout = Dropout(dropout)
        self.rnn = layer(cell, embedding_dim, hidden_size, num_layers, batch_first=True, bidirectional=bidirectional,
                         dropout=dropout if num_layers > 1 else 0.0)
        self.output_size = hidden_size * self.rnn.num_directions

    def forward(self, source, lengths=None):
        output, state = self.rnn(self.dropout(self.embedding(source)), lengths=lengths)
        return output, tuple(self.beside(part) for part in as_tuple(state))

    def beside(self, state):
        """(num_layers*D, B, H) -> (num_layers, B, D*H)"""
        rows, B, H = state.shape
        D = self.rnn.num_directions
        return state.view(rows // D, D, B, H).transpose(1, 2).reshape(rows // D, B, D * H)


class Decoder(Module):
    """Writes the target, one token a step:

    s_i = cell([E y_(i-1); c_i], s_(i-1)),   logits_i = W_o tanh(W_r [s_i; E y_(i-1); c_i])

    c_i is ``attention``'s context for the query s_(i-1) (top layer), or without attention the encoder's final state.
    ``context_size`` is the encoder's ``output_size``. The first state is tanh(W_s [final states of the encoder]), for
    every layer and part of the state. ``tie`` makes W_o the embedding table as well (Press and Wolf 2017,
    arXiv:1608.05859): one parameter with W_o's first values; ``embedding_dim`` must be ``hidden_size``.
    """

    def __init__(self, num_embeddings, embedding_dim, hidden_size, context_size, num_layers=1, cell="gru",
                 attention=None, dropout=0.0, padding_idx=0, tie=False):
        super().__init__()
        self.embedding = token_table(num_embeddings, embedding_dim, padding_idx)
        self.dropout = Dropout(dropout)
        self.attention = attention
        self.rnn = layer(cell, embedding_dim + context_size, hidden_size, num_layers,
                         dropout=dropout if num_layers > 1 else 0.0)
        self.bridge = Linear(context_size, hidden_size)
        self.readout = Linear(hidden_size + embedding_dim + context_size, hidden_size)
        self.output = Linear(hidden_size, num_embeddings)
        if tie:
            if embedding_dim != hidden_size:
                raise ValueError(f"Decoder: tie needs embedding_dim {embedding_dim} to be hidden_size {hidden_size}")
            self.embedding.weight = self.output.weight

    def remember(self, output, state, mask):
        """The Memory of a source, with everything that is the same at every step computed once."""
        projected = None if self.attention is None else self.attention.project(output)
        return Memory(output, mask, projected, state[0][-1])

    def start(self, state):
        """The first state from the encoder's last: (layers, B, context_size) -> (num_layers, B, H), for every part."""
        layers = self.rnn.num_layers
        if len(state[0]) not in (1, layers):
            raise ValueError(f"Decoder: {layers} layers cannot start from an encoder of {len(state[0])} layers")
        return tuple(self.bridge(part).tanh().expand(layers, -1, -1).contiguous() for part in state)

    def advance(self, embedded, state, memory):
        """One step: embedded (B, E) -> output (B, H), context (B, C), new state, attention weights (B, S) or None."""
        if self.attention is None:
            context, weights = memory.summary, None
        else:
            context, weights = self.attention(state[0][-1], memory.output, mask=memory.mask, projected=memory.projected)
        x, state = cat([embedded, context], -1), state if len(state) > 1 else state[0]
        if is_grad_enabled() or self.training or looked_at(self.rnn):
            output, state = self.rnn(x.unsqueeze(0), state)
            output = output.squeeze(0)
        else:
            output, state = self.rnn.step(x, state)
        return output, context, as_tuple(state), weights

    def hidden(self, output, embedded, context):
        """What the scores are made of: (..., H), (..., E), (..., C) -> (..., H)"""
        return self.dropout(self.readout(cat([output, embedded, context], -1)).tanh())

    def step(self, token, state, memory):
        """token (B,) -> logits (B, V), new state, attention weights (B, S) or None"""
        embedded = self.dropout(self.embedding(token))
        output, context, state, weights = self.advance(embedded, state, memory)
        return self.output(self.hidden(output, embedded, context)), state, weights

    def forward(self, target, state, memory, teacher_forcing_ratio=1.0):
        """Scores every next token: target (B, T) -> logits (B, T, V), where logits[:, t] answer target[:, :t + 1].

        With probability 1 - teacher_forcing_ratio a step gets the token the model found best, not target[:, t].
        """
        if not 0 <= teacher_forcing_ratio <= 1:
            raise ValueError(f"Decoder: teacher_forcing_ratio must lie in [0, 1], not {teacher_forcing_ratio}")
        if teacher_forcing_ratio == 1:
            return self.output(self.read(target, state, memory))      # all the scores in one product, after the loop
        logits = []
        forced = default_generator.uniform(target.shape[1], "float64") < teacher_forcing_ratio
        for t in range(target.shape[1]):
            token = target[:, t] if t == 0 or forced[t] else logits[-1].detach().argmax(-1)
            score, state, _ = self.step(token, state, memory)
            logits.append(score)
        return stack(logits, 1)

    def read(self, target, state, memory):
        """The hidden layer below the scores of every next token: target (B, T) -> (B, T, H)"""
        embedded, outputs, contexts = self.dropout(self.embedding(target)), [], []
        for row in embedded.unbind(1):
            output, context, state, _ = self.advance(row, state, memory)
            outputs.append(output)
            contexts.append(context)
        return self.hidden(stack(outputs, 1), embedded, stack(contexts, 1))


class Seq2Seq(Search, Module):
    """An encoder and a decoder, trained together: ``model(source, target, source_lengths) -> logits``.

    Targets begin with ``bos`` and end with ``eos``; ``padding_idx`` fills them up. ``Seq2Seq.build`` makes the parts.
    """

    def __init__(self, encoder, decoder, bos=2, eos=3, padding_idx=0):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.bos, self.eos, self.padding_idx = bos, eos, padding_idx

    @classmethod
    def build(cls, source_size, target_size, embedding_dim, hidden_size, num_layers=1, cell="gru", attention=True,
              bidirectional=True, dropout=0.0, bos=2, eos=3, padding_idx=0, tie=False):
        """A model from its sizes: Bahdanau et al. 2015 by default; Cho et al. 2014 with ``attention=False,
        bidirectional=False``."""
        encoder = Encoder(source_size, embedding_dim, hidden_size, num_layers, cell, bidirectional, dropout,
                          padding_idx)
        context = encoder.output_size
        attend = AdditiveAttention(hidden_size, context, hidden_size) if attention else None
        decoder = Decoder(target_size, embedding_dim, hidden_size, context, num_layers, cell, attend, dropout,
                          padding_idx, tie)
        return cls(encoder, decoder, bos, eos, padding_idx)

    def encode(self, source, lengths=None):
        """source (B, S) -> the decoder's first state and its Memory. Without lengths, padding is found by its token."""
        if getattr(source, "ndim", None) != 2:
            raise ValueError("Seq2Seq: expected source tokens as a tensor of shape (batch, steps), not "
                             f"{getattr(source, 'shape', type(source).__name__)}")
        B, S = source.shape
        if lengths is None:
            lengths = trailing_lengths(source.array, self.padding_idx)
        lengths = as_lengths("Seq2Seq", lengths, B, S)
        output, state = self.encoder(source, lengths)
        return self.decoder.start(state), self.decoder.remember(output, state, length_mask(lengths, S))

    def forward(self, source, target, source_lengths=None, teacher_forcing_ratio=1.0):
        """source (B, S), target (B, T), which begins with bos -> logits (B, T, V) for the token after each."""
        state, memory = self.encode(source, source_lengths)
        return self.decoder(target, state, memory, teacher_forcing_ratio)

    def loss(self, source, target, source_lengths=None, teacher_forcing_ratio=1.0, label_smoothing=0.0):
        """The mean cross-entropy of the tokens of target (B, T + 1) after its first, padding left out."""
        if target.ndim != 2 or len(target) != len(source) or target.shape[1] < 2:
            raise ShapeError(f"Seq2Seq: expected a target of shape ({len(source)}, at least 2) beside the source "
                             f"{source.shape}, not {target.shape}")
        after, options = target[:, 1:].flatten(), {"ignore_index": self.padding_idx, "label_smoothing": label_smoothing}
        if teacher_forcing_ratio != 1 or self.watched():        # else the scores are never all there
            logits = self(source, target[:, :-1], source_lengths, teacher_forcing_ratio)
            return cross_entropy(logits.flatten(0, 1), after, **options)
        hidden = self.decoder.read(target[:, :-1], *self.encode(source, source_lengths)).flatten(0, 1)
        output = self.decoder.output
        return linear_cross_entropy(hidden, output.weight, after, linear_bias=output.bias, **options)

    def watched(self):
        """Whether somebody may want to see the scores: the parts are not these classes themselves, or have hooks."""
        if type(self) is not Seq2Seq or type(self.decoder) is not Decoder or type(self.decoder.output) is not Linear:
            return True
        return any(map(looked_at, (self, self.decoder, self.decoder.output)))

    def step(self, token, state, memory):
        """One step of the decoder: token (B,) -> logits (B, V), new state, attention weights (B, S) or None."""
        return self.decoder.step(token, state, memory)


def looked_at(module):
    """Whether somebody wants to see what the module's forward is given and makes."""
    return bool(module._forward_hooks or module._forward_pre_hooks or vars(module).keys() & {"forward", "one_layer"})


def trailing_lengths(tokens, padding_idx):
    """The length of every row of (B, S) without the padding at its end."""
    found = tokens != padding_idx
    if found.shape[1] == 0:
        return found.sum(1)
    return (found.shape[1] - found[:, ::-1].argmax(1)) * found.any(1)


def as_tuple(state):
    return state if isinstance(state, tuple) else (state,)
