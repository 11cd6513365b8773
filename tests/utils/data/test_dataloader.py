"""The loader: PyTorch's batches in PyTorch's order from the same seed."""
import numpy as np
import pytest
import torch
import torch.utils.data as theirs

import tinyrnn.autograd.methods  # noqa: F401  (activates the methods of Tensor)
import tinyrnn.utils.data as ours
from tinyrnn.autograd.creation import tensor
from tinyrnn.autograd.generator import Generator, default_generator, manual_seed


class Stream:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


class OurStream(Stream, ours.IterableDataset):
    pass


class TheirStream(Stream, theirs.IterableDataset):
    pass


class Whole:
    """Items by the batch."""

    def __len__(self):
        return 10

    def __getitems__(self, indices):
        return [100 * i for i in indices]


def seed_both(seed=0):
    manual_seed(seed)
    torch.manual_seed(seed)
    return Generator().manual_seed(seed), torch.Generator().manual_seed(seed)


def values(loader):
    return [batch.tolist() if isinstance(batch, torch.Tensor) else batch.array.tolist()
            if hasattr(batch, "array") else batch for batch in loader]


@pytest.mark.parametrize("own", [False, True], ids=["default", "generator"])
@pytest.mark.parametrize("options", [
    {}, {"shuffle": True}, {"batch_size": 4, "shuffle": True}, {"batch_size": 4, "shuffle": True, "drop_last": True},
    {"batch_size": None, "shuffle": True}, {"batch_size": None}, {"batch_size": 100},
    {"batch_sampler": [[1, 2], [], [3]][::2]}, {"sampler": [5, 3, 1], "batch_size": 2},
    {"batch_size": 3, "collate_fn": list},
])
def test_batches_and_what_is_drawn_afterwards(options, own):
    a, b = seed_both()
    mine = ours.DataLoader(range(17), generator=a if own else None, **options)
    other = theirs.DataLoader(range(17), generator=b if own else None, **options)
    assert len(mine) == len(other)
    for _ in range(3):
        assert values(mine) == values(other)
        drawn = (a if own else default_generator).random_()
        assert int(drawn) == torch.empty((), dtype=torch.int64).random_(generator=b if own else None).item()


def test_the_seed_is_drawn_when_the_iteration_begins():
    seed_both()
    mine, other = iter(ours.DataLoader(range(9), shuffle=True)), iter(theirs.DataLoader(range(9), shuffle=True))
    assert int(default_generator.random_()) == torch.empty((), dtype=torch.int64).random_().item()
    assert values(mine) == values(other)


@pytest.mark.parametrize("options", [
    {"batch_size": 4}, {"batch_size": 4, "drop_last": True}, {"batch_size": None}, {"batch_size": 20},
    {"shuffle": False},
])
def test_streams(options):
    seed_both()
    mine, other = ours.DataLoader(OurStream(11), **options), theirs.DataLoader(TheirStream(11), **options)
    assert values(mine) == values(other)
    assert len(mine) == len(other)
    assert int(default_generator.random_()) == torch.empty((), dtype=torch.int64).random_().item()


def test_a_stream_longer_than_it_said_warns():
    data = OurStream(3)
    loader = ours.DataLoader(data, batch_size=2)
    assert len(loader) == 2
    data.n = 7
    with pytest.warns(UserWarning, match="was reported to be 2"):
        assert sum(1 for _ in loader) == 4      # list() would ask for the length again


def test_tensors_and_whole_batches():
    x, y = np.arange(20.0, dtype=np.float32).reshape(10, 2), np.arange(10)
    loader = ours.DataLoader(ours.TensorDataset(tensor(x), tensor(y)), batch_size=4)
    batches = list(loader)
    assert [(a.shape, b.shape) for a, b in batches] == [((4, 2), (4,)), ((4, 2), (4,)), ((2, 2), (2,))]
    np.testing.assert_array_equal(np.concatenate([a.array for a, _ in batches]), x)
    assert values(ours.DataLoader(Whole(), batch_size=4))[1] == [400, 500, 600, 700]


def test_batches_by_length():
    lengths = [3, 1, 2, 3, 1, 2]
    sampler = ours.BucketBatchSampler(lengths, 2, generator=Generator().manual_seed(0))
    loader = ours.DataLoader(lengths, batch_sampler=sampler)
    assert len(loader) == 3
    assert sorted(values(loader)) == [[1, 1], [2, 2], [3, 3]]


@pytest.mark.parametrize("options", [
    {"sampler": [1], "shuffle": True}, {"batch_sampler": [[1]], "batch_size": 2},
    {"batch_sampler": [[1]], "shuffle": True}, {"batch_sampler": [[1]], "sampler": [1]},
    {"batch_sampler": [[1]], "drop_last": True}, {"batch_size": None, "drop_last": True}, {"batch_size": 0},
    {"batch_size": -1}, {"batch_size": 2.0}, {"drop_last": 3},
])
def test_conflicts_raise_pytorchs_errors(options):
    with pytest.raises(ValueError) as mine:
        ours.DataLoader(range(5), **options)
    with pytest.raises(ValueError) as other:
        theirs.DataLoader(range(5), **options)
    assert str(mine.value) == str(other.value)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}])
def test_streams_have_no_order(options):
    with pytest.raises(ValueError) as mine:
        ours.DataLoader(OurStream(5), **options)
    with pytest.raises(ValueError) as other:
        theirs.DataLoader(TheirStream(5), **options)
    assert str(mine.value) == str(other.value)


@pytest.mark.parametrize("options", [
    {"num_workers": 2}, {"num_workers": -1}, {"pin_memory": True}, {"timeout": 3}, {"worker_init_fn": print},
    {"multiprocessing_context": "fork"}, {"prefetch_factor": 2}, {"persistent_workers": True},
    {"pin_memory_device": "cuda"},
])
def test_workers_are_refused(options):
    with pytest.raises(ValueError, match="in the training process"):
        ours.DataLoader(range(5), **options)
    with pytest.raises(ValueError, match="in_order"):
        ours.DataLoader(range(5), in_order=False)


def test_an_error_in_the_dataset_reaches_the_caller():
    with pytest.raises(IndexError):
        list(ours.DataLoader(range(3), sampler=[1, 7]))


def test_what_a_loader_was_made_of_stays():
    loader = ours.DataLoader([1, 2, 3], batch_size=2)
    with pytest.raises(ValueError, match="batch_size attribute should not be set after DataLoader is initialized"):
        loader.batch_size = 3
    loader.collate_fn = list
    assert list(loader) == [[1, 2], [3]]
