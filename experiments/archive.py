"""Packs runs of the experiments into one file, for use without this package.

    python experiments/archive.py --out=trajectories.npz \\
        --runs=runs/cifar10/whole/mlp/seed_0,runs/cifar10/whole/mlp/seed_1

The archive holds the P-vectors of all moments, labels, brightness and contrast of the
samples, settings, quality of the training, versions and checksums, and a data card. At
the moments whose weights a run keeps (--keep_weights), it also holds features, from a
forward pass of the same samples. NumPy and pandas can read it; see
docs/how-to/archive.md. `keras-pvec archive` does the same without features, and needs
neither the data set nor a deep-learning framework.
"""

from keras_pvec.reproduction import flags
from keras_pvec.reproduction.archive import run_archive

flags.define_archive_flags()

if __name__ == "__main__":
    flags.run(lambda: run_archive(flags.archive_config()))
