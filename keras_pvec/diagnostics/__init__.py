"""Diagnosis of the angles of a run: findings as data, and their renderers."""

from keras_pvec.diagnostics.angles import JudgedAngle, Verdict, judge
from keras_pvec.diagnostics.diagnosis import Diagnosis, diagnose
from keras_pvec.diagnostics.findings import Finding, Kind, Remedy, Severity

__all__ = [
    "Diagnosis",
    "Finding",
    "JudgedAngle",
    "Kind",
    "Remedy",
    "Severity",
    "Verdict",
    "diagnose",
    "judge",
]
