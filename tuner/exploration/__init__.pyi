from .exploration import Exploration as Exploration
from .explore import explore_events as explore_events
