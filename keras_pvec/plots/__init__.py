"""Plots of runs, each in one call: angles, matrices and spectra.

Each function draws on the axes that it is given, or on new ones, and returns them for
styling. Matplotlib is imported when the first plot is drawn:
`pip install 'keras-pvec[plot]'`.
"""

from keras_pvec.plots.angles import plot_angles, plot_run
from keras_pvec.plots.matrix import plot_matrix
from keras_pvec.plots.new_axes import file_axes
from keras_pvec.plots.spectrum import plot_spectrum

__all__ = ["file_axes", "plot_angles", "plot_matrix", "plot_run", "plot_spectrum"]
