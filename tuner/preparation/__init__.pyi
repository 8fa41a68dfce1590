from .preprocessing import Preprocessing as Preprocessing
from .settings import Preparation as Preparation
from .splits import Splits as Splits
from .splits import load_splits as load_splits
from .splits import prepare_splits as prepare_splits
from .splits import save_splits as save_splits
