"""Installs keras_pvec; tool settings are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
INIT = (HERE / "keras_pvec" / "__init__.py").read_text(encoding="utf-8")
EXTRAS = {
    # One of these, for the Keras backend.
    "tensorflow": ["tensorflow>=2.16"],
    "jax": ["jax>=0.4.36"],
    "torch": ["torch>=2.4"],
}
# What the experiments need on every backend.
EXTRAS["experiments"] = [
    "absl-py",
    "matplotlib>=3.7",
    "scikit-learn>=1.3",
    "pillow>=9.1",
    "tqdm>=4.65",
]
EXTRAS["reproduction"] = [
    *EXTRAS["experiments"],
    *EXTRAS["tensorflow"],
    "tensorflow-datasets>=4.9.4",
    # tensorflow-datasets imports it when it downloads, and does not ask for it.
    "importlib_resources",
]
EXTRAS["test"] = [
    *EXTRAS["reproduction"],
    "hypothesis>=6.100",
    "pytest>=7.4",
    "pytest-xdist>=3.5",
    "tensorboard>=2.16",
]
EXTRAS["dev"] = [*EXTRAS["test"], "mypy>=1.11", "ruff>=0.9"]

setup(
    name="keras-pvec",
    version=re.search(r'__version__ = "([^"]+)"', INIT)[1],
    description="Follow the common principal subspace of deep features with a Keras "
    "callback, and reproduce the P-vector paper.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["keras_pvec", "keras_pvec.*"]),
    package_data={"keras_pvec": ["py.typed"]},
    python_requires=">=3.10",
    install_requires=[
        "filelock>=3.12",
        "keras>=3.5",
        "numpy>=1.26",
        "pandas>=2.0",
        "scipy>=1.11",
        "threadpoolctl>=3.0",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["keras-pvec = keras_pvec.cli:main"]},
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
