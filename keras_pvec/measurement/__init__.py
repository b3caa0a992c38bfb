"""P-vectors of the layers of a model, computed from shared forward passes."""

from keras_pvec.measurement.of_model import model_p_vectors
from keras_pvec.measurement.options import MeasurementOptions
from keras_pvec.measurement.probe import Measurement, PVectorProbe

__all__ = ["Measurement", "MeasurementOptions", "PVectorProbe", "model_p_vectors"]
