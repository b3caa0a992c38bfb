"""Archives: P-vectors, features and settings of chosen runs in one file that NumPy and
pandas can read without this package.

An archive is a zip file of plain arrays (`.npy`), tables (`.csv`) and JSON, so that
`numpy.load` opens it as any `.npz` file; see `keras_pvec.archive.schema` for its
members.
"""

from keras_pvec.archive.archive import Archive, load_archive
from keras_pvec.archive.archived_run import ArchivedRun
from keras_pvec.archive.card import Description
from keras_pvec.archive.features import Features, MomentFeatures, ResiRepresentation
from keras_pvec.archive.pack import pack_runs
from keras_pvec.archive.schema import ARCHIVE_VERSION

__all__ = [
    "ARCHIVE_VERSION",
    "Archive",
    "ArchivedRun",
    "Description",
    "Features",
    "MomentFeatures",
    "ResiRepresentation",
    "load_archive",
    "pack_runs",
]
