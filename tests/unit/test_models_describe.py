"""Models in words: in natural units, with what deviates most first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from rules.load import load_text
from state.models.describe import Words, written_number
from state.models.scale import Scale, clipped

if TYPE_CHECKING:
    from rules.models.definition import AnyModel

FEATURES = """
      age: {trait: age}
      bins: {trait: age, bins: [18, 25, 65]}
      club: {trait: {newsletter: true}}
      first: {since_first: {event: "*"}, missing: 0}
      orders: {did: {event: Order Completed, within: 90d}, transform: log1p}
      plan: {trait: plan_name, one_of: [free, pro, true, 3]}
      quiet: {since_last: {event: "*"}, unit: h, missing: 365}
      spent: {total: {event: Order Completed, of: total, agg: sum, within: 90d}, transform: log1p}
      vip: {in_segment: vips}
"""


def model(features: str = FEATURES, kind: str = "clusters") -> AnyModel:
    rest = {
        "clusters": "k: 3",
        "propensity": "target: {event: Order Completed, within: 7d}",
        "value": "target: {event: Order Completed, of: total, within: 7d}",
    }[kind]
    text = f"""
models:
  - key: m
    kind: {kind}
    {rest}
    sample: {{every: 7d}}
    features: {features}
segments:
  - key: vips
    when: {{trait: {{vip: true}}}}
"""
    return load_text(text).models[0]


def words(feature: str, kind: str = "clusters") -> Words:
    return Words(model(f"{{f: {feature}}}", kind))


def one(feature: str, centre: float, population: float, *, mean: float = 0.0, sd: float = 1.0) -> str:
    """Return what is said of a cluster with one feature, whose values are natural ones."""
    return words(feature).cluster(Scale([mean], [sd]), [(centre - mean) / sd], [(population - mean) / sd])


def test_the_three_features_that_deviate_most_are_told_in_natural_units() -> None:
    speaks = Words(model())
    names = model().feature_names
    population, centre = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    population |= {"orders": math.log1p(1.1), "spent": math.log1p(48), "quiet": 20.0, "age": 40.0}
    centre |= {"orders": math.log1p(4.2), "spent": math.log1p(12.5), "quiet": 30.0, "age": 40.1}
    sds = dict.fromkeys(names, 1.0) | {"orders": 0.2, "spent": 0.5, "quiet": 20.0}
    scale = Scale([population[name] for name in names], [sds[name] for name in names])
    z = scale.scaled([centre[name] for name in names])
    said = speaks.cluster(scale, z, [0.0] * len(names))
    assert said == (
        "orders often: 4.2 in 90 d against 1.1; spends little: 12.50 in 90 d against 48.00; "
        "quiet for long: 30 h against 20"
    )


def test_no_more_than_three_and_nothing_that_hardly_deviates() -> None:
    speaks = Words(model("{a: {trait: a}, b: {trait: b}, c: {trait: c}, d: {trait: d}}"))
    scale = Scale([10.0] * 4, [2.0] * 4)
    assert speaks.cluster(scale, [1, -2, 3, 4], [0] * 4) == (
        "d is high: 18 against 10; c is high: 16 against 10; b is low: 6 against 10"
    )
    assert speaks.cluster(scale, [0.1, 0, -1, 0.2], [0] * 4) == "c is low: 8 against 10"
    assert speaks.cluster(scale, [0.1] * 4, [0] * 4) == "like everybody"
    assert speaks.cluster(scale, [1.1] * 4, [1] * 4) == "like everybody"


@pytest.mark.parametrize(
    ("feature", "high", "low"),
    [
        ("{did: {event: Order Completed, within: 90d}}", "orders often: 8 in 90 d against 2", "orders seldom"),
        ("{did: {event: Order Completed}}", "orders often: 8 against 2", "orders seldom"),
        (
            "{did: {event: Movie Watched, within: 36h}}",
            "Movie Watched often: 8 in 36 h against 2",
            "Movie Watched seldom",
        ),
        ("{did: {event: [A, B], within: 7d}}", "A or B often: 8 in 7 d against 2", "A or B seldom"),
        ('{did: {event: "*", within: 30d}}', "busy: 8 events in 30 d against 2", "not busy"),
        (
            "{did: {event: Order Completed, where: {total: {gte: 5}}}}",
            "Order Completed (some) often: 8 against 2",
            "Order Completed (some) seldom",
        ),
        (
            "{total: {event: Order Completed, of: total, agg: sum, within: 30d}}",
            "spends much: 8.00 in 30 d against 2.00",
            "spends little",
        ),
        (
            "{total: {event: Order Completed, of: total, agg: avg}}",
            "spends much at a time: 8.00",
            "spends little at a time",
        ),
        (
            "{total: {event: Order Completed, of: quantity, agg: sum, within: 30d}}",
            "buys many items: 8 in 30 d against 2",
            "buys few items",
        ),
        (
            "{total: {event: Movie Watched, of: minutes, agg: max, within: 7d}}",
            "largest minutes of Movie Watched is high: 8 in 7 d against 2",
            "largest minutes of Movie Watched is low",
        ),
        (
            "{total: {event: Product Viewed, of: 'products[].sku', agg: distinct}}",
            "many different sku: 8 against 2",
            "few different sku",
        ),
        ('{since_last: {event: "*"}, missing: 9}', "quiet for long: 8 d against 2", "there lately"),
        (
            "{since_last: {event: Order Completed}, missing: 9}",
            "last ordered long ago: 8 d against 2",
            "last ordered lately",
        ),
        ("{since_last: {event: X}, missing: 9, unit: h}", "last X long ago: 8 h against 2", "last X lately"),
        ('{since_first: {event: "*"}, missing: 0}', "known for long: 8 d against 2", "new"),
        ("{since_first: {event: Signed Up}, missing: 0}", "first signed up long ago: 8 d", "first signed up lately"),
        ("{trait: household_size}", "household size is high: 8 against 2", "household size is low: 2 against 8"),
    ],
)
def test_each_source_has_its_words(feature: str, high: str, low: str) -> None:
    assert one(feature, 8, 2).startswith(high)
    assert one(feature, 2, 8).startswith(low)


def test_logarithms_are_undone_of_losses_too() -> None:
    feature = "{total: {event: Game Played, of: balance, agg: sum}, transform: log1p}"
    assert one(feature, -math.log1p(50), math.log1p(3)) == "balance of Game Played is low: -50 against 3"


def test_what_is_0_or_1_is_told_as_a_share() -> None:
    assert one("{trait: {newsletter: true}}", 0.82, 0.4) == "more often f: 82% against 40%"
    assert one("{in_segment: vips}", 0.05, 0.4) == "seldom in vips: 5% against 40%"
    assert one("{in_segment: vips}", 1.1, -0.2) == "more often in vips: 100% against 0%"
    subjects = [subject.high for subject in Words(model()).subjects]
    told = [subject.removeprefix("more often ") for subject in subjects if subject.startswith("more often ")]
    assert told == [
        "bins below 18",
        "bins 18 to 25",
        "bins 25 to 65",
        "bins 65 or more",
        "club",
        "plan name free",
        "plan name pro",
        "plan name true",
        "plan name 3",
        "in vips",
    ]


def test_there_is_a_word_for_each_number_of_a_vector() -> None:
    assert len(Words(model()).subjects) == len(model().feature_names)


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (math.log(2), "orders often: odds × 2.00 at 5 in 90 d in place of 1"),
        (-math.log(2), "orders often: odds × 0.50 at 5 in 90 d in place of 1"),
    ],
)
def test_a_propensitys_weight_is_what_one_sd_more_makes_of_the_odds(weight: float, said: str) -> None:
    speaks = words("{did: {event: Order Completed, within: 90d}, transform: log1p}", "propensity")
    assert speaks.weight("f", weight, math.log1p(1), math.log1p(5) - math.log1p(1)) == said


def test_a_values_weight_is_an_amount() -> None:
    speaks = words("{trait: age}", "value")
    assert speaks.weight("f", 3.2, 40, 12) == "age is high: +3.20 at 52 in place of 40"
    assert speaks.weight("f", -120, 40, 12) == "age is high: -120 at 52 in place of 40"


def test_a_flags_weight_is_what_1_makes_in_place_of_0() -> None:
    speaks = words("{in_segment: vips}", "value")
    assert speaks.weight("f", 2.0, 0.2, 0.4) == "more often in vips: +5.00"
    assert speaks.weight("f", 2.0, 0.0, 0.0) == "more often in vips: never varied, tells nothing"


def test_a_weight_without_bounds_is_still_told() -> None:
    speaks = words("{trait: age, transform: log1p}", "propensity")
    assert "odds ×" in speaks.weight("f", 1e9, 1.0, 1e9)


@pytest.mark.parametrize(
    ("value", "plain", "money"),
    [
        (0, "0", "0"),
        (9e-14, "0", "0"),
        (0.03, "0.03", "0.03"),
        (0.42, "0.4", "0.42"),
        (4.25, "4.2", "4.25"),
        (41.4, "41", "41.40"),
        (7.0, "7", "7.00"),
        (212.4, "212", "212"),
        (12040, "12,040", "12,040"),
        (-3.14, "-3.1", "-3.14"),
    ],
)
def test_numbers_are_as_short_as_their_size_allows(value: float, plain: str, money: str) -> None:
    assert written_number(value) == plain
    assert written_number(value, money=True) == money


# The scale that all of it stands on


@pytest.mark.parametrize(
    ("x", "z"),
    [
        (12.0, 1.0),
        (-1e9, -8.0),
        (math.inf, 8.0),
        (-math.inf, -8.0),
        (math.nan, 0.0),
    ],
)
def test_scaled_is_clipped_and_always_finite(x: float, z: float) -> None:
    assert Scale([10.0], [2.0]).scaled([x]) == (z,)
    assert Scale([10.0], [0.0]).scaled([x]) == (0.0,)
    assert Scale([math.nan], [2.0]).scaled([x]) == (0.0,)
    assert Scale([10.0], [math.inf]).scaled([x]) == (0.0,)
    assert clipped(math.nan) == 0


def test_natural_is_the_way_back() -> None:
    scale = Scale([10.0, -3.0], [2.0, 0.5])
    assert scale.natural(scale.scaled([13.0, -4.0])) == (13.0, -4.0)
