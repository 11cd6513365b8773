"""What is measured: the sizes, the numbers in them, and the ratios that are demanded.

B batch, T time, I input, H hidden. Every peer gets the same weights and inputs, with PyTorch's names and gate order.
"""
from typing import NamedTuple

import numpy as np

GATES = {"GRU": 3, "LSTM": 4, "RNN": 1}


class Size(NamedTuple):
    B: int
    T: int
    I: int  # noqa: E741 - the letter of the shapes
    H: int

    def __str__(self):
        return f"{self.B} x {self.T} x {self.I} -> {self.H}"

    def operations(self, cell, positions=None):
        """Of the products of one forward pass, two for each multiply-add. A training step has three times as many."""
        return 2 * (positions or self.B * self.T) * GATES[cell] * self.H * (self.I + self.H)


SIZES = [Size(1, 100, 32, 32), Size(1, 50, 64, 128), Size(16, 50, 64, 64), Size(32, 20, 50, 128),
         Size(32, 50, 128, 256), Size(64, 50, 256, 512), Size(64, 30, 512, 1024)]

# How many times PyTorch's speed a training step has to reach, for each of SIZES.
TRAINING = {
    "GRU": [60, 15, 8, 4, 2, 1.5, 1.5],
    "LSTM": [3, 2, 1.4, 1.5, 1.3, 1.3, 1.2],
    "RNN": [30, 8, 5, 2, 1.4, 1.2, 1.2],
}


def random_array(rng, *shape):
    return rng.standard_normal(shape, np.float32)


def weights(cell, size):
    """name -> array, as in PyTorch's state_dict: U(-1/sqrt(H), 1/sqrt(H)), rows in PyTorch's gate order."""
    rng = np.random.default_rng(1)
    rows, bound = GATES[cell] * size.H, size.H ** -0.5
    shapes = {"weight_ih_l0": (rows, size.I), "weight_hh_l0": (rows, size.H), "bias_ih_l0": (rows,),
              "bias_hh_l0": (rows,)}
    return {name: rng.uniform(-bound, bound, shape).astype(np.float32) for name, shape in shapes.items()}


def sequences(size):
    """x (T, B, I), and dy (T, B, H) to begin backward with."""
    rng = np.random.default_rng(2)
    return random_array(rng, size.T, size.B, size.I), random_array(rng, size.T, size.B, size.H)


def half_lengths(size):
    """(B,): from 1 to T in even steps, shuffled, so that half of all positions are padding."""
    return np.random.default_rng(3).permutation(np.linspace(1, size.T, size.B).round().astype(np.int64))
