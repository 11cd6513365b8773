"""Arguments that no program should pass. Each raises an error; the interpreter goes on."""
import gc
import os

import numpy as np
import pytest
import torch

import tinyrnn
from tinyrnn import nn
from tinyrnn.autograd import fused_loss, methods
from tinyrnn.nn.utils.rnn import PackedSequence, pad_packed_sequence

HUGE = 2 ** 63 - 1


@pytest.mark.parametrize("name", [name for name in methods.methods if name.endswith("_") and not name.startswith("_")])
def test_in_place_operations_refuse_none(name):
    with pytest.raises((TypeError, AttributeError)):
        methods.methods[name](None)


@pytest.mark.parametrize("counts", [[HUGE, HUGE, 8], [2 ** 62, 2 ** 62, 1]])
def test_repeats_whose_sum_wraps_round(counts):
    with pytest.raises(ValueError, match="repeat_interleave: too many"):
        tinyrnn.ones(3, 2).repeat_interleave(tinyrnn.tensor(counts), 0)


@pytest.mark.parametrize("sizes", [[HUGE, HUGE, 8], [2, 2], [7], [6, 0], [0, 6], [1, 2, 3], [-1, 7], []])
def test_packed_sequences_by_hand(sizes):
    packed = PackedSequence(tinyrnn.ones(6, 4), tinyrnn.tensor(sizes, dtype=tinyrnn.int64))
    with pytest.raises(ValueError, match="PackedSequence: batch_sizes"):
        pad_packed_sequence(packed)
    with pytest.raises(ValueError, match="PackedSequence: batch_sizes"):
        nn.GRU(4, 5)(packed)


@pytest.mark.parametrize("order", [[0, 0, 0], [5, 6, 7], [-1, 0, 1]])
def test_packed_sequences_with_no_permutation(order):
    with pytest.raises(ValueError, match="every row once"):
        PackedSequence(tinyrnn.ones(6, 4), tinyrnn.tensor([3, 2, 1]), tinyrnn.tensor(order))
    with pytest.raises(ValueError, match="unsorted_indices"):
        pad_packed_sequence(PackedSequence(tinyrnn.ones(6, 4), tinyrnn.tensor([3, 2, 1]), None, tinyrnn.tensor(order)))


@pytest.mark.parametrize("shape", [(-2, 3), (-5,), (2, -3)])
def test_only_minus_one_is_a_length_to_find_out(shape):
    for reshape in (tinyrnn.Tensor.reshape, tinyrnn.Tensor.view):
        with pytest.raises(ValueError, match="cannot become"):
            reshape(tinyrnn.ones(6), *shape)


@pytest.mark.parametrize("dtype", [tinyrnn.float32, tinyrnn.float64])
def test_floor_division_by_infinity(dtype):
    a = np.array([5.0, -5.0, 0.0, np.inf, np.nan], dtype)
    for b in (np.inf, -np.inf):
        ours = tinyrnn.from_numpy(a) // b
        np.testing.assert_array_equal(ours.numpy(), (torch.from_numpy(a) // b).numpy())


@pytest.mark.parametrize("chunks", [1, 2, 3, 7, HUGE])
def test_any_number_of_chunks(chunks):
    ours, theirs = tinyrnn.arange(7).chunk(chunks), torch.arange(7).chunk(min(chunks, 7))
    assert [part.tolist() for part in ours] == [part.tolist() for part in theirs]


def test_classes_as_large_as_can_be():
    with pytest.raises(ValueError, match="too large"):
        tinyrnn.bincount(tinyrnn.tensor([HUGE]))
    with pytest.raises((ValueError, OverflowError)):
        nn.functional.one_hot(tinyrnn.tensor([HUGE]))


@pytest.mark.parametrize("data", ["1.5", ["1"], b"1", None, [None], ..., [1, "2"], 1j, object(), np.array(["1"])])
@pytest.mark.parametrize("dtype", [None, tinyrnn.float32, tinyrnn.bool])
def test_numbers_are_not_read_from_other_things(data, dtype):
    with pytest.raises(TypeError, match="tensor: expected numbers"):
        tinyrnn.tensor(data, dtype=dtype)


def test_other_things_that_hold_numbers():
    for data in (range(3), memoryview(np.arange(3)), (0, np.int8(1), True + 1)):
        assert tinyrnn.tensor(data, dtype=tinyrnn.int64).tolist() == [0, 1, 2]


def test_a_list_that_contains_itself():
    data = []
    data.append(data)
    with pytest.raises(ValueError, match="contain themselves"):
        tinyrnn.tensor(data)


def test_random_needs_both_bounds():
    with pytest.raises(TypeError, match="random_: to=2"):
        tinyrnn.ones(3).random_(to=2)


@pytest.mark.parametrize("wrong", [None, [1, 2], np.zeros((2, 3, 4), np.float32)])
def test_recurrent_layers_want_tensors(wrong):
    for module in (nn.RNN(4, 5), nn.GRU(4, 5), nn.LSTM(4, 5), nn.GRUCell(4, 5), nn.LSTMCell(4, 5)):
        with pytest.raises(TypeError, match="must be a tensor"):
            module(wrong)
    state = tinyrnn.zeros(1, 3, 5)
    with pytest.raises(TypeError, match="LSTM: every part of the state must be a tensor"):
        nn.LSTM(4, 5)(tinyrnn.zeros(2, 3, 4), (state, wrong))


@pytest.mark.parametrize("wrong", [None, (), 3, tinyrnn.ones(3)])
def test_methods_are_not_for_other_objects(wrong):
    node = type((tinyrnn.ones(1, requires_grad=True) * 2).grad_fn)
    for method in (tinyrnn.Generator.random_, tinyrnn.Generator.get_state, node.name, node.operation):
        with pytest.raises(TypeError, match="descriptor|requires"):
            method(wrong)


def test_a_number_has_no_dimension_to_repeat_along():
    for dim in (0, -1):
        with pytest.raises(IndexError, match="repeat_interleave: dim"):
            tinyrnn.tensor(2.0).repeat_interleave(3, dim)


@pytest.mark.parametrize("shapes", [((5,), (1, 1)), ((2, 1, 5), (3, 1)), ((1,), (4,))])
def test_cosine_similarity_of_tensors_that_are_broadcast(shapes):
    a, b = (np.random.default_rng(i).normal(size=shape) for i, shape in enumerate(shapes))
    ours = nn.functional.cosine_similarity(tinyrnn.from_numpy(a), tinyrnn.from_numpy(b), dim=-1)
    theirs = torch.nn.functional.cosine_similarity(torch.from_numpy(a), torch.from_numpy(b), dim=-1)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-10)


def test_reductions_to_truth_values_and_over_no_named_dimension():
    for name in ("sum", "prod"):
        ours = getattr(tinyrnn.tensor([2.0, 3.0]), name)(dtype=tinyrnn.bool)
        assert ours.dtype == tinyrnn.bool and ours.item() is True
    assert tinyrnn.ones(2, 3).count_nonzero(()).item() == torch.ones(2, 3).count_nonzero(()).item() == 6


def test_whole_numbers_wrap_round_without_a_warning():
    assert (tinyrnn.tensor([-2 ** 63]) // tinyrnn.tensor([-1])).tolist() == [-2 ** 63]
    assert nn.functional.pad(tinyrnn.tensor([1]), (1, 0), value=float("inf")).tolist()[1] == 1


def test_numbers_too_large_for_float32_become_infinite_without_a_warning():
    x, large = tinyrnn.ones(3), tinyrnn.full((3,), 3e38)
    assert nn.utils.rnn.pad_sequence([x, x[:2]], padding_value=1e300)[2, 1].item() == float("inf")
    assert nn.functional.gaussian_nll_loss(x, x, 1e300).item() == float("inf")
    assert tinyrnn.bincount(tinyrnn.tensor([0, 0]), large[:2]).item() == float("inf")
    assert tinyrnn.multinomial(large, 2).shape == (2,)
    assert nn.functional.nll_loss(-tinyrnn.ones(2, 3), tinyrnn.tensor([0, 1]), large).isnan().item()
    table = tinyrnn.ones(2, 3)
    nn.functional.embedding(tinyrnn.tensor([0]), table, max_norm=1e-300)
    assert table.tolist() == [[0, 0, 0], [1, 1, 1]]
    tinyrnn.linspace(3, float("inf"), 3)


def test_padding_beyond_all_memory():
    for n in (2 ** 62, 2 ** 63 - 1):
        with pytest.raises((ValueError, MemoryError), match="dimension|array|allocate"):
            nn.functional.pad(tinyrnn.ones(2), (n, n))


def test_what_stands_beside_a_tensor():
    x, n = tinyrnn.tensor([1.0, 2.0]), tinyrnn.tensor([1, 2])
    assert (x + [1, 2]).tolist() == [2, 4] and (n + np.array([1, 2])).tolist() == [2, 4]
    assert (n * [0.5, 1]).tolist() == [0.5, 2] and ([1, 2] - n).tolist() == [0, 0] and (n == [1, 3]).tolist() == [1, 0]
    assert (tinyrnn.tensor([True, False]) & np.array([True, True])).tolist() == [True, False]
    for other in ["3"], np.array([1 + 5j]), [None], np.array(["2020-01-01"], "M8[D]"):
        for t in x, n:
            with pytest.raises(TypeError, match="add: expected numbers"):
                t + other
    assert (x + [1.0, 0.5]).dtype == np.float32 and (x == [1.0, 2.5]).tolist() == [1, 0]
    assert (n + [0.5, 1.5]).dtype == np.float32 and (n + np.array([1, 2], np.int32)).dtype == np.int64
    assert not x == {} and x != object() and not x == "1"
    for other in None, "a", {}:
        with pytest.raises(TypeError, match="in: expected a tensor or a number"):
            other in x  # noqa: B015
    assert 2 in x and 3 not in n


@pytest.mark.parametrize("call", [
    lambda x: x.any((0, 0)), lambda x: x.count_nonzero((0, 0)), lambda x: tinyrnn.tensor(3).unique(dim=0),
    lambda x: x.masked_scatter_(tinyrnn.ones(5).bool(), x), lambda x: tinyrnn.normal(x, tinyrnn.ones(3))])
def test_shapes_that_numpy_would_complain_of(call):
    with pytest.raises(tinyrnn.ShapeError, match="any|count_nonzero|unique|masked_scatter|normal"):
        call(tinyrnn.ones(2))


def test_a_power_has_no_modulus():
    for call in (lambda: pow(tinyrnn.tensor([2]), 3, 5), lambda: pow(2, tinyrnn.tensor([3]), 5)):
        with pytest.raises(TypeError, match="pow"):
            call()


def test_the_fused_cross_entropy_knows_its_reductions():
    with pytest.raises(ValueError, match="not 'men'"):
        fused_loss.cross_entropy(tinyrnn.ones(2, 3), tinyrnn.tensor([0, 1]), reduction="men")


@pytest.mark.parametrize("target", [[[2, 5, 3]], [[2], [2]], [[], []], [2, 5]])
def test_seq2seq_wants_a_target_for_every_source(target):
    model = nn.Seq2Seq.build(source_size=9, target_size=9, embedding_dim=3, hidden_size=4, cell="gru")
    with pytest.raises(ValueError, match="Seq2Seq: expected a target"):
        model.loss(tinyrnn.full((2, 4), 5), tinyrnn.tensor(target, dtype=tinyrnn.int64))
    with pytest.raises(ValueError, match="length_penalty"):
        model.beam(tinyrnn.full((2, 4), 5), length_penalty=float("nan"))


def test_embedding_with_the_norm_zero():
    ours = nn.functional.embedding(tinyrnn.tensor([1]), tinyrnn.ones(3, 4), max_norm=2.0, norm_type=0)
    theirs = torch.nn.functional.embedding(torch.tensor([1]), torch.ones(3, 4), max_norm=2.0, norm_type=0)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)


def test_adam_has_two_betas():
    with pytest.raises(ValueError, match="two betas"):
        tinyrnn.optim.Adam([tinyrnn.ones(1)], betas=(0.9,))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(OSError, match=name):
            tinyrnn.save({}, tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["folder", "pipe"]


def test_writing_through_a_view_leaves_no_cycle():
    x = tinyrnn.ones(5, requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            y = x * 2
            y[1:] = 0
            y.view(-1)[3] = 1
            y.sum().backward()
        del y
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_the_engines_own_doors_refuse_none():
    from tinyrnn.autograd import engine

    x = tinyrnn.zeros(2)
    with pytest.raises(TypeError, match="before"):
        engine.before(None)
    for arguments in ((None, x, x), (x, None, x), (x, x, None)):
        with pytest.raises(TypeError, match="overwrite"):
            engine.overwrite(*arguments)
