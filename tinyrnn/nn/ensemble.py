"""Several models that write one output together."""
from itertools import accumulate, pairwise
from typing import NamedTuple

from tinyrnn.autograd.arrays import ShapeError
from tinyrnn.autograd.ops_join import stack
from tinyrnn.nn.container import ModuleList
from tinyrnn.nn.decoding import Search
from tinyrnn.nn.module import Module


class Memories(NamedTuple):
    """What each model of an ensemble remembers of the source."""

    each: tuple
    mask: object                    # (B, S), the same for all

    def select(self, rows):
        each = tuple(memory.select(rows) for memory in self.each)
        return Memories(each, each[0].mask)


class Ensemble(Search, Module):
    """Models such as :class:`Seq2Seq` with the same vocabularies, whose probabilities are averaged at every step:

    log p(y) = log (1/M sum_m p_m(y))

    ``ensemble.beam(source, lengths)`` and ``greedy`` are used as those of one model. The attention weights are the mean
    of those models that have attention. Raises ShapeError at the first step if the models' vocabularies differ in size.
    """

    def __init__(self, models):
        super().__init__()
        self.models = ModuleList(models)
        ends = {(model.bos, model.eos) for model in self.models}
        if len(ends) != 1:
            raise ValueError(f"Ensemble: needs at least one model, all with the same bos and eos, not {sorted(ends)}")
        (self.bos, self.eos), = ends

    def encode(self, source, lengths=None):
        """source (B, S) -> the first states of all models in one tuple, and their memories."""
        states, memories = zip(*(model.encode(source, lengths) for model in self.models), strict=True)
        self.places = list(pairwise(accumulate(map(len, states), initial=0)))
        return sum(states, ()), Memories(memories, memories[0].mask)

    def step(self, token, state, memory):
        """token (B,) -> log-probabilities (B, V), new states, mean attention weights (B, S) or None"""
        logits, states, weights = zip(*(model.step(token, state[start:end], one) for model, (start, end), one in
                                        zip(self.models, self.places, memory.each, strict=True)), strict=True)
        if len({scores.shape for scores in logits}) > 1:
            raise ShapeError(f"Ensemble: the models score {[scores.shape[1] for scores in logits]} tokens")
        looked = [part for part in weights if part is not None]
        mean = stack([scores.softmax(-1) for scores in logits]).mean(0).log()
        return mean, sum(states, ()), stack(looked).mean(0) if looked else None
