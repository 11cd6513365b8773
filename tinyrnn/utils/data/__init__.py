"""Datasets, samplers, the loader, streams and vocabularies."""
from tinyrnn.utils.data.collate import default_collate, default_convert
from tinyrnn.utils.data.dataloader import DataLoader
from tinyrnn.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    random_split,
)
from tinyrnn.utils.data.sampler import (
    BatchSampler,
    BucketBatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from tinyrnn.utils.data.streams import ParallelStreams
from tinyrnn.utils.data.vocabulary import Vocabulary

__all__ = [
    "BatchSampler", "BucketBatchSampler", "ChainDataset", "ConcatDataset", "DataLoader", "Dataset", "IterableDataset",
    "ParallelStreams", "RandomSampler", "Sampler", "SequentialSampler", "Subset", "SubsetRandomSampler",
    "TensorDataset", "Vocabulary", "WeightedRandomSampler", "default_collate", "default_convert", "random_split",
]
