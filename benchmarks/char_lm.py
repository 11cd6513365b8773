"""Trains the language model of examples/char_lm.py with tinyrnn and with PyTorch, side by side.

    python benchmarks/char_lm.py --text input.txt --updates 1000 --threads 2

Both begin with the same weights (the same seed gives them, which is checked), see the same batches with the same recipe
and take turns, one update each. Without dropout, whose noise would differ, the losses can be compared number by number.
Every 100 updates: bits per character over these, and the seconds of the updates so far; at the end those on held-out
text.
"""
import argparse
import math
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "examples")]      # the tinyrnn beside this folder, and the example

import char_lm  # noqa: E402
import torch  # noqa: E402

import tinyrnn  # noqa: E402
from tinyrnn.nn.utils import detach_state  # noqa: E402
from tinyrnn.utils.data import ParallelStreams  # noqa: E402


class TorchLM(torch.nn.Module):
    """char_lm.CharLM without dropout, in PyTorch."""

    def __init__(self, characters, unit, size, layers):
        super().__init__()
        self.embedding = torch.nn.Embedding(characters, size // 8)
        self.rnn = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[unit](size // 8, size, layers)
        self.out = torch.nn.Linear(size, characters)

    def loss(self, x, y, state=None):
        output, state = self.rnn(self.embedding(x), state)
        return torch.nn.functional.cross_entropy(self.out(output).flatten(0, 1), y.flatten()), state


def detached(state):
    return state if state is None else state.detach() if torch.is_tensor(state) else tuple(s.detach() for s in state)


class Ours:
    """One side: ``update(x, y)`` and ``held_out(codes)`` take NumPy arrays and give nats and bits."""

    def __init__(self, options, characters):
        tinyrnn.set_num_threads(options.threads)
        tinyrnn.manual_seed(options.seed)
        self.model = char_lm.CharLM(characters, options.unit, options.size, options.layers, dropout=0.0)
        self.optimizer = tinyrnn.optim.Adam(self.model.parameters(), lr=options.lr)
        self.state = None

    def weights(self):
        return [p.detach().numpy() for p in self.model.parameters()]

    def update(self, x, y):
        x, y = tinyrnn.from_numpy(x), tinyrnn.from_numpy(y)
        loss, self.state = char_lm.update(self.model, self.optimizer, x, y, detach_state(self.state))
        return loss

    def held_out(self, codes):
        return char_lm.bits_per_character(self.model, codes)


class Theirs:
    """The same with PyTorch."""

    def __init__(self, options, characters):
        torch.set_num_threads(options.threads)
        torch.manual_seed(options.seed)
        self.model = TorchLM(characters, options.unit, options.size, options.layers)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=options.lr)
        self.state = None

    def weights(self):
        return [p.detach().numpy() for p in self.model.parameters()]

    def update(self, x, y):
        self.optimizer.zero_grad()
        loss, self.state = self.model.loss(torch.from_numpy(x), torch.from_numpy(y), detached(self.state))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()

    @torch.no_grad()
    def held_out(self, codes):
        state, nats, n = None, 0.0, 0
        for x, y in ParallelStreams(codes, char_lm.HELD_OUT_STREAMS, 500):
            loss, state = self.model.loss(torch.from_numpy(x.numpy()), torch.from_numpy(y.numpy()), state)
            nats, n = nats + loss.item() * len(x), n + len(x)
        return nats / n / math.log(2)


def compare(options):
    """Lets both take turns; returns their bits per character on the held-out text, and their seconds."""
    text = char_lm.read_text(options.text)
    characters = sorted(set(text))
    learn, valid, _ = char_lm.split(tinyrnn.tensor(char_lm.alphabet(characters).encode(text)))
    sides = {"tinyrnn": Ours(options, len(characters)), "PyTorch": Theirs(options, len(characters))}
    if not all((a == b).all() for a, b in zip(*(side.weights() for side in sides.values()), strict=True)):
        raise SystemExit("the two do not begin with the same weights")
    windows = ParallelStreams(learn, options.batch, options.steps)
    seconds, bits = dict.fromkeys(sides, 0.0), {name: [] for name in sides}
    print(f"{'updates':>8}" + "".join(f"{name + ' bits':>15}{'seconds':>9}" for name in sides))
    for done in range(1, options.updates + 1):
        x, y = (part.contiguous().numpy() for part in windows[(done - 1) % len(windows)])
        for name, side in sides.items():
            start = time.perf_counter()
            side.state = None if (done - 1) % len(windows) == 0 else side.state
            bits[name].append(side.update(x, y) / math.log(2))
            seconds[name] += time.perf_counter() - start
        if done % 100 == 0 or done == options.updates:
            last = (done - 1) // 100 * 100
            print(f"{done:8}" + "".join(f"{sum(bits[name][last:]) / (done - last):15.4f}{seconds[name]:9.1f}"
                                        for name in sides), flush=True)
    return {name: side.held_out(valid) for name, side in sides.items()}, seconds


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, required=True, help="a text file, plain or gzip")
    parser.add_argument("--unit", choices=("gru", "lstm"), default="gru")
    for name, value in (("size", 256), ("layers", 1), ("batch", 32), ("steps", 64), ("updates", 500), ("seed", 0),
                        ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    parser.add_argument("--lr", type=float, default=4e-3, help="default 0.004")
    options = parser.parse_args(arguments)
    held_out, seconds = compare(options)
    for name, bits in held_out.items():
        print(f"{name}: {bits:.4f} bits per character of held-out text, {seconds[name]:.1f} s of training")
    print(f"PyTorch took {seconds['PyTorch'] / seconds['tinyrnn']:.2f} times as long")


if __name__ == "__main__":
    main()
