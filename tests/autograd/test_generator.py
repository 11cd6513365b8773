"""The numbers of tinyrnn.autograd.generator against PyTorch's, drawn live from the same seeds."""
import copy
import pickle
import threading

import numpy as np
import pytest
import torch

from tinyrnn.autograd import generator as tg
from tinyrnn.autograd.generator import Generator

SIZES = [0, 1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 100, 129, 1000]
SEEDS = [0, 1, 2, 42, 12345, 2**31, 2**32 - 1, 2**32 + 7, 2**63 + 5, 2**64 - 1, -1, -2, -2**63]
TYPES = [(np.float32, torch.float32), (np.float64, torch.float64)]
both_types = pytest.mark.parametrize(("dtype", "torch_dtype"), TYPES, ids=["float32", "float64"])


def pair(seed):
    return Generator().manual_seed(seed), torch.Generator().manual_seed(seed)


def assert_in_step(ours, theirs):
    """Both generators have drawn the same number of words: their next numbers agree."""
    assert ours.randint(0, 2**20, 3).tolist() == torch.randint(0, 2**20, (3,), generator=theirs).tolist()


def assert_same_bits(ours, theirs):
    theirs = theirs.numpy()
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(ours, theirs)


# ---- seeds ----

@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_starts_pytorchs_stream(seed):
    ours, theirs = pair(seed)
    assert ours.initial_seed() == theirs.initial_seed()
    assert_same_bits(ours.uniform(1000), torch.rand(1000, generator=theirs))


def test_new_generator_has_pytorchs_default_seed():
    ours, theirs = Generator(), torch.Generator()
    assert ours.initial_seed() == theirs.initial_seed()
    assert ours.device == "cpu" == str(theirs.device)
    assert_in_step(ours, theirs)


def test_manual_seed_forgets_the_waiting_normal():
    ours, theirs = pair(3)
    ours.normal(3), torch.randn(3, generator=theirs)
    ours.manual_seed(3), theirs.manual_seed(3)
    assert_same_bits(ours.normal(3), torch.randn(3, generator=theirs))


def test_manual_seed_takes_numpy_integers():
    assert Generator().manual_seed(np.int64(5)).initial_seed() == 5


@pytest.mark.parametrize("seed", [1.5, "a", None, True])
def test_manual_seed_wants_an_int(seed):
    with pytest.raises(RuntimeError, match=f"manual_seed expected a long, but got {type(seed).__name__}"):
        Generator().manual_seed(seed)
    with pytest.raises(RuntimeError, match=f"manual_seed expected a long, but got {type(seed).__name__}"):
        torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", [2**64, -2**63 - 1])
def test_manual_seed_wants_64_bits(seed):
    with pytest.raises(ValueError, match="outside"):
        Generator().manual_seed(seed)


def test_seed_differs_each_time_and_is_returned():
    g = Generator()
    seeds = {g.seed() for _ in range(5)}
    assert len(seeds) == 5
    assert all(0 <= s < 2**53 for s in seeds)
    assert g.initial_seed() in seeds


def test_only_cpu():
    assert Generator("cpu").device == "cpu"
    with pytest.raises(RuntimeError, match="cuda"):
        Generator("cuda")


# ---- real numbers ----

@both_types
@pytest.mark.parametrize("n", SIZES)
def test_uniform(n, dtype, torch_dtype):
    for seed, (low, high) in enumerate([(0, 1), (-0.3, 0.7), (1.1, 1.3), (-1e-3, 1e3), (2, 2), (-3e38, 0)]):
        ours, theirs = pair(seed)
        want = torch.empty(n, dtype=torch_dtype).uniform_(low, high, generator=theirs)
        assert_same_bits(ours.uniform(n, dtype, low, high), want)
        assert_in_step(ours, theirs)


@both_types
def test_uniform_never_reaches_high(dtype, torch_dtype):
    # two neighbouring numbers: half of the draws round up to `high`
    low, high = 1.0, float(np.nextafter(dtype(1), dtype(2)))
    ours, theirs = pair(0)
    assert_same_bits(ours.uniform(100, dtype, low, high),
                     torch.empty(100, dtype=torch_dtype).uniform_(low, high, generator=theirs))


@both_types
@pytest.mark.parametrize("n", SIZES)
def test_normal(n, dtype, torch_dtype):
    for seed, (mean, std) in enumerate([(0, 1), (0.3, 1.7), (-5, 0.01), (1, 0)]):
        ours, theirs = pair(seed)
        want = torch.empty(n, dtype=torch_dtype).normal_(mean, std, generator=theirs).numpy()
        got = ours.normal(n, dtype, mean, std)
        assert got.dtype == want.dtype
        rounding = (1e-6 if dtype is np.float32 else 1e-14) * max(std, abs(mean))
        np.testing.assert_allclose(got, want, rtol=0, atol=rounding)
        assert_in_step(ours, theirs)


@both_types
@pytest.mark.parametrize("n", SIZES)
def test_exponential(n, dtype, torch_dtype):
    for seed, rate in enumerate([1, 0.3, 7.5, float("inf")]):
        ours, theirs = pair(seed)
        want = torch.empty(n, dtype=torch_dtype).exponential_(rate, generator=theirs).numpy()
        np.testing.assert_allclose(ours.exponential(n, dtype, rate), want, rtol=1e-6 if dtype is np.float32 else 1e-14)
        assert_in_step(ours, theirs)


@both_types
@pytest.mark.parametrize("n", SIZES)
def test_bernoulli_of_a_number(n, dtype, torch_dtype):
    for seed, p in enumerate([0, 0.3, 0.5, 1]):
        ours, theirs = pair(seed)
        want = torch.empty(n, dtype=torch_dtype).bernoulli_(p, generator=theirs)
        assert_same_bits(ours.bernoulli(p, n, dtype), want)
        assert_in_step(ours, theirs)


@both_types
@pytest.mark.parametrize("n", SIZES)
def test_bernoulli_of_an_array(n, dtype, torch_dtype):
    p = np.linspace(0, 1, n).astype(dtype)
    ours, theirs = pair(n)
    assert_same_bits(ours.bernoulli(p), torch.bernoulli(torch.from_numpy(p), generator=theirs))
    assert_in_step(ours, theirs)


@both_types
def test_bernoulli_is_the_mask_of_dropout(dtype, torch_dtype):
    torch.manual_seed(4)
    want = torch.nn.functional.dropout(torch.ones(5, 40, dtype=torch_dtype), 0.3) != 0
    np.testing.assert_array_equal(Generator().manual_seed(4).bernoulli(1 - 0.3, (5, 40), dtype) != 0, want.numpy())


def test_shapes():
    ours, theirs = pair(0)
    for shape in [(), (2, 3), (0, 4), (2, 1, 17)]:
        assert_same_bits(ours.uniform(shape), torch.rand(shape, generator=theirs))
        assert ours.normal(shape).shape == torch.randn(shape, generator=theirs).shape
        assert_same_bits(ours.randint(0, 9, shape), torch.randint(0, 9, shape, generator=theirs))
    assert ours.uniform(np.int64(3)).shape == (3,)


# ---- integers ----

@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 10), (-7, 8), (0, 2**28 - 1), (0, 2**28), (5, 2**32 + 5),
                                           (-2**62, 2**62 + 3), (-2**63, 2**63 - 1)])
def test_randint(n, low, high):
    ours, theirs = pair(n + 1)
    assert_same_bits(ours.randint(low, high, n), torch.randint(low, high, (n,), generator=theirs))
    assert_in_step(ours, theirs)


def test_random_():
    ours, theirs = pair(9)
    assert_same_bits(ours.random_(), torch.empty((), dtype=torch.int64).random_(generator=theirs))
    assert_same_bits(ours.random_((3, 5)), torch.empty((3, 5), dtype=torch.int64).random_(generator=theirs))


@pytest.mark.parametrize("n", [*SIZES, 623, 624, 625, 100_000])
def test_randperm(n):
    ours, theirs = pair(n)
    assert_same_bits(ours.randperm(n), torch.randperm(n, generator=theirs))
    assert_in_step(ours, theirs)


@both_types
@pytest.mark.parametrize(("shape", "samples", "replacement"), [
    ((1,), 1, False), ((7,), 1, True), ((7,), 7, False), ((33,), 5, False), ((33,), 100, True), ((1,), 3, True),
    ((3, 7), 1, False), ((3, 7), 4, False), ((3, 7), 20, True), ((0, 4), 2, False), ((0, 4), 2, True)])
def test_multinomial(shape, samples, replacement, dtype, torch_dtype):
    for seed in range(5):
        ours, theirs = pair(seed)
        weights = ours.uniform(shape, dtype, 0.1, 3.0)
        torch.rand(shape, dtype=torch_dtype, generator=theirs)
        want = torch.multinomial(torch.from_numpy(weights), samples, replacement, generator=theirs)
        assert_same_bits(ours.multinomial(weights, samples, replacement), want)
        assert_in_step(ours, theirs)


def test_multinomial_follows_the_weights():
    weights = np.array([0.0, 1.0, 3.0, 0.0, 4.0])
    draws = Generator().manual_seed(0).multinomial(weights, 20_000, True)
    np.testing.assert_allclose(np.bincount(draws, minlength=5) / 20_000, weights / 8, atol=0.015)
    first = Generator().manual_seed(0).multinomial(np.tile(weights, (20_000, 1)), 2)
    np.testing.assert_allclose(np.bincount(first[:, 0], minlength=5) / 20_000, weights / 8, atol=0.015)
    assert (first[:, 0] != first[:, 1]).all()


# ---- streams ----

def draw_both(kind, n, ours, theirs):
    """One draw of a kind from both generators, as NumPy arrays."""
    real = {"rand": np.float32, "rand64": np.float64, "randn": np.float32, "randn64": np.float64}
    if kind in real:
        ours_of, theirs_of = (ours.normal, torch.randn) if "randn" in kind else (ours.uniform, torch.rand)
        torch_dtype = torch.float64 if kind.endswith("64") else torch.float32
        return ours_of(n, real[kind]), theirs_of(n, dtype=torch_dtype, generator=theirs).numpy()
    if kind == "randint":
        return ours.randint(-3, 50, n), torch.randint(-3, 50, (n,), generator=theirs).numpy()
    if kind == "randperm":
        return ours.randperm(n), torch.randperm(n, generator=theirs).numpy()
    return ours.bernoulli(0.4, n), torch.empty(n).bernoulli_(0.4, generator=theirs).numpy()


@pytest.mark.parametrize("seed", range(8))
def test_mixed_calls_stay_in_step(seed):
    plan = np.random.default_rng(seed)
    ours, theirs = pair(seed)
    for _ in range(60):
        kind = plan.choice(["rand", "rand64", "randn", "randn64", "randint", "randperm", "bernoulli"])
        got, want = draw_both(kind, int(plan.choice(SIZES)), ours, theirs)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-6 if kind == "randn" else 1e-14)


def test_generators_are_independent():
    a, b = Generator().manual_seed(1), Generator().manual_seed(2)
    alone_a, alone_b = a.normal(7), b.normal(7)
    a.manual_seed(1), b.manual_seed(2)
    parts = [(a.normal(n), b.normal(n)) for n in (1, 3, 3)]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in parts]), alone_a)
    np.testing.assert_array_equal(np.concatenate([y for _, y in parts]), alone_b)


def test_threads_share_a_generator():
    g, parts = Generator().manual_seed(0), []
    threads = [threading.Thread(target=lambda: parts.append(g.random_(5000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = Generator().manual_seed(0).random_((4, 5000))
    assert sorted(part.tolist() for part in parts) == sorted(alone.tolist())


# ---- state ----

@pytest.mark.parametrize("drawn", [0, 1, 2, 3, 7, 100, 623, 624, 625])
def test_state_round_trip(drawn):
    g = Generator().manual_seed(drawn)
    g.uniform(drawn)
    g.normal(drawn % 5)
    state = g.get_state()
    assert (state["next_normal"] is None) == (drawn % 5 % 2 == 0)
    others = Generator(), pickle.loads(pickle.dumps(g)), copy.deepcopy(g)
    others[0].set_state(state)
    want = [g.normal(3), g.uniform(1000), g.normal(20)]
    for other in others:
        assert other.initial_seed() == drawn
        for got, expected in zip([other.normal(3), other.uniform(1000), other.normal(20)], want, strict=True):
            np.testing.assert_array_equal(got, expected)


def test_state_is_a_copy():
    g = Generator().manual_seed(0)
    state = g.get_state()
    first = g.uniform(5)
    g.set_state(state)
    state["key"][:] = 0
    np.testing.assert_array_equal(g.uniform(5), first)


def test_state_is_numpys():
    g = Generator().manual_seed(11)
    g.uniform(70)
    state, twin = g.get_state(), np.random.MT19937()
    twin.state = {"bit_generator": "MT19937", "state": {"key": state["key"], "pos": state["position"]}}
    np.testing.assert_array_equal(g.randint(0, 2**20, 700), twin.random_raw(700) % 2**20)


def test_bad_states_change_nothing():
    g = Generator().manual_seed(0)
    good = g.get_state()
    for bad in (3, {}, {**good, "more": 1}):
        with pytest.raises(TypeError, match="set_state expects the dict"):
            g.set_state(bad)
    for change in ({"position": 625}, {"position": -1}, {"key": good["key"][1:]}, {"key": good["key"].astype(int)},
                   {"seed": -1}, {"next_normal": "x"}):
        with pytest.raises((ValueError, OverflowError)):
            g.set_state({**good, **change})
    np.testing.assert_array_equal(g.normal(99), Generator().manual_seed(0).normal(99))


# ---- the default generator ----

def test_default_generator():
    assert tg.manual_seed(7) is tg.default_generator
    torch.manual_seed(7)
    assert tg.initial_seed() == torch.initial_seed() == 7
    state = tg.get_rng_state()
    first = tg.default_generator.uniform(9)
    assert_same_bits(first, torch.rand(9))
    tg.set_rng_state(state)
    np.testing.assert_array_equal(tg.default_generator.uniform(9), first)


@pytest.mark.parametrize(("inputs", "hidden"), [(3, 4), (5, 7), (10, 33)])
def test_initial_weights_of_a_gru(inputs, hidden):
    torch.manual_seed(0)
    weights = torch.nn.GRU(inputs, hidden).state_dict()
    tg.manual_seed(0)
    k = 1 / hidden**0.5
    for weight in weights.values():
        assert_same_bits(tg.default_generator.uniform(tuple(weight.shape), np.float32, -k, k), weight)


@pytest.mark.skipif(not torch.backends.cpu.get_cpu_capability().startswith("AVX"), reason="PyTorch's other sine")
def test_initial_weights_of_an_embedding():
    torch.manual_seed(0)
    assert_same_bits(Generator().manual_seed(0).normal((999, 33)), torch.nn.Embedding(999, 33).weight.detach())


# ---- errors ----

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(("ours", "theirs", "message"), [
    (lambda g: g.uniform(-1), lambda: torch.rand(-1), "Trying to create tensor with negative dimension -1"),
    (lambda g: g.normal((2, -3)), lambda: torch.randn(2, -3), "Trying to create tensor with negative dimension -3"),
    (lambda g: g.randperm(-1), lambda: torch.randperm(-1), "Trying to create tensor with negative dimension -1"),
    (lambda g: g.uniform(3, np.float32, 1, 0), lambda: torch.empty(3).uniform_(1, 0), "range, but found from=1"),
    (lambda g: g.uniform(3, np.float32, NAN, 0), lambda: torch.empty(3).uniform_(NAN, 0), "from is out of bounds"),
    (lambda g: g.uniform(3, np.float32, 0, 1e39), lambda: torch.empty(3).uniform_(0, 1e39), "to is out of bounds"),
    (lambda g: g.uniform(3, np.float32, -3e38, 3e38), lambda: torch.empty(3).uniform_(-3e38, 3e38), "uniform_ expects"),
    (lambda g: g.normal(0, np.float32, 0, -1), lambda: torch.empty(0).normal_(0, -1), "normal expects std >= 0.0"),
    (lambda g: g.normal(3, np.float32, 0, NAN), lambda: torch.empty(3).normal_(0, NAN), "normal expects std >= 0.0"),
    (lambda g: g.exponential(3, np.float32, 0), lambda: torch.empty(3).exponential_(0), "expects lambda > 0.0"),
    (lambda g: g.exponential(3, np.float32, NAN), lambda: torch.empty(3).exponential_(NAN), "expects lambda > 0.0"),
    (lambda g: g.bernoulli(1.5, 3), lambda: torch.empty(3).bernoulli_(1.5), "expects p to be in"),
    (lambda g: g.bernoulli(NAN, 3), lambda: torch.empty(3).bernoulli_(NAN), "expects p to be in"),
    (lambda g: g.bernoulli(np.array([2.0])), lambda: torch.bernoulli(torch.tensor([2.0])), "p"),
    (lambda g: g.bernoulli(np.array([NAN])), lambda: torch.bernoulli(torch.tensor([NAN])), "p"),
    (lambda g: g.randint(5, 5, 2), lambda: torch.randint(5, 5, (2,)), "random_ expects 'from' to be less than 'to'"),
    (lambda g: g.multinomial(np.array([-1.0, 2]), 1), lambda: torch.multinomial(torch.tensor([-1.0, 2]), 1),
     "probability tensor contains either `inf`, `nan` or element < 0"),
    (lambda g: g.multinomial(np.array([INF, 2]), 1), lambda: torch.multinomial(torch.tensor([INF, 2]), 1),
     "probability tensor contains either `inf`, `nan` or element < 0"),
    (lambda g: g.multinomial(np.zeros(2), 1), lambda: torch.multinomial(torch.zeros(2), 1), "probabilities <= 0"),
    (lambda g: g.multinomial(np.ones(2), 3), lambda: torch.multinomial(torch.ones(2), 3), "cannot sample n_sample >"),
    (lambda g: g.multinomial(np.ones(2), 0), lambda: torch.multinomial(torch.ones(2), 0), "n_sample <= 0"),
    (lambda g: g.multinomial(np.ones(()), 1), lambda: torch.multinomial(torch.ones(()), 1), "must be 1 or 2 dim"),
    (lambda g: g.multinomial(np.ones(2, int), 1), lambda: torch.multinomial(torch.ones(2, dtype=int), 1),
     "only supports floating-point dtypes"),
])
def test_errors_are_pytorchs(ours, theirs, message):
    g = Generator().manual_seed(0)
    with pytest.raises(RuntimeError, match=message):
        ours(g)
    with pytest.raises(RuntimeError, match=message):
        theirs()
    np.testing.assert_array_equal(g.uniform(9), Generator().manual_seed(0).uniform(9), "an error must not draw")


def test_wrong_types():
    g = Generator()
    for call in (g.uniform, g.normal, g.exponential):
        with pytest.raises(NotImplementedError, match="not implemented for int64"):
            call(3, np.int64)
    with pytest.raises(NotImplementedError, match="not implemented for int64"):
        g.bernoulli(np.array([0, 1]))
    for call in (lambda: g.randint(0, 1.5, 2), lambda: g.randperm(2.5), lambda: g.uniform(2.5)):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError, match="int64"):
        g.randint(0, 2**63, 2)


@both_types
def test_normal_of_nan_and_infinite_mean(dtype, torch_dtype):
    for n in (3, 17):
        assert np.isnan(Generator().normal(n, dtype, NAN)).all()
        assert (Generator().normal(n, dtype, INF) == INF).all()
