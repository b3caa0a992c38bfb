"""Columns of the tables of `analysis` that claims are rated on."""

RUN = "run"
EPOCH = "epoch"
REFERENCE = "reference"
SPLIT = "split"
ANGLE = "angle_deg"
NULL_ANGLE = "null_angle_deg"
CENTERED_ANGLE = "centered_angle_deg"

FINAL = "final"  # the reference that is a run's own last epoch
