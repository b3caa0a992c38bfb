"""What effects are the size of."""

from __future__ import annotations

import enum


class Unit(enum.Enum):
    """The unit of an effect."""

    DEGREES = "degrees"
    NONE = ""


class Quantity(enum.Enum):
    """What an effect is the size of: its name in tables, its unit, and the range that
    its values, and so the interval of their mean, cannot leave."""

    ANGLE = "angle_deg", Unit.DEGREES, 0.0, 90.0
    UNTRAINED_ANGLE = "untrained_angle_deg", Unit.DEGREES, 0.0, 90.0
    CAP = "cap_deg", Unit.DEGREES, 0.0, 90.0
    CENTERED_ANGLE = "centered_angle_deg", Unit.DEGREES, 0.0, 90.0
    START_ANGLE = "start_angle_deg", Unit.DEGREES, 0.0, 90.0
    LATE_ANGLE = "late_angle_deg", Unit.DEGREES, 0.0, 90.0
    END_ANGLE = "end_angle_deg", Unit.DEGREES, 0.0, 90.0
    DECREASE = "decrease_deg", Unit.DEGREES, -90.0, 90.0
    RISE = "rise_deg", Unit.DEGREES, 0.0, 90.0
    FALL = "fall_deg", Unit.DEGREES, 0.0, 90.0
    NOISE = "noise_deg", Unit.DEGREES, 0.0, 90.0
    PEAK_POSITION = "peak_position", Unit.NONE, 0.0, 1.0
    ANGLE_TREND = "angle_trend", Unit.NONE, -1.0, 1.0
    EARLY_SLOPE = "early_slope_deg", Unit.DEGREES, -90.0, 90.0
    LATE_SLOPE = "late_slope_deg", Unit.DEGREES, -90.0, 90.0
    SLOPE_CHANGE = "slope_change_deg", Unit.DEGREES, -180.0, 180.0
    BLOCK_ORDER_P = "block_order_p", Unit.NONE, 0.0, 1.0
    DISTANCE_TREND = "distance_trend", Unit.NONE, -1.0, 1.0
    START_DISTANCE = "start_distance", Unit.NONE, 0.0, float("inf")
    FIRST_VECTOR_ANGLE = "first_vector_angle_deg", Unit.DEGREES, 0.0, 90.0
    OTHER_VECTORS_ANGLE = "other_vectors_angle_deg", Unit.DEGREES, 0.0, 90.0
    BEST_MATCH_ANGLE = "best_match_angle_deg", Unit.DEGREES, 0.0, 90.0
    SPAN_ANGLE = "span_angle_deg", Unit.DEGREES, 0.0, 90.0
    EXPLAINED = "explained_share", Unit.NONE, 0.0, 1.0
    END_EXPLAINED = "end_explained_share", Unit.NONE, 0.0, 1.0
    PCA_SHARE = "pca_share", Unit.NONE, 0.0, 1.0
    SCORE_VARIANCE_SHARE = "score_variance_share", Unit.NONE, 0.0, float("inf")
    KENDALL_TAU = "kendall_tau", Unit.NONE, -1.0, 1.0
    PARTIAL_TAU = "partial_tau", Unit.NONE, -1.0, 1.0
    PEARSON_R = "pearson_r", Unit.NONE, -1.0, 1.0
    PARTIAL_R = "partial_r", Unit.NONE, -1.0, 1.0
    PARTIAL_CORRELATION = "partial_correlation", Unit.NONE, 0.0, 1.0
    NULL_PARTIAL_CORRELATION = "null_partial_correlation", Unit.NONE, 0.0, 1.0
    DIFFERENCE = "difference", Unit.NONE, -1.0, 1.0
    P_VALUE = "p_value", Unit.NONE, 0.0, 1.0
    EXPONENT = "exponent", Unit.NONE, float("-inf"), float("inf")

    def __init__(self, label: str, unit: Unit, lowest: float, highest: float) -> None:
        self.label = label
        self.unit = unit
        self.lowest = lowest
        self.highest = highest
