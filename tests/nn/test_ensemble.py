"""An ensemble writes what the mean of its models' probabilities says."""
import numpy as np
import pytest

import tinyrnn
from tinyrnn.nn import Ensemble, Seq2Seq

V, E, H = 11, 6, 5
SOURCE = tinyrnn.tensor([[4, 5, 6, 7], [8, 9, 0, 0]])
LENGTHS = [4, 2]


def build(seed, **options):
    tinyrnn.manual_seed(seed)
    model = Seq2Seq.build(V, V, E, H, **options).to(tinyrnn.float64).eval()
    for parameter in model.parameters():        # far from uniform, so that models disagree
        parameter.data.mul_(3)
    return model


def test_one_model_or_the_same_model_twice_is_that_model():
    model = build(0)
    expected = model.beam(SOURCE, LENGTHS, 8, beam_size=3, n_best=2, length_penalty=0.5, coverage_penalty=0.1)
    for models in [model], [model, model]:
        found = Ensemble(models).beam(SOURCE, LENGTHS, 8, beam_size=3, n_best=2, length_penalty=0.5,
                                      coverage_penalty=0.1)
        for ours, theirs in zip(sum(found, []), sum(expected, []), strict=True):
            assert ours.tokens == theirs.tokens
            np.testing.assert_allclose(ours.score, theirs.score, rtol=1e-10)
            np.testing.assert_allclose(ours.attention, theirs.attention, rtol=1e-10)


@pytest.mark.parametrize("others", [
    [{}], [{"cell": "lstm"}, {"num_layers": 2}], [{"attention": False, "bidirectional": False}],
])
def test_greedy_takes_the_best_mean(others):
    """Against the mean of the probabilities of each model alone, which has read what the ensemble wrote."""
    models = [build(1), *(build(i, **options) for i, options in enumerate(others, 2))]
    for b, one in enumerate(Ensemble(models).greedy(SOURCE, LENGTHS, max_length=6)):
        written = tinyrnn.tensor([[2, *one.tokens]])
        length = LENGTHS[b]
        with tinyrnn.no_grad():
            probabilities = np.mean([model(SOURCE[b:b + 1, :length], written).softmax(-1).numpy()[0]
                                     for model in models], 0)
        best = probabilities.argmax(-1).tolist()
        assert best[:len(one.tokens)] == one.tokens and (len(one.tokens) == 6 or best[len(one.tokens)] == 3)
        counted = probabilities.max(-1)[:min(len(one.tokens) + 1, 6)]
        np.testing.assert_allclose(one.score, np.log(counted).sum(), rtol=1e-9)
        np.testing.assert_allclose(one.attention.sum(1), 1, rtol=1e-9)


def test_models_that_do_not_fit():
    with pytest.raises(ValueError, match="at least one model"):
        Ensemble([])
    with pytest.raises(ValueError, match="same bos and eos"):
        Ensemble([build(0), build(1, bos=1)])
    larger = Seq2Seq.build(V, V + 1, E, H).to(tinyrnn.float64).eval()
    with pytest.raises(tinyrnn.ShapeError, match=r"\[11, 12\] tokens"):
        Ensemble([build(0), larger]).greedy(SOURCE, LENGTHS)
