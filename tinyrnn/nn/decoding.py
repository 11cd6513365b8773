"""Search for the best output of a model that writes one token at a time.

The model is a function ``step(token (N,), state, memory) -> logits (N, V), state, weights (N, S) or None``. ``state``
is a tuple of tensors with the N rows in their second dimension, and ``memory.select(rows)`` gives the memory of other
rows, so that a search can drop and repeat rows. ``memory.mask`` (N, S), True at source positions that are not padding,
or None, is looked at for the coverage penalty alone.
"""
from typing import NamedTuple

import numpy as np

from tinyrnn.autograd.creation import tensor
from tinyrnn.autograd.grad_mode import no_grad


class Hypothesis(NamedTuple):
    """One output: what was written, how probable the model finds it, and where it looked."""

    tokens: list                    # without bos and eos
    score: float                    # see beam_search; without penalties the sum of the log-probabilities, eos included
    attention: np.ndarray | None    # (len(tokens), S)


class Beam(NamedTuple):
    """A row of the search: the tokens so far and what is known of them."""

    tokens: list
    log_prob: float
    attention: list

    def extend(self, token, log_prob, weights):
        return Beam([*self.tokens, token], self.log_prob + log_prob, self.attention if weights is None else
                    [*self.attention, weights])

    def finish(self, eos, alpha, beta, mask):
        """As a result; eos, if it is there, counts in the score and the length but not in the tokens."""
        n = len(self.tokens)
        kept = self.tokens[:-1] if n and self.tokens[-1] == eos else self.tokens
        attention = np.stack(self.attention) if self.attention else None
        score = self.log_prob / penalty(n, alpha)
        if beta:
            score += beta * coverage(attention, mask)
        return Hypothesis(kept, score, None if attention is None else attention[:len(kept)])


def penalty(length, alpha):
    """((5 + length) / 6)^alpha: Wu et al. 2016 (arXiv:1609.08144), equation (14)."""
    return ((5 + length) / 6) ** alpha


def coverage(attention, mask=None):
    """sum_i log(min(sum_j attention[j, i], 1)), i over the source positions of ``mask``: the same equation, beta = 1.

    It is 0 when every source position was looked at in full, else negative. attention (T, S), mask bool (S,) or None.
    """
    total = attention.sum(0) if mask is None else attention.sum(0)[mask]
    return float(np.log(np.clip(total, np.finfo(total.dtype).tiny, 1)).sum())


def greedy_search(step, state, memory, batch, bos, eos, max_length):
    """The best token at every step until all rows have written eos or ``max_length`` tokens."""
    check("greedy", max_length=max_length)
    return [best[0] for best in beam_search(step, state, memory, batch, bos, eos, max_length, beam_size=1)]


def beam_search(step, state, memory, batch, bos, eos, max_length, beam_size=5, length_penalty=0.0, n_best=1,
                coverage_penalty=0.0):
    """Keeps the ``beam_size`` most probable unfinished outputs of every source at every step.

    A finished output's score is log P / penalty(length, length_penalty) + coverage_penalty * coverage(attention): Wu et
    al. 2016 (arXiv:1609.08144), equation (14). A source is done when no unfinished output can still beat its ``n_best``
    finished ones, or after ``max_length`` tokens. Returns a list of hypotheses, best first, per source.
    """
    check("beam", max_length=max_length, beam_size=beam_size, n_best=n_best)
    if not (length_penalty >= 0 and coverage_penalty >= 0) or n_best > beam_size:
        raise ValueError("beam: length_penalty and coverage_penalty must be at least 0 and n_best at most beam_size, "
                         f"not {length_penalty}, {coverage_penalty} and {n_best} of {beam_size}")
    masks = memory.mask.array if coverage_penalty and memory.mask is not None else [None] * batch
    sources = [Source(eos, max_length, beam_size, length_penalty, n_best, coverage_penalty, mask) for mask in masks]
    tokens = [bos] * batch
    while tokens:
        logits, state, weights = step(tensor(tokens), state, memory)
        log_probs, looked = logits.log_softmax(-1).array, None if weights is None else weights.array
        if np.isnan(log_probs).any():
            raise ValueError("beam: the model's scores are NaN")
        if coverage_penalty and looked is None:
            raise ValueError("beam: coverage_penalty needs a model with attention")
        rows, row = [], 0
        for source in sources:
            n = len(source.live)
            if n == 0:
                continue
            attended = None if looked is None else looked[row:row + n]
            rows += [row + i for i in source.extend(log_probs[row:row + n], attended)]
            row += n
        tokens = [beam.tokens[-1] for source in sources for beam in source.live]
        if tokens:
            chosen = tensor(rows)
            state, memory = tuple(part.index_select(1, chosen) for part in state), memory.select(chosen)
    return [source.best() for source in sources]


class Source:
    """The search for one source: its live beams, which are rows of the batch, and its finished outputs."""

    def __init__(self, eos, max_length, beam_size, length_penalty, n_best, coverage_penalty, mask):
        self.eos, self.max_length, self.beam_size = eos, max_length, beam_size
        self.length_penalty, self.n_best = length_penalty, n_best
        self.ending = eos, length_penalty, coverage_penalty, mask
        self.live = [Beam([], 0.0, [])]
        self.finished = []
        self.cut_off = []

    def extend(self, log_probs, weights):
        """Takes every live beam one token further. Returns which of the old beams each new one extends."""
        kept = []
        for rank, (i, token, gain) in enumerate(best_extensions(self.live, log_probs, 2 * self.beam_size)):
            beam = self.live[i].extend(token, gain, None if weights is None else weights[i])
            if token != self.eos and len(kept) < self.beam_size:
                kept.append((i, beam))
            elif token == self.eos and rank < self.beam_size:
                self.finished.append(beam.finish(*self.ending))
        if kept and len(kept[0][1].tokens) == self.max_length:
            self.cut_off = [beam.finish(*self.ending) for _, beam in kept]
            kept = []
        elif kept and self.is_done(kept[0][1]):
            kept = []
        self.live = [beam for _, beam in kept]
        return [i for i, _ in kept]

    def is_done(self, best_live):
        """Whether no live beam can still beat the n_best finished ones: log P only falls, the length penalty only grows
        until max_length, and coverage is at most 0."""
        if len(self.finished) < self.n_best:
            return False
        bound = best_live.log_prob / penalty(self.max_length, self.length_penalty)
        return sorted(h.score for h in self.finished)[-self.n_best] >= bound

    def best(self):
        """The n_best outputs, best first; where too few have ended, unfinished ones after them."""
        missing = max(self.n_best - len(self.finished), 0)
        ended, cut_off = (sorted(hypotheses, key=lambda h: -h.score) for hypotheses in (self.finished,
                                                                                        self.cut_off[:missing]))
        return (ended + cut_off)[:self.n_best]


def best_extensions(beams, log_probs, n):
    """The n most probable one-token extensions of the beams, best first, as (beam, token, log-probability)."""
    total = log_probs + np.array([[beam.log_prob] for beam in beams], log_probs.dtype)
    order = top(total.ravel(), n)
    V = log_probs.shape[1]
    return [(int(k) // V, int(k) % V, float(log_probs.flat[k])) for k in order]


def top(values, n):
    """The places of the n largest values, largest first, the earlier first among equals."""
    n = min(n, len(values))
    candidates = np.flatnonzero(values >= np.partition(values, -n)[-n])
    return candidates[np.argsort(-values[candidates], kind="stable")][:n]


class Search:
    """Gives a model with ``encode``, ``step``, ``bos`` and ``eos`` the searches ``greedy`` and ``beam``.

    They run the model as it is: call ``eval()`` first, or its dropout is at work.
    """

    @no_grad()
    def greedy(self, source, source_lengths=None, max_length=100):
        """The best token at every step. Returns one :class:`Hypothesis` for each source."""
        state, memory = self.encode(source, source_lengths)
        return greedy_search(self.step, state, memory, len(source), self.bos, self.eos, max_length)

    @no_grad()
    def beam(self, source, source_lengths=None, max_length=100, beam_size=5, length_penalty=0.0, n_best=1,
             coverage_penalty=0.0):
        """:func:`beam_search`. Returns, for each source, its ``n_best`` hypotheses, best first."""
        state, memory = self.encode(source, source_lengths)
        return beam_search(self.step, state, memory, len(source), self.bos, self.eos, max_length, beam_size,
                           length_penalty, n_best, coverage_penalty)


def check(name, **counts):
    for argument, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}: {argument} must be a positive integer, not {value!r}")
