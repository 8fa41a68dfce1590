from .class_files import ClassFiles as ClassFiles
from .reading import read_events as read_events
from .reading import read_features as read_features
from .resonance import Resonance as Resonance
from .sources import File as File
from .sources import OpenML as OpenML
from .table import Events as Events
from .variants import read_variant as read_variant
