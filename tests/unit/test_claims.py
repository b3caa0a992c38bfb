"""The registry of claims, readings, and results."""

import dataclasses

import pytest
from claim_tables import pairs_table

from keras_pvec.reproduction import claims
from keras_pvec.reproduction.claims import (
    CLAIMS,
    Cause,
    ClaimResult,
    Obstacle,
    RawData,
    Reading,
    Samples,
    Verdict,
)


def test_the_registry():
    """Every claim of the paper once, in order; each is rated by a function that
    carries its id."""
    ids = [*(f"C{i}" for i in range(1, 6)), "C6a", "C6b"]
    ids += [f"C{i}" for i in range(7, 14)]
    assert list(CLAIMS) == ids
    for id, spec in CLAIMS.items():
        assert spec.id == id
        assert callable(getattr(claims, f"rate_{id.lower()}"))
        assert len(set(spec.readings)) == len(spec.readings)
        assert spec.primary is spec.readings[0]
        assert spec.id in claims.claims_of(spec.study)
    assert claims.PARTS == {"C6": ("C6a", "C6b")}


def test_primary_readings_take_the_words_literally():
    assert CLAIMS["C6b"].primary == Reading(Samples.TRAIN, RawData.PIXELS)
    # To itself, no raw data; the paper says which samples for these.
    assert {reading.raw_data for reading in CLAIMS["C2"].readings} == {None}
    assert CLAIMS["C4"].primary == Reading(Samples.BOTH)
    assert {reading.samples for reading in CLAIMS["C6a"].readings} == {Samples.TRAIN}


@pytest.mark.parametrize("samples", [Samples.TRAIN, Samples.TEST])
def test_a_result_knows_its_reading(samples):
    reading = Reading(samples)
    pairs = pairs_table([12.0] * 4)
    assert claims.rate_c1(pairs, None, reading).reading == reading
    assert claims.rate_c1(pairs.iloc[:0], None, reading).reading == reading


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("C14", Reading(), Verdict.REPRODUCED), "C14"),
        # It compares with no raw data.
        (("C1", Reading(Samples.TRAIN, RawData.PIXELS), Verdict.REPRODUCED), "PIXELS"),
        (("C1", Reading(Samples.TRAIN), Verdict.NOT_TESTED), "NOT_TESTED"),
    ],
)
def test_results_that_cannot_be(arguments, named):
    with pytest.raises(ValueError, match=named):
        ClaimResult(*arguments)


def test_a_claim_that_is_not_tested():
    obstacle = Obstacle(Cause.MISSING_REFERENCES, names=("simclr",))
    result = claims.not_tested("C5", obstacle)
    assert (result.claim, result.verdict) == ("C5", Verdict.NOT_TESTED)
    assert result.reading == CLAIMS["C5"].primary
    assert (result.obstacle, result.spec) == (obstacle, CLAIMS["C5"])
    assert (result.effects, result.met, result.ladder) == ((), None, ())


def test_thresholds():
    """As they were fixed before the whole datasets were trained on."""
    for id, expected in {
        "C1": {"required_share": 0.9, "partial_share": 0.5, "max_deg": 20},
        "C2": {"min_start_deg": 60, "max_trend": -0.8},
        "C3": {"required_share": 0.8, "max_deg": 10, "last_share": 0.1},
        "C4": {"min_change_deg": 2, "min_noise_ratio": 3, "n_updates": 391},
        "C5": {"required_share": 0.8, "min_fall_deg": 2, "max_deg": 20},
        "C6b": {"max_trend": -0.5, "max_deg": 20},
        "C7": {"required_share": 0.8, "null_level": 0.05},
        "C9": {"max_first_deg": 20, "min_others_deg": 45, "last_index": 5}
        | {"start_share": 0.1, "end_share": 0.8},
        "C10": {"max_tau": -0.3, "min_models": 8},
        "C11": {"max_r": -0.5, "min_models": 8},
    }.items():
        found = dataclasses.asdict(CLAIMS[id].criterion)
        assert {name: found[name] for name in expected} == expected, id
    assert CLAIMS["C6a"].criterion == CLAIMS["C4"].criterion
    assert CLAIMS["C13"].criterion == CLAIMS["C1"].criterion
    assert CLAIMS["C8"].criterion == CLAIMS["C12"].criterion == claims.Shown()
