"""The training of examples/translate.py, update by update on real batches: the PyTorch script, and nn.Seq2Seq."""
import itertools
from typing import NamedTuple

from peers import translation


class Recipe(NamedTuple):
    V: int              # tokens of the source language, W of the target
    W: int
    H: int
    dropout: float


def scripted(torch, recipe, batches):
    names = translation.script(torch)
    made = translation.filled(torch, names.Translator(recipe.V, recipe.H, recipe.W, recipe.dropout))
    return walk(torch, batches, names.Training(made).step)


def native(tinyrnn, recipe, batches):
    names = translation.script(tinyrnn)
    weights = translation.renamed(translation.filled(tinyrnn, names.Translator(recipe.V, recipe.H, recipe.W)))
    made = tinyrnn.nn.Seq2Seq.build(recipe.V, recipe.W, recipe.H, recipe.H, dropout=recipe.dropout)
    made.load_state_dict(weights)
    optimizer = tinyrnn.optim.Adam(made.parameters(), lr=1e-3)
    return walk(tinyrnn, batches, lambda *batch: translation.update(tinyrnn, made, optimizer, *batch))


def walk(torch, batches, step):
    """Every call is an update on the next batch (source, lengths, target), round and round."""
    tensors = itertools.cycle([tuple(map(torch.from_numpy, batch)) for batch in batches])
    return translation.measured(lambda: step(*next(tensors)))
