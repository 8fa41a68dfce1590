from .embeddings import PeriodicSettings as PeriodicSettings
from .embeddings import PiecewiseLinearSettings as PiecewiseLinearSettings
from .ft_transformer import FTTransformerSettings as FTTransformerSettings
from .mlp import MLPSettings as MLPSettings
from .realmlp import RealMLPSettings as RealMLPSettings
from .resnet import ResNetSettings as ResNetSettings
from .snn import SNNSettings as SNNSettings
from .tabm import TabMSettings as TabMSettings
