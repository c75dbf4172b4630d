"""Models in definitions: every fault and warning with its place and its remedy, and what makes a model begin anew."""

# ruff: noqa: E501 - what is said stands on one line, as it is printed

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest

from rules.errors import DefinitionError
from rules.json_schema import definitions_schema
from rules.load import load_text
from rules.models.definition import UNHASHED
from rules.places import parse_tree

SOURCES = "did, total, since_last, since_first, trait, in_segment"
GOOD: dict[str, dict[str, str]] = {
    "propensity": {"target": "{event: X, within: 30d}"},
    "value": {"target": "{event: X, of: total, within: 30d}"},
    "clusters": {"k": "3"},
    "anomaly": {},
}
SCHEMA = jsonschema.Draft202012Validator(definitions_schema())


def model(of_kind: str = "propensity", **parts: str | None) -> str:
    """Return a file with one model; a part that is None is left out."""
    lines = {
        "key": "m",
        "kind": of_kind,
        "sample": "{on: X, every: 7d}",
        "features": "{a: {did: {event: X}}}",
        **GOOD[of_kind],
        **parts,
    }
    return "models:\n  - " + "\n    ".join(f"{key}: {text}" for key, text in lines.items() if text is not None) + "\n"


@dataclass(frozen=True)
class Wrong:
    """A model with something wrong: what is said below `models[0]`, and whether the schema sees it too."""

    text: str
    said: tuple[str, ...]
    schema: bool

    @property
    def places(self) -> set[str]:
        """Where the schema finds it: what is missing, unknown or no key, it says of the mapping around."""
        found = set()
        for one in self.said:
            path, message = re.sub(r"^[0-9]+: ", "", one).split(": ", 1)
            around = re.search(r"is required|is unknown here|is no key|is for another kind", message)
            found.add(path.rpartition(".")[0] if around else path)
        return found


def part(name: str, value: str | None, *said: str, kind: str = "propensity", code: bool = False) -> Any:
    """Return a model one part of which is wrong; `said` goes on after `models[0].part`."""
    text = model(kind, **{name: value})
    first = f"    {name}:" if name != "key" else "  - key:"
    at = next((number for number, line in enumerate(text.split("\n"), 1) if line.startswith(first)), 2)
    return pytest.param(
        Wrong(text, tuple(f"{at}: models[0].{name}{one}" for one in said), not code), id=f"{kind} {name}: {value}"
    )


def feature(text: str, *said: str, code: bool = False) -> Any:
    """Return a model one feature of which is wrong; `said` goes on after `models[0].features.a`."""
    return part("features", f"{{a: {{{text}}}}}", *(f".a{one}" for one in said), code=code)


ANOTHER_KIND = ": is for another kind of model; remove it"
NO_TIME = ": 0 is no time; write a longer duration, like 7d"
NO_SOURCE = f": names no source; write exactly one of {SOURCES}"

WRONG = [
    # What a model is
    part("kind", None, ": is required; write one of propensity, value, clusters or anomaly"),
    part("kind", "logistic", ": 'logistic' is unknown; write one of propensity, value, clusters or anomaly"),
    part("kind", "cluster", ": 'cluster' is unknown; did you mean clusters?"),
    part("kind", "", ": null is unknown; write one of propensity, value, clusters or anomaly"),
    part("key", "Churn", ": 'Churn' is no key; write at most 64 lower-case letters, digits and _, a letter first", code=True),
    part("sample", None, ": is required; add it"),
    part("features", None, ": is required; add it"),
    part("name", '""', ": is an empty text; write a word"),
    part("targt", "{event: X}", ": is unknown here; did you mean target?"),
    # What is predicted
    part("target", None, ": is required; add it"),
    part("target", None, ": is required; add it", kind="value"),
    part("target", "Order", ": 'Order' is not a mapping; write a mapping of event, within, where, of"),
    part("target", "{event: X}", ".within: is required; add it"),
    part("target", "{event: X, within: 0s}", f".within{NO_TIME}", code=True),
    part("target", "{event: X, within: 30 days}", ".within: '30 days' is no duration; write 30d"),
    part("target", '{event: [X, "*"], within: 3d}', '.event: "*" stands for every event and may not be in a list; write event: "*"', code=True),
    part("target", "{event: X, within: 3d, where: {d: {within_last: 3d}}}", ".where.d.within_last: compares with now, which only traits may; use the window of the condition (within), or before and after", code=True),
    part("target", "{event: X, within: 3d}", ".of: is required; add it", kind="value"),
    part("target", "{event: X, within: 3d, of: a..b}", ".of: 'a..b' is no path; write names parted by single dots, like address.city", kind="value", code=True),
    part("target", "{event: X, within: 3d, of: total}", f".of{ANOTHER_KIND}"),
    part("target", "{event: X, within: 3d}", ANOTHER_KIND, kind="anomaly"),
    part("target", "{event: X, within: 3d}", ANOTHER_KIND, kind="clusters"),
    part("target", "{event: X, within: 113d}", ": in 113d 17 samples would wait for their label, one every 7d; 16 at most: raise sample.every or lower target.within", code=True),
    part("target", "{event: X, of: t, within: 365d}", ": in 365d 53 samples would wait for their label, one every 7d; 16 at most: raise sample.every or lower target.within", kind="value", code=True),
    # When a customer is looked at
    part("sample", "{on: X}", ".every: is required; add it"),
    part("sample", "{evry: 7d}", ".every: is required; add it", ".evry: is unknown here; did you mean every?"),
    part("sample", "{every: 0s}", f".every{NO_TIME}", code=True),
    part("sample", "{every: 7 days}", ".every: '7 days' is no duration; write 7d"),
    part("sample", "{every: 7d, silent_for: never}", ".silent_for: 'never' is no duration; write a number and one of ms, s, m, h, d, w, like 30d"),
    part("sample", '{on: "", every: 7d}', ".on: is an empty text; write a word"),
    part("sample", "{on: 3, every: 7d}", '.on: 3 is not a text or a list; put it in quotes: "3"'),
    part("sample", "{on: , every: 7d}", ".on: is empty; write a text or a list, or remove it"),
    part("sample", "{on: [], every: 7d}", '.on: names no event; write a name, a list of names, or "*"'),
    part("sample", '{on: [X, "*"], every: 7d}', '.on: "*" stands for every event and may not be in a list; write event: "*"', code=True),
    part("rescore", "0s", NO_TIME, code=True),
    part("rescore", "daily", ": 'daily' is no duration; write a number and one of ms, s, m, h, d, w, like 30d"),
    # How it learns
    part("warm_up", "0", ": 0 is below 1; write 1 or more"),
    part("warm_up", "many", ": 'many' is not a whole number"),
    part("warm_up", "1.5", ": 1.5 is not a whole number"),
    part("warm_up", "5", ": 5 is below 10; write 10 or more", kind="clusters", code=True),
    part("warm_up_for", "0s", NO_TIME, kind="clusters", code=True),
    part("warm_up_for", "90d", ANOTHER_KIND, kind="value"),
    part("on_drift", "ignore", ": 'ignore' is unknown; write one of report or refit"),
    part("refit_window", "50", ": 50 is below 100; write 100 or more"),
    # Clusters
    part("k", None, ": is required; add it", kind="clusters"),
    part("k", "1", ": 1 is below 2; write 2 or more", kind="clusters"),
    part("k", "65", ": 65 is above 64; write 64 or less", kind="clusters"),
    part("k", "2.5", ": 2.5 is not a whole number or a mapping; write a whole number or a mapping of between", kind="clusters"),
    part("k", "{between: [3]}", ".between: has 1 entry; write 2", kind="clusters"),
    part("k", "{between: [3, 4, 5]}", ".between: has 3 entries; write 2", kind="clusters"),
    part("k", "{between: [1, 3]}", ".between[0]: 1 is below 2; write 2 or more", kind="clusters"),
    part("k", "{between: [8, 3]}", ".between: 8 is above 3; write the lower number first", kind="clusters", code=True),
    part("k", "{betwen: [2, 3]}", ".between: is required; add it", ".betwen: is unknown here; did you mean between?", kind="clusters"),
    part("k", "3", ANOTHER_KIND),
    part("margin", "1", ": 1 is not below 1; a share goes from 0 to 1, so 10 % is 0.1", kind="clusters"),
    part("margin", "-0.1", ": -0.1 is below 0; a share goes from 0 to 1, so 10 % is 0.1", kind="clusters"),
    part("margin", "10%", ": '10%' is not a number", kind="clusters"),
    part("step", "0", ": 0 is not above 0; a share goes from 0 to 1, so 10 % is 0.1", kind="clusters"),
    part("step", "2", ": 2 is above 1; a share goes from 0 to 1, so 10 % is 0.1", kind="clusters"),
    part("as_segmentation", "yes", ": 'yes' is not true or false", kind="clusters"),
    part("as_segmentation", "true", ANOTHER_KIND, kind="anomaly"),
    part("labels", "[a, b]", ': ["a", "b"] is not a mapping; write a mapping of c1: text', kind="clusters"),
    part("labels", "{first: A}", ".first: 'first' is no key of a cluster; write c1, c2 and so on", kind="clusters"),
    part("labels", "{c0: A}", ".c0: 'c0' is no key of a cluster; write c1, c2 and so on", kind="clusters"),
    part("labels", '{c1: ""}', ".c1: is an empty text; write a word", kind="clusters"),
    part("labels", "{c1: 5}", '.c1: 5 is not a text; put it in quotes: "5"', kind="clusters"),
    # Features
    part("features", "{}", ": has 0 entries; write at least 1"),
    part("features", "[a]", ': ["a"] is not a mapping; write a mapping of key: feature'),
    part("features", f"{{{', '.join(f'a{n}: {{trait: x}}' for n in range(201))}}}", ": has 201 entries; write at most 200"),
    part("features", "{A: {trait: x}}", ".A: 'A' is no key; write at most 64 lower-case letters, digits and _, a letter first"),
    part("features", "{a: }", ".a: is empty; write a mapping of did, total, since_last, since_first, trait, in_segment, unit, missing, bins, one_of, transform, or remove it"),
    feature("", NO_SOURCE, code=True),
    feature("missing: 3", NO_SOURCE, code=True),
    feature("did: {event: X}, trait: age", f": has did and trait; write exactly one of {SOURCES}", code=True),
    feature("count: {event: X}", ".count: is unknown here; known are did, total, since_last, since_first, trait, in_segment, unit, missing, bins, one_of, transform"),
    feature("did: {within: 3d}", ".did.event: is required; add it"),
    feature("did: {event: X, times: 3}", ".did.times: is unknown here; known are event, where, within"),
    feature("did: {event: X, within: 30 days}", ".did.within: '30 days' is no duration; write 30d"),
    feature("total: {event: X, of: t}", ".total.agg: is required; add it"),
    feature("total: {event: X, of: t, agg: mean}", ".total.agg: 'mean' is unknown; write one of sum, avg, min, max, distinct, first or last"),
    feature("total: {event: X, of: t, agg: sum, gte: 3}", ".total.gte: is unknown here; known are event, where, of, agg, within"),
    feature("since_last: {event: X}", ": since_last has no value before the first such event; write missing: 365 (in its unit)", code=True),
    feature("since_first: {event: X}", ": since_first has no value before the first such event; write missing: 365 (in its unit)", code=True),
    feature("since_last: {event: X, gte: 3d}, missing: 3", ".since_last.gte: is unknown here; known are event, where"),
    feature("did: {event: X}, unit: d", ": unit is for since_last and since_first; remove it from did", code=True),
    feature("since_last: {event: X}, missing: 3, unit: days", ".unit: 'days' is unknown; write one of ms, s, m, h, d or w"),
    feature("trait: a..b", ".trait: 'a..b' is no path; write names parted by single dots, like address.city", code=True),
    feature("trait: {}", ".trait: has 0 entries; write at least 1"),
    feature("trait: [a]", '.trait: ["a"] is not a text or a mapping; write a text or a mapping of path: comparison'),
    feature("trait: {plan: [a, b]}", ".trait.plan: a plain list is no comparison; write in: [...]"),
    feature("did: {event: X}, one_of: [a]", ": one_of is for a trait's path, like trait: plan; remove it", code=True),
    feature("trait: {plan: a}, one_of: [a]", ": one_of is for a trait's path, like trait: plan; remove it", code=True),
    feature("trait: plan, one_of: []", ".one_of: has 0 entries; write at least 1"),
    feature("trait: plan, one_of: pro", ".one_of: 'pro' is not a list; write [pro]"),
    feature("trait: plan, one_of: [null]", ".one_of[0]: null equals nothing; write exists: false"),
    feature("trait: plan, one_of: [[a]]", ".one_of[0]: a value here is a number, a text, true or false; for one of several write in: [...]"),
    feature('trait: plan, one_of: [a, 1, "1"]', ".one_of: has 1 twice, and a feature goes by its value as written; write each once", code=True),
    feature("trait: plan, one_of: [a], missing: 3", ": missing makes nothing of what is 0 or 1; remove it", code=True),
    feature("trait: plan, one_of: [a], bins: [1]", ": bins makes nothing of what is 0 or 1; remove it", code=True),
    feature("trait: {vip: true}, transform: log1p", ": transform makes nothing of what is 0 or 1; remove it", code=True),
    feature("trait: age, bins: []", ".bins: has 0 entries; write at least 1"),
    feature("trait: age, bins: 3", ".bins: 3 is not a list; write [3]"),
    feature("trait: age, bins: [3, 2]", ".bins: is not ascending; write each bound once, the lowest first", code=True),
    feature("trait: age, bins: [3, 3]", ".bins: is not ascending; write each bound once, the lowest first", code=True),
    feature("trait: age, bins: [3, a]", ".bins[1]: 'a' is not a number"),
    feature("trait: age, bins: [null, 2]", ".bins[0]: is empty; write a number, or remove it"),
    feature("trait: age, bins: [3], transform: log1p", ": bins need no transform: a bin is the same before and after it; remove transform", code=True),
    feature("trait: age, transform: log", ".transform: 'log' is unknown; write one of log1p"),
    feature("trait: age, missing: none", ".missing: 'none' is not a number"),
    feature("trait: age, missing: .inf", ".missing: .inf is no number that JSON can hold; leave the bound out", code=True),
    feature("in_segment: champs", ".in_segment: no segment has the key 'champs'; define it, or remove this", code=True),
    feature("in_segment: m.c1", ".in_segment: 'm' is a model and no segmentation; write as_segmentation: true there (kind clusters)", code=True),
]  # fmt: skip


def problems(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        load_text(text, "s.yaml")
    return [str(problem).removeprefix("s.yaml:") for problem in caught.value.problems]


def seen_by_schema(text: str) -> set[str]:
    return {
        "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)[1:]
        for error in SCHEMA.iter_errors(parse_tree(text).tree)
    }


@pytest.mark.parametrize("wrong", WRONG)
def test_each_fault_has_its_place_and_its_remedy(wrong: Wrong) -> None:
    assert problems(wrong.text) == list(wrong.said)


@pytest.mark.parametrize("wrong", [one for one in WRONG if one.values[0].schema])
def test_the_schema_finds_it_at_the_same_place(wrong: Wrong) -> None:
    assert seen_by_schema(wrong.text) == wrong.places


@pytest.mark.parametrize("kind", GOOD)
def test_a_plain_model_of_each_kind_is_good_by_loader_and_schema(kind: str) -> None:
    text = model(kind)
    assert load_text(text).warnings == ()
    assert seen_by_schema(text) == set()


FULL = """
models:
  - key: all_of_it
    name: All of it
    description: For everyone.
    kind: clusters
    k: {between: [3, 8]}
    sample: {on: "*", every: 1.5d, silent_for: 30d}
    rescore: 6h
    on_drift: refit
    refit_window: 5000
    margin: 0
    step: 1
    warm_up: 100
    warm_up_for: 10d
    as_segmentation: true
    labels: {c1: First, c12: Twelfth}
    features:
      count: {did: {event: [X, Y], where: {total: {gte: 3}}, within: 30d}, transform: log1p}
      spent: {total: {event: "*", of: items.price, agg: avg}, missing: -1, bins: [0, 9.5, 100]}
      quiet: {since_last: {event: X}, unit: h, missing: 0}
      known: {since_first: {event: X}, missing: 365, transform: log1p}
      age: {trait: person.age, bins: [18]}
      news: {trait: {newsletter: true, joined: {within_last: 30d}}}
      plan: {trait: plan, one_of: [free, pro, 3, true]}
      loyal: {in_segment: loyal}
      long_loyal: {in_segment: {key: loyal, at_least: 30d}}
segments:
  - {key: loyal, when: {did: {event: X, times: {gte: 3}}}}
  - {key: first, when: {cluster: {model: all_of_it, is: First}}}
  - {key: twelve, when: {in_segment: all_of_it.c12}}
"""


def test_all_that_may_be_said_of_a_model_is_good_by_loader_and_schema() -> None:
    ruleset = load_text(FULL)
    assert ruleset.warnings == ()
    assert seen_by_schema(FULL) == set()
    assert ruleset.models[0].feature_names == (
        *("age<18", "age>=18", "count", "known", "long_loyal", "loyal", "news"),
        *("plan=free", "plan=pro", "plan=3", "plan=true", "quiet"),
        *("spent<0", "spent=0..9.5", "spent=9.5..100", "spent>=100"),
    )  # fmt: skip


def test_sixteen_samples_may_wait() -> None:
    assert load_text(model(target="{event: X, within: 112d}")).warnings == ()


# Between definitions


SEGMENT = "segments:\n  - key: s\n    when: {%s}\n"
CLUSTERS = "  - {key: p, kind: clusters, k: 2, sample: {every: 7d}, features: {a: {trait: x}}, as_segmentation: true}\n"
SET = "segments: [{key: b, when: {all: []}}]\nsegmentations: [{key: set, segments: [b], otherwise: o}]\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (model() + model().removeprefix("models:\n"), ["7: models[1].key: 'm' is taken already (s.yaml:2); choose another"]),
        (
            model("clusters", as_segmentation="true") + "segments: [{key: m, when: {all: []}}]\n",
            ["2: models[0].key: 'm' is taken already (s.yaml:8); choose another"],
        ),
        (
            model(features="{a: {in_segment: set}}") + SET,
            ["5: models[0].features.a.in_segment: 'set' is a segmentation; write set.b or set.o"],
        ),
        (
            model(features="{a: {in_segment: b}}") + SET,
            ["5: models[0].features.a.in_segment: 'b' is inside a segmentation; write set.b"],
        ),
        (
            model(features="{a: {in_segment: p}}") + CLUSTERS,
            ["5: models[0].features.a.in_segment: 'p' is a segmentation of clusters; write p.c1, or another of its clusters"],
        ),
        (
            model(features="{a: {in_segment: p.first}}") + CLUSTERS,
            ["5: models[0].features.a.in_segment: 'p' is a segmentation of clusters; write p.c1, or another of its clusters"],
        ),
        (
            model(features="{a: {in_segment: s}}") + SEGMENT % "score: {model: m, gte: 0.5}",
            ["8: segments[0].key: these ask about each other in a circle: s → model:m → s; take one of these references out"],
        ),
        (
            model("clusters", features="{a: {in_segment: m.c1}}", as_segmentation="true"),
            ["2: models[0].key: these ask about each other in a circle: model:m → m → model:m; take one of these references out"],
        ),
        (
            model("clusters") + SEGMENT % "score: {model: m, gte: 0.5}",
            ["9: segments[0].when.score.model: 'm' is a model of kind clusters; ask it by cluster: {model, is: c1}"],
        ),
        (
            model("value") + SEGMENT % "all: [{cluster: {model: m, is: c1}}]",
            ["9: segments[0].when.all[0].cluster.model: 'm' is a model of kind value; ask it by score: {model, gte: 0.5}"],
        ),
        (
            model() + SEGMENT % "score: {model: m}",
            ["9: segments[0].when.score: says nothing of the score; write a comparison, like gte: 0.5"],
        ),
    ],
    ids=[
        *("twice", "clusters and a segment", "a segmentation", "inside a segmentation", "clusters bare", "no cluster"),
        *("circle", "circle of clusters", "score of clusters", "cluster of a value", "nothing of the score"),
    ],
)  # fmt: skip
def test_what_no_single_definition_shows(text: str, said: list[str]) -> None:
    assert problems(text) == said


def test_a_model_whose_clusters_are_no_segmentation_may_be_called_like_a_segment() -> None:
    for kind in GOOD:
        assert load_text(model(kind) + "segments: [{key: m, when: {did: {event: X}}}]\n").warnings == ()


QUIET = "{on: X, every: 7d, silent_for: 0s}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            SEGMENT % "score: {model: churn, gte: 0.5}",
            "3: segments[0].when.score.model: warning: never holds: no model has the key 'churn'; define it under models",
        ),
        (
            SEGMENT % "not: {cluster: {model: taste, is: c1}}",
            "3: segments[0].when.not.cluster.model: warning: never holds: no model has the key 'taste'; define it under models",
        ),
        (
            model(key="churn") + SEGMENT % "score: {model: chrun, gte: 0.5}",
            "9: segments[0].when.score.model: warning: never holds: no model has the key 'chrun'; did you mean churn?",
        ),
        (
            model("clusters", labels="{c2: Rich}") + SEGMENT % "cluster: {model: m, is: Poor}",
            "10: segments[0].when.cluster.is: warning: never holds: no cluster is called 'Poor'; write its key or its label, like c1, Rich",
        ),
        (
            model(features="{a: {did: {event: X, within: 0s}}}"),
            "5: models[0].features.a.did.within: warning: 0s takes no event: the feature is always the same",
        ),
        (
            model(features="{a: {total: {event: X, of: t, agg: sum, within: 0s}}}"),
            "5: models[0].features.a.total.within: warning: 0s takes no event: the feature is always the same",
        ),
        (
            model(sample=QUIET, features="{a: {since_last: {event: X}, missing: 3}}"),
            "5: models[0].features.a.since_last: warning: every sample is taken at such an event: the time since the last one is always 0",
        ),
        (
            model(sample=QUIET, features='{a: {since_last: {event: "*"}, missing: 3}}'),
            "5: models[0].features.a.since_last: warning: every sample is taken at such an event: the time since the last one is always 0",
        ),
        (
            model(sample="{every: 7d, silent_for: 0s}"),
            "4: models[0].sample.silent_for: warning: takes no sample: there are timed ones alone, and none in silence; name events in on, or raise this",
        ),
    ],
    ids=["no model", "no clusters", "misspelt", "no cluster", "no event", "no value", "always now", "ever now", "no sample"],
)  # fmt: skip
def test_what_never_holds_or_varies_is_a_warning(text: str, said: str) -> None:
    assert [str(warning).removeprefix("s.yaml:") for warning in load_text(text, "s.yaml").warnings] == [said]


@pytest.mark.parametrize(
    "parts",
    [
        {"features": "{a: {since_last: {event: X}, missing: 3}}"},  # timed samples see it vary
        {"sample": QUIET, "features": "{a: {since_last: {event: Y}, missing: 3}}"},
        {"sample": QUIET, "features": "{a: {since_last: {event: X, where: {a: 1}}, missing: 3}}"},
        {"sample": "{on: [X, Y], every: 7d, silent_for: 0s}", "features": "{a: {since_last: {event: X}, missing: 3}}"},
    ],
)
def test_what_can_vary_is_none(parts: dict[str, str]) -> None:
    assert load_text(model(**parts)).warnings == ()


# What makes a model begin anew

BASE: dict[str, Any] = {
    "key": "p",
    "kind": "clusters",
    "k": 3,
    "sample": {"on": "X", "every": "7d", "silent_for": "30d"},
    "features": {"a": {"did": {"event": "X", "within": "30d"}}, "b": {"trait": "x"}},
}
TARGET = {"event": "X", "within": "30d"}


def definition(**parts: Any) -> str:
    tree = {"models": [{**BASE, **parts}]}
    return load_text(json.dumps(tree), json=True).models[0].definition


@pytest.mark.parametrize(
    "edit",
    [{"name": "N"}, {"description": "D"}, {"labels": {"c1": "A"}}, {"margin": 0.3}, {"rescore": "2d"}],
    ids=lambda edit: next(iter(edit)),
)
def test_words_margin_and_rescore_are_edited_without_a_new_beginning(edit: dict[str, Any]) -> None:
    assert set(edit) <= UNHASHED
    assert definition(**edit) == definition()


def test_these_are_all_that_may_be_edited_so() -> None:
    assert {"name", "description", "labels", "margin", "rescore"} == UNHASHED


@pytest.mark.parametrize(
    "edit",
    [
        {"key": "q"},
        {"k": 4},
        {"k": {"between": [3, 4]}},
        {"sample": {**BASE["sample"], "on": "Y"}},
        {"sample": {**BASE["sample"], "every": "8d"}},
        {"sample": {**BASE["sample"], "silent_for": "31d"}},
        {"features": {"a": {"did": {"event": "X", "within": "31d"}}, "b": {"trait": "x"}}},
        {"features": {"a": {"did": {"event": "X", "within": "30d"}}}},
        {"features": {**BASE["features"], "b": {"trait": "x", "missing": 1}}},
        {"features": {**BASE["features"], "b": {"trait": "x", "bins": [1]}}},
        {"features": {"a": BASE["features"]["a"], "c": {"trait": "x"}}},
        {"on_drift": "refit"},
        {"refit_window": 5000},
        {"warm_up": 100},
        {"warm_up_for": "9d"},
        {"step": 0.1},
        {"as_segmentation": True},
        {"kind": "anomaly", "k": None},
    ],
    ids=json.dumps,
)
def test_all_else_begins_anew(edit: dict[str, Any]) -> None:
    tree = {key: value for key, value in {**BASE, **edit}.items() if value is not None}
    other = load_text(json.dumps({"models": [tree]}), json=True).models[0].definition
    assert other != definition()


def test_a_target_edited_begins_anew() -> None:
    edits = [TARGET, {**TARGET, "within": "31d"}, {**TARGET, "event": "Y"}, {**TARGET, "where": {"paid": True}}]
    trees = [{**{key: BASE[key] for key in ("key", "sample", "features")}, "target": target} for target in edits]
    found = [
        load_text(json.dumps({"models": [{**tree, "kind": "propensity"}]}), json=True).models[0].definition
        for tree in trees
    ]
    assert len(set(found)) == len(edits)


def test_how_a_model_is_written_does_not_matter() -> None:
    as_yaml = """
    models:
      - features: {b: {trait: x}, a: {did: {within: 30d, event: X}}}   # a comment
        sample: {silent_for: 30d, on: X, every: 7d}
        kind: clusters
        k: 3.0
        key: p
    """
    assert load_text(as_yaml).models[0].definition == definition()
    assert re.fullmatch("[0-9a-f]{12}", definition())
