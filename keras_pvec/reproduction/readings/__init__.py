"""Runs under other readings of the paper's words.

Nothing here needs Keras, except for the modules `measure` and `targets`, which are
imported by their names: they compute what takes a forward pass of stored weights.
"""

from keras_pvec.reproduction.readings.cached import CachedRun
from keras_pvec.reproduction.readings.raw_data import RawImages, raw_data_p_vectors
from keras_pvec.reproduction.readings.spans import compare_spans, with_span_angles
from keras_pvec.reproduction.readings.stored import measured_run, reading_path
from keras_pvec.reproduction.readings.unavailable import ReadingUnavailableError
from keras_pvec.reproduction.readings.vectors import centred, first_samples, shuffled
from keras_pvec.reproduction.readings.view import FIRST_UPDATES, RunView

__all__ = [
    "FIRST_UPDATES",
    "CachedRun",
    "RawImages",
    "ReadingUnavailableError",
    "RunView",
    "centred",
    "compare_spans",
    "first_samples",
    "measured_run",
    "raw_data_p_vectors",
    "reading_path",
    "shuffled",
    "with_span_angles",
]
