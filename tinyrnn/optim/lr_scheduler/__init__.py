"""Schedules of the learning rate, with PyTorch's names and numbers."""
from tinyrnn.optim.lr_scheduler.chainable import ConstantLR, ExponentialLR, LinearLR, MultiStepLR, PolynomialLR, StepLR
from tinyrnn.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from tinyrnn.optim.lr_scheduler.functional import LambdaLR, MultiplicativeLR
from tinyrnn.optim.lr_scheduler.one_cycle import OneCycleLR
from tinyrnn.optim.lr_scheduler.plateau import ReduceLROnPlateau
from tinyrnn.optim.lr_scheduler.scheduler import LRScheduler
from tinyrnn.optim.lr_scheduler.sequential import ChainedScheduler, SequentialLR

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR",
    "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR",
    "ReduceLROnPlateau", "SequentialLR", "StepLR",
]
