"""PyTorch and tinyrnn: one epoch of the training in examples/music.py, without the noise; a script for both."""
from functools import partial

import numpy as np

UNITS = {"tanh": "RNN", "gru": "GRU", "lstm": "LSTM"}


def epoch(torch, unit, hidden, batches):
    """`batches` are lists of pieces (T, 88). A call trains on each once; the losses are in nats a step."""
    torch.manual_seed(0)
    rnn = getattr(torch.nn, UNITS[unit])(88, hidden, batch_first=True)
    out = torch.nn.Linear(hidden, 88)
    parameters = [*rnn.parameters(), *out.parameters()]
    optimizer = torch.optim.RMSprop(parameters, 1e-3)
    states = padded if torch.__name__ == "tinyrnn" else packed
    batches = [[torch.from_numpy(piece.astype(np.float32)) for piece in batch] for batch in batches]

    def update(pieces):
        before = [torch.nn.functional.pad(piece[:-1], (0, 0, 1, 0)) for piece in pieces]
        optimizer.zero_grad()
        output, notes = states(torch, rnn, before, pieces)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(out(output), notes, reduction="sum") / len(notes)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return loss.item()
    return lambda: [update(pieces) for pieces in batches], lambda losses: {"losses": np.array(losses[:20])}


def padded(torch, rnn, before, pieces):
    """The states at all steps (N, H), and the notes there (N, 88): tinyrnn's way, `lengths=`."""
    lengths = [len(piece) for piece in pieces]
    output, _ = rnn(torch.nn.utils.rnn.pad_sequence(before, batch_first=True), lengths=lengths)
    return output[torch.nn.length_mask(lengths)], torch.cat(pieces)


def packed(torch, rnn, before, pieces):
    """PyTorch's way: both are packed alike, and nothing is unpacked."""
    pack = partial(torch.nn.utils.rnn.pack_sequence, enforce_sorted=False)
    output, _ = rnn(pack(before))
    return output.data, pack(pieces).data
