"""Beam search against trying everything, on a model small enough for that."""

import itertools

import numpy as np
import pytest

import tinyrnn
from tinyrnn.nn.decoding import beam_search, coverage, greedy_search, penalty

BOS, EOS, V = 0, 1, 4


class Table:
    """A model whose next-token scores depend on the source and on the last two tokens, and on nothing else."""

    def __init__(self, seed):
        self.scores = np.random.default_rng(seed).standard_normal((2, V, V, V)) * 2

    def start(self, sources):
        return (tinyrnn.tensor(np.zeros((1, len(sources)), np.int64)),), Memory(np.array(sources))

    def step(self, token, state, memory):
        logits = self.scores[memory.sources, state[0].array[0], token.array]
        weights = tinyrnn.tensor(np.eye(3)[token.array % 3])
        return tinyrnn.tensor(logits), (token.unsqueeze(0),), weights

    def log_prob(self, source, tokens):
        total, before, last = 0.0, 0, BOS
        for token in tokens:
            row = self.scores[source, before, last]
            total += row[token] - np.log(np.exp(row).sum())
            before, last = last, token
        return total


class Memory:
    mask = None

    def __init__(self, sources):
        self.sources = sources

    def select(self, rows):
        return Memory(self.sources[rows.array])


def everything(model, source, max_length, alpha, beta=0.0):
    """All outputs that end in eos within max_length, best first."""
    found = []
    for n in range(max_length):
        for words in itertools.product([t for t in range(V) if t != EOS], repeat=n):
            score = model.log_prob(source, [*words, EOS]) / penalty(n + 1, alpha)
            if beta:
                looked = np.eye(3)[np.array([BOS, *words]) % 3].sum(0)
                score += beta * np.log(np.clip(looked, np.finfo(float).tiny, 1)).sum()
            found.append((score, list(words)))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_a_wide_beam_finds_the_best(seed, alpha):
    model = Table(seed)
    state, memory = model.start([0, 1])
    results = beam_search(model.step, state, memory, 2, BOS, EOS, 5, beam_size=300, length_penalty=alpha, n_best=4)
    for source, outputs in enumerate(results):
        expected = everything(model, source, 5, alpha)[:4]
        assert [h.tokens for h in outputs] == [words for _, words in expected]
        np.testing.assert_allclose([h.score for h in outputs], [score for score, _ in expected], rtol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_scores_and_attention_belong_to_the_tokens(seed):
    model = Table(seed)
    state, memory = model.start([1, 0, 1])
    found = beam_search(model.step, state, memory, 3, BOS, EOS, 6, 3, 0.5, 3)
    for source, outputs in zip([1, 0, 1], found, strict=True):
        for h in outputs:
            for end in ([EOS], []):            # an output that was cut off has no eos
                words = h.tokens + end
                if np.isclose(h.score, model.log_prob(source, words) / penalty(len(words), 0.5)):
                    break
            else:
                pytest.fail(f"{h} has not the score of its tokens")
            before = [BOS, *h.tokens][:len(h.tokens)]
            np.testing.assert_array_equal(h.attention, np.eye(3)[np.array(before, int) % 3].reshape(len(before), 3))


@pytest.mark.parametrize("seed", range(5))
def test_greedy_takes_the_best_token(seed):
    model = Table(seed)
    state, memory = model.start([0])
    written, before, last = [], 0, BOS
    for _ in range(6):
        token = int(model.scores[0, before, last].argmax())
        if token == EOS:
            break
        written.append(token)
        before, last = last, token
    assert greedy_search(model.step, state, memory, 1, BOS, EOS, 6)[0].tokens == written


def test_ties_go_to_the_smaller_token():
    def step(token, state, memory):
        return tinyrnn.zeros(len(token), V), state, None
    for _ in range(2):
        one, = beam_search(step, (), Memory(np.zeros(1, int)), 1, BOS, EOS, 3, beam_size=2)
        assert one[0].tokens == []


def test_nan_is_not_hidden():
    def step(token, state, memory):
        return tinyrnn.full((len(token), V), float("nan")), state, None
    with pytest.raises(ValueError, match="NaN"):
        greedy_search(step, (), Memory(np.zeros(1, int)), 1, BOS, EOS, 3)


def test_what_has_not_ended_comes_last():
    """[1, 1] is more probable than [], but it has not ended: asking for more does not make it the best."""
    scores = np.array([0.0, 1.0, -9.0, -2.0])

    def step(token, state, memory):
        return tinyrnn.tensor(np.tile(scores, (len(token), 1))), state, None
    for n_best in (1, 2, 4):
        best, = beam_search(step, (tinyrnn.zeros(1, 1),), Memory(np.zeros(1, int)), 1, 0, 3, 2, beam_size=4,
                            n_best=n_best)
        assert len(best) == n_best and best[0].tokens == []
        ended = [len(h.tokens) < 2 for h in best]
        assert ended == sorted(ended, reverse=True)


def test_no_sources():
    assert beam_search(lambda *a: pytest.fail("called"), (), None, 0, BOS, EOS, 3) == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("alpha, beta", [(0.0, 0.001), (0.6, 0.01), (1.0, 5.0)])
def test_a_wide_beam_finds_the_best_coverage(seed, alpha, beta):
    """Whoever finishes early without having looked everywhere does not end the search."""
    model = Table(seed)
    state, memory = model.start([0, 1])
    results = beam_search(model.step, state, memory, 2, BOS, EOS, 5, 300, alpha, 4, coverage_penalty=beta)
    for source, outputs in enumerate(results):
        expected = everything(model, source, 5, alpha, beta)[:4]
        np.testing.assert_allclose([h.score for h in outputs], [score for score, _ in expected], rtol=1e-10)


def test_coverage_is_equation_14():
    attention = np.array([[0.5, 0.3, 0.2, 0.0], [0.7, 0.1, 0.2, 0.0]])
    np.testing.assert_allclose(coverage(attention, np.array([True, True, True, False])), np.log(0.4) + np.log(0.4))
    assert coverage(np.full((2, 1), 0.75)) == 0.0
    assert np.isfinite(coverage(attention))


def test_coverage_needs_attention():
    def step(token, state, memory):
        return tinyrnn.zeros(len(token), V), state, None
    with pytest.raises(ValueError, match="coverage_penalty needs a model with attention"):
        beam_search(step, (), Memory(np.zeros(1, int)), 1, BOS, EOS, 3, coverage_penalty=0.1)
    with pytest.raises(ValueError, match="coverage_penalty"):
        beam_search(step, (), Memory(np.zeros(1, int)), 1, BOS, EOS, 3, coverage_penalty=-0.1)
