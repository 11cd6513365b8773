"""The whole training step of a translator: the PyTorch script, and tinyrnn's own Seq2Seq with the same weights."""
import re
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np


class Translation(NamedTuple):
    V: int
    H: int
    B: int
    S: int
    T: int

    def __str__(self):
        return f"V={self.V} H={self.H} B={self.B} S={self.S} T={self.T}"


def script(package):
    """The names of translator.py, with only its import lines changed to those of `package`."""
    path = Path(__file__).with_name("translator.py")
    source = path.read_text()
    source = re.sub(r"^import torch$", f"import {package.__name__} as torch", source, flags=re.MULTILINE)
    source = re.sub(r"^from torch import", f"from {package.__name__} import", source, flags=re.MULTILINE)
    names = {}
    exec(compile(source, path, "exec"), names)
    return SimpleNamespace(**names)


def batch(torch, case):
    """source (B, S) with lengths from S/2 to S, target (B, T + 1) with a few short rows; 0 is padding."""
    rng = np.random.default_rng(4)
    source, target = (rng.integers(4, case.V, (case.B, n)) for n in (case.S, case.T + 1))
    lengths = rng.integers(case.S // 2, case.S + 1, case.B)
    for row in range(case.B):
        source[row, lengths[row]:] = 0
        target[row, rng.integers(case.T // 2, case.T + 2):] = 0
    return tuple(torch.from_numpy(array) for array in (source, lengths, target))


def model(torch, case):
    """The script's model; weights uniform within 0.1, the same in every library."""
    return filled(torch, script(torch).Translator(case.V, case.H))


def filled(torch, made):
    rng = np.random.default_rng(5)
    made.load_state_dict({name: torch.from_numpy(rng.uniform(-0.1, 0.1, tuple(weight.shape)).astype(np.float32))
                          for name, weight in made.state_dict().items()})
    return made


def measured(step):
    """The losses of the first three steps tell that gradients, clipping and Adam agree as well."""
    return step, lambda loss: {"loss": np.array([loss, step(), step()])}


def scripted(torch, case):
    training = script(torch).Training(model(torch, case))
    arguments = batch(torch, case)
    return measured(lambda: training.step(*arguments))


def native(tinyrnn, case):
    """nn.Seq2Seq, which is the same model; only its decoder's cell is a layer of one step."""
    made = tinyrnn.nn.Seq2Seq.build(case.V, case.V, case.H, case.H)
    made.load_state_dict(renamed(model(tinyrnn, case)))
    optimizer = tinyrnn.optim.Adam(made.parameters(), lr=1e-3)
    source, lengths, target = batch(tinyrnn, case)
    return measured(lambda: update(tinyrnn, made, optimizer, source, lengths, target))


def renamed(made):
    """The script's weights under the names of nn.Seq2Seq."""
    return {re.sub(r"cell\.(\w+)", r"rnn.\1_l0", name): weight for name, weight in made.state_dict().items()}


def update(tinyrnn, made, optimizer, source, lengths, target):
    optimizer.zero_grad()
    loss = made.loss(source, target, lengths)
    loss.backward()
    tinyrnn.nn.utils.clip_grad_norm_(made.parameters(), 1.0)
    optimizer.step()
    return loss.item()
