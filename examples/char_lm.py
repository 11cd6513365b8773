"""A character language model on any text file, plain or gzip: it learns to predict the next character, and writes.

The text is cut in order: the first 90 % to learn from, 5 % to choose the best epoch, the last 5 % to test. It is read
as parallel streams in windows of T characters. The state is carried from window to window, gradients are not:
truncated backpropagation through time. Tiny Shakespeare, one file of 1.1 million characters, is at
https://github.com/karpathy/char-rnn/blob/master/data/tinyshakespeare/input.txt

    python examples/char_lm.py train --text input.txt --out runs/shakespeare        (Ctrl-C saves; --resume goes on)
    python examples/char_lm.py sample --run runs/shakespeare --temperature 0.8 --prime "ROMEO:" -n 500
"""

import argparse
import gzip
import math
import zlib
from pathlib import Path

import tinyrnn
from tinyrnn import inspect, nn, optim
from tinyrnn.nn.functional import cross_entropy
from tinyrnn.nn.utils import CarriedState, clip_grad_norm_
from tinyrnn.utils.arguments import above_zero, fraction, kind, nonnegative, positive, seed
from tinyrnn.utils.data import ParallelStreams, Vocabulary
from tinyrnn.utils.training import Run, options_of

HELD_OUT_STREAMS = 20
SOURCE = "https://github.com/karpathy/char-rnn/blob/master/data/tinyshakespeare/input.txt"

# --- The data ---------------------------------------------------------------------------------------------------------


def read_text(path):
    """The text of a file, plain or gzip, in UTF-8."""
    if not path.is_file():
        raise SystemExit(f"{path} is not there. Any text file will do; tiny Shakespeare is at {SOURCE}")
    data = path.read_bytes()
    try:
        return (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode()
    except (UnicodeDecodeError, EOFError, OSError, zlib.error) as error:
        raise SystemExit(f"{path} is no text in UTF-8, plain or gzip: {error}") from None


def alphabet(characters):
    """The characters and their numbers, without special ones."""
    return Vocabulary(characters, pad=None, unk=None, bos=None, eos=None)


def split(codes):
    """The first 90 %, the next 5 % and the last 5 %."""
    a, b = len(codes) * 90 // 100, len(codes) * 95 // 100
    return codes[:a], codes[a:b], codes[b:]


# --- The model --------------------------------------------------------------------------------------------------------


class CharLM(nn.Module):
    """Characters (T, B) and a state -> scores of every next character (T, B, characters), and the new state."""

    def __init__(self, characters, unit="gru", size=512, layers=1, dropout=0.5):
        super().__init__()
        known = max(size // 8, 1)                           # of a character
        self.embedding = nn.Embedding(characters, known)
        self.rnn = {"gru": nn.GRU, "lstm": nn.LSTM}[unit](known, size, layers, dropout=dropout * (layers > 1))
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(size, characters)

    def forward(self, x, state=None):
        output, state = self.rnn(self.embedding(x), state)
        return self.out(self.dropout(output)), state

    def loss(self, x, y, state=None):
        """Cross-entropy in nats per character, and the new state."""
        scores, state = self(x, state)
        return cross_entropy(scores.flatten(0, 1), y.flatten()), state

    @tinyrnn.no_grad()
    def step(self, x, state=None):
        """One character (B,) -> scores (B, characters) and the new state: for sampling, without a record."""
        output, state = self.rnn.step(self.embedding(x), state)
        return self.out(output), state


@tinyrnn.no_grad()
def bits_per_character(model, codes):
    """-log2 p of the next character, averaged over held-out text; each of its streams begins without a past."""
    model.eval()
    state, nats, n = None, 0.0, 0
    for x, y in ParallelStreams(codes, HELD_OUT_STREAMS, 500):
        loss, state = model.loss(x, y, state)
        nats, n = nats + loss.item() * len(x), n + len(x)
    model.train()
    return nats / n / math.log(2)


# --- Training ---------------------------------------------------------------------------------------------------------


def update(model, optimizer, x, y, state, norms=None):
    """One update from a state without history; returns the loss and the new state."""
    optimizer.zero_grad()
    loss, state = model.loss(x, y, state)
    loss.backward()
    if norms:
        norms.record()
    clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item(), state


def train(args):
    tinyrnn.set_num_threads(args.threads)
    tinyrnn.manual_seed(args.seed)
    text = read_text(args.text)
    characters = sorted(set(text))
    learn, valid, test = split(tinyrnn.tensor(alphabet(characters).encode(text)))
    if len(valid) <= HELD_OUT_STREAMS or len(learn) <= args.batch:
        raise SystemExit(f"{args.text} has {len(text)} characters: too few")
    model = CharLM(len(characters), args.unit, args.size, args.layers, args.dropout)
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, args.decay)
    norms, carried = inspect.GradientNorms(model), CarriedState()
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "carried": carried, "norms": norms}
    config = {name: value for name, value in vars(args).items() if name not in ("command", "out")}
    config |= {"characters": characters, "data": zlib.crc32(text.encode())}
    run = Run(args.out, parts, config, args.resume, best="valid_bits")
    for _ in run.epochs(args.epochs):
        for x, y in run.steps(ParallelStreams(learn, args.batch, args.steps)):
            loss, state = update(model, optimizer, x, y, carried.value, norms if args.watch else None)
            carried.keep(state)                             # without its history: gradients end here
            run.add(nats=loss * len(x), n=len(x))
            run.show(bits=f"{loss / math.log(2):.3f}")
        carried.reset()
        schedule.step()
        run.log(train_bits=run.totals["nats"] / run.totals["n"] / math.log(2),
                valid_bits=bits_per_character(model, valid))
    finish(args, run, model, valid, test)


def finish(args, run, model, valid, test):
    """The picture of the training, what was watched, and the figure on the test text."""
    run.draw(args.out / "bits.png", {"train": "train_bits", "valid": "valid_bits"}, "bits per character")
    model.load_state_dict(tinyrnn.load(args.out / "best.npz"))
    if args.watch:
        run.parts["norms"].draw(args.out / "gradients.png")
        draw_memory(args, model, valid)
    figures = [f"{name} {bits_per_character(model, codes):.3f}" for name, codes in (("valid", valid), ("test", test))]
    print(f"bits per character: {', '.join(figures)}")


def draw_memory(args, model, valid):
    """A picture of how much the loss at the last of T characters depends on the state at every step before."""
    tinyrnn.manual_seed(args.seed)
    untrained = CharLM(model.out.out_features, args.unit, args.size, args.layers, args.dropout)
    x, y = ParallelStreams(valid, HELD_OUT_STREAMS, args.steps)[0]
    norms = {}
    for name, one in ("before training", untrained), ("after training", model):
        with inspect.state_gradients(one.eval().rnn) as watch:
            scores, _ = one(x)
            cross_entropy(scores[-1], y[-1]).backward()
        norms[name] = watch.norms[-1].mean(-1)
    inspect.draw_state_gradients(args.out / "memory.png", norms)


# --- Writing ----------------------------------------------------------------------------------------------------------


def sample(args):
    """Writes n characters, one step at a time, after the text to begin with."""
    config = options_of(args.run, "characters", "unit", "size", "layers")
    characters = alphabet(config["characters"])
    unknown = sorted(set(args.prime) - set(characters))
    if unknown or not args.prime:
        raise SystemExit(f"--prime must be characters of the text that was learnt from; unknown: {''.join(unknown)!r}")
    model = CharLM(len(characters), config["unit"], config["size"], config["layers"]).eval()
    model.load_state_dict(tinyrnn.load(args.run / "best.npz"))
    tinyrnn.manual_seed(args.seed)
    state = None
    for code in characters.encode(args.prime):
        scores, state = model.step(tinyrnn.tensor([code]), state)
    print(args.prime, end="")
    for _ in range(args.n):
        code = tinyrnn.multinomial((scores / args.temperature).softmax(-1), 1)[0]
        print(characters[code.item()], end="", flush=True)
        scores, state = model.step(code, state)
    print()


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Train a character language model on a text file, or let it write.")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("train", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    one.add_argument("--text", type=Path, required=True, help="a text file in UTF-8, plain or gzip")
    one.add_argument("--out", type=Path, default=Path("runs/char_lm"), help="the folder of the run")
    one.add_argument("--unit", choices=("gru", "lstm"), default="gru", help="the recurrent layer")
    for name, value, text in (("size", 512, "units of a layer"), ("layers", 1, "recurrent layers"),
                              ("steps", 64, "characters of a window"), ("batch", 32, "parallel streams"),
                              ("epochs", 15, "times through the text"), ("seed", 0, "of everything random"),
                              ("threads", 2, "processor threads")):
        one.add_argument(f"--{name}", type=kind(name), default=value, help=text)
    one.add_argument("--lr", type=nonnegative, default=4e-3, help="Adam's learning rate")
    one.add_argument("--decay", type=nonnegative, default=0.85, help="its factor after every epoch")
    one.add_argument("--dropout", type=fraction, default=0.5, help="share of a layer's output left out in training")
    one.add_argument("--resume", action="store_true", help="go on with the training in the folder")
    one.add_argument("--watch", action="store_true", help="record gradient norms, and draw them and the memory")
    two = commands.add_parser("sample", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    two.add_argument("--run", type=Path, default=Path("runs/char_lm"), help="the folder of a training")
    two.add_argument("--temperature", type=above_zero, default=0.8, help="below 1 safer, above 1 wilder")
    two.add_argument("--prime", default="\n", help="the text to begin with")
    two.add_argument("-n", type=positive, default=500, help="characters to write")
    two.add_argument("--seed", type=seed, default=0, help="of the draws")
    args = parser.parse_args(arguments)
    (train if args.command == "train" else sample)(args)


if __name__ == "__main__":
    main()
