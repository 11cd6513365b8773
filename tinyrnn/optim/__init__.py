"""Optimisers and schedules of the learning rate."""
from tinyrnn.optim import lr_scheduler
from tinyrnn.optim.adadelta import Adadelta
from tinyrnn.optim.adagrad import Adagrad
from tinyrnn.optim.adam import Adam, AdamW
from tinyrnn.optim.optimizer import Optimizer
from tinyrnn.optim.rmsprop import RMSprop
from tinyrnn.optim.sgd import SGD

__all__ = ["Adadelta", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "SGD", "lr_scheduler"]
