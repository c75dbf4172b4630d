"""Wrong definitions, each with what must be said of it: `line: path: message`, all of them."""

# ruff: noqa: E501 - what is said stands on one line, as it is printed

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

TRAILING_COMMA = (
    "Illegal trailing comma before end of array (column 43)"
    if sys.version_info >= (3, 13)
    else "Expecting value (column 44)"
)
"""What Python says of one."""


@dataclass(frozen=True)
class Faulty:
    """One wrong file; `code` where only the loader's code can see it, and no schema."""

    name: str
    text: str
    said: tuple[str, ...]
    json: bool = False
    code: bool = False

    @property
    def places(self) -> set[str]:
        """The paths at which a schema finds it: what is missing or unknown, it says of the mapping around."""
        found = set()
        for line in self.said:
            path, message = line.split(": ", 2)[1:]
            outside = re.search(r"is required|is unknown here|is unknown; (did|known)|is no path", message)
            found.add(re.sub(r"(^[a-z]+|\.[^.]*|\.a\.\.b)$", "", path) if outside else path)
        return found


def when(condition: str, *said: str, code: bool = False) -> Faulty:
    """Return a file with one wrong condition at line 3; `said` without line and `segments[0].when`."""
    text = f"segments:\n  - key: a\n    when: {{{condition}}}\n"
    return Faulty(condition, text, tuple(f"3: segments[0].when{one}" for one in said), code=code)


FAULTY = [
    when("did: {times: 3}", ".did.event: is required; add it"),
    when(
        "did: Order Completed",
        ".did: 'Order Completed' is not a mapping; write a mapping of event, where, times, within",
    ),
    when("did: ", ".did: is empty; write a mapping of event, where, times, within, or remove it"),
    when("did: [A, B]", '.did: ["A", "B"] is not a mapping; write a mapping of event, where, times, within'),
    when("did: {event: 3}", '.did.event: 3 is not a text or a list; put it in quotes: "3"'),
    when('did: {event: ""}', ".did.event: is an empty text; write a word"),
    when("did: {event: [A, null]}", ".did.event[1]: is empty; write a text, or remove it"),
    when(
        'did: {event: [A, "*"]}',
        '.did.event: "*" stands for every event and may not be in a list; write event: "*"',
        code=True,
    ),
    when("did: {event: []}", '.did.event: names no event; write a name, a list of names, or "*"'),
    when("did: {event: X, within: 30 days}", ".did.within: '30 days' is no duration; write 30d"),
    when(
        "did: {event: X, within: 30}",
        ".did.within: 30 is no duration; write a number and one of ms, s, m, h, d, w, like 30d",
    ),
    when(
        "did: {event: X, within: 1 month}",
        ".did.within: '1 month' is no duration; a month is not always as long, write days, like 30d",
    ),
    when(
        "did: {event: X, within: 1mo}",
        ".did.within: '1mo' is no duration; a month is not always as long, write days, like 30d",
    ),
    when("did: {event: X, within: 2 Weeks}", ".did.within: '2 Weeks' is no duration; write 2w"),
    when("did: {event: X, within: 90 min}", ".did.within: '90 min' is no duration; write 90m"),
    when("did: {event: X, within: }", ".did.within: is empty; write a text like 30d, or remove it"),
    when("did: {event: X, within: 30D}", ".did.within: '30D' is no duration; write 30d"),
    when(
        "did: {event: X, within: -3d}",
        ".did.within: '-3d' is no duration; write a number and one of ms, s, m, h, d, w, like 30d",
    ),
    when(
        "did: {event: X, within: 1d12h}",
        ".did.within: '1d12h' is no duration; write a number and one of ms, s, m, h, d, w, like 30d",
    ),
    when(
        "did: {event: X, within: 1.5ms}",
        ".did.within: '1.5ms' is not a whole number of milliseconds; use a smaller unit",
        code=True,
    ),
    when(
        "did: {event: X, times: three}",
        ".did.times: 'three' is not a number or a mapping; write a number or a comparison like {gte: 3}",
    ),
    when(
        'did: {event: X, times: ">=3"}',
        ".did.times: '>=3' is not a number or a mapping; write a number or a comparison like {gte: 3}",
    ),
    when(
        "did: {event: X, times: [3]}",
        ".did.times: [3] is not a number or a mapping; write a number or a comparison like {gte: 3}",
    ),
    when("did: {event: X, times: {}}", ".did.times: says nothing; write a comparison, like gte: 3"),
    when(
        "did: {event: X, times: }", ".did.times: is empty; write a number or a comparison like {gte: 3}, or remove it"
    ),
    when(
        "did: {event: X, times: true}",
        ".did.times: true is not a number or a mapping; write a number or a comparison like {gte: 3}",
    ),
    when("did: {event: X, times: {get: 3}}", ".did.times.get: is unknown here; did you mean gt?"),
    when('did: {event: X, times: {">=": 3}}', ".did.times.>=: is unknown here; did you mean gte?"),
    when(
        "did: {event: X, times: {gte: 2000}}",
        ".did.times: gte 2000 is above 1,000; lower it, or use total with agg: sum",
        code=True,
    ),
    when("did: {event: X, times: {between: [1]}}", ".did.times.between: has 1 entry; write 2"),
    when('did: {event: X, times: {gte: "3"}}', ".did.times.gte: '3' is a text; write 3 without quotes"),
    when("did: {event: X, times: {gte: 1_000}}", ".did.times.gte: '1_000' is a text; write 1000"),
    when("did: {event: X, times: {gte: }}", ".did.times.gte: is empty; write a number, or remove it"),
    when(
        "did: {event: X, where: {country: [DE, AT]}}",
        ".did.where.country: a plain list is no comparison; write in: [...]",
    ),
    when("did: {event: X, where: {country: }}", ".did.where.country: null is no comparison; write exists: false"),
    when("did: {event: X, where: }", ".did.where: is empty; write a mapping of path: comparison, or remove it"),
    when(
        "did: {event: X, where: country}", ".did.where: 'country' is not a mapping; write a mapping of path: comparison"
    ),
    when(
        "did: {event: X, where: {date: {within_last: 3d}}}",
        ".did.where.date.within_last: compares with now, which only traits may; use the window of the condition (within), or before and after",
        code=True,
    ),
    when(
        "did: {event: X, where: {a..b: 3}}",
        ".did.where.a..b: 'a..b' is no path; write names parted by single dots, like address.city",
    ),
    when(
        'did: {event: X, where: {"": 3}}',
        ".did.where.: '' is no path; write names parted by single dots, like address.city",
    ),
    when(
        "did: {event: X, where: {total: {}}}", ".did.where.total: says nothing; write a comparison, like exists: true"
    ),
    when(
        "did: {event: X, where: {total: {greater: 3}}}", ".did.where.total.greater: is unknown here; did you mean gt?"
    ),
    when(
        'did: {event: X, where: {url: {matches: "(a"}}}',
        ".did.where.url.matches: '(a' is no RE2 pattern: missing ): (a",
        code=True,
    ),
    when(
        'did: {event: X, where: {url: {matches: "(?=a)"}}}',
        ".did.where.url.matches: '(?=a)' is no RE2 pattern: invalid perl operator: (?=",
        code=True,
    ),
    when(
        "did: {event: X, where: {url: {starts_with: 3}}}",
        '.did.where.url.starts_with: 3 is not a text; put it in quotes: "3"',
    ),
    when("did: {event: X, where: {url: {exists: yes}}}", ".did.where.url.exists: 'yes' is not true or false"),
    when("did: {event: X, where: {url: {in: DE}}}", ".did.where.url.in: 'DE' is not a list; write [DE]"),
    when(
        "did: {event: X, where: {url: {in: [[A], {b: c}]}}}",
        ".did.where.url.in[0]: a value here is a number, a text, true or false; for one of several write in: [...]",
        ".did.where.url.in[1]: a value here is a number, a text, true or false; for one of several write in: [...]",
    ),
    when(
        "did: {event: X, where: {d: {before: yesterday}}}",
        ".did.where.d.before: 'yesterday' is no date; write YYYY-MM-DD, or RFC 3339 with an offset like 2026-03-01T12:00:00Z",
    ),
    when(
        "did: {event: X, where: {d: {before: 2026-02-30}}}",
        ".did.where.d.before: '2026-02-30' is no date; write YYYY-MM-DD, or RFC 3339 with an offset like 2026-03-01T12:00:00Z",
        code=True,
    ),
    when(
        "total: {event: X, of: total, agg: sum}", ".total: says nothing of the total; write a comparison, like gte: 500"
    ),
    when("total: {event: X, of: total, gte: 3}", ".total.agg: is required; add it"),
    when(
        "total: {event: X, of: total, agg: average, gte: 3}",
        ".total.agg: 'average' is unknown; write one of sum, avg, min, max, distinct, first or last",
        code=True,
    ),
    when(
        "total: {event: X, of: total, agg: sum, within_last: 3d}",
        ".total.within_last: compares with now, which only traits may; use the window of the condition (within), or before and after",
        code=True,
    ),
    when(
        "total: {event: X, of: total, agg: sum, times: 3}",
        ".total.times: is unknown here; known are event, where, eq, ne, gt, gte, lt, lte, between, in, not_in, contains, not_contains, starts_with, ends_with, matches, exists, before, after, of, agg, within",
    ),
    when("since_last: {event: X}", ".since_last: says nothing of the time; write a comparison, like gte: 30d"),
    when(
        "since_last: {event: X, gte: 30}",
        ".since_last.gte: 30 is no duration; write a number and one of ms, s, m, h, d, w, like 30d",
    ),
    when(
        "since_last: {event: X, within: 30d}",
        ".since_last.within: is unknown here; known are event, where, eq, ne, gt, gte, lt, lte, between, in, not_in",
    ),
    when("sequence: {steps: []}", ".sequence.steps: has 0 entries; write at least 1"),
    when(
        "sequence: {steps: [A, B]}",
        ".sequence.steps[0]: 'A' is not a mapping; write a mapping of event, where, within, after",
        ".sequence.steps[1]: 'B' is not a mapping; write a mapping of event, where, within, after",
    ),
    when(
        "sequence: {steps: [{event: A, within: 3d}, {event: B}]}",
        ".sequence.steps: the first step has none before it; write within and after from the second step on",
        code=True,
    ),
    when(
        "sequence: [{event: A}, {event: B}]",
        '.sequence: [{"event": "A"}, {"event": "B"}] is not a mapping; write a mapping of steps, within',
    ),
    when("then_not: {event: A, but: {event: B}}", ".then_not.wait: is required; add it"),
    when(
        "then_not: {event: A, but: B, wait: 1h}", ".then_not.but: 'B' is not a mapping; write a mapping of event, where"
    ),
    when("trait: {}", ".trait: has 0 entries; write at least 1"),
    when("trait: email", ".trait: 'email' is not a mapping; write a mapping of path: comparison"),
    when("trait: {email: null}", ".trait.email: null is no comparison; write exists: false"),
    when("trait: {plan: [a, b]}", ".trait.plan: a plain list is no comparison; write in: [...]"),
    when("trait: {created: {older_than: 30 days}}", ".trait.created.older_than: '30 days' is no duration; write 30d"),
    when(
        "in_segment: [b]", '.in_segment: ["b"] is not a text or a mapping; write a text or a mapping of key, at_least'
    ),
    when("account: {did: {event: X}}", ": account conditions are not there yet; use traits of the customer instead"),
    when(
        "did: {event: X}, total: {event: X, of: t, agg: sum, gte: 3}",
        ": has 2 keys (did, total), a condition has exactly one; put them in a list under all",
    ),
    when("dit: {event: X}", ": 'dit' is no condition; did you mean did?"),
    when(
        "bought: {event: X}",
        ": 'bought' is no condition; write one of all, any, not, did, total, since_last, since_first, sequence, then_not, trait, in_segment, score, cluster, chance",
    ),
    when("all: {did: {event: X}}", '.all: {"did": {"event": "X"}} is not a list; begin each entry with \'- \''),
    when("all: ", ".all: is empty; write a list, or remove it"),
    when(
        "all: [null, 3]",
        ".all[0]: is empty; write a condition: one of all, any, not, did, total, since_last, since_first, sequence, then_not, trait, in_segment, score, cluster, chance",
        ".all[1]: 3 is no condition; write a mapping with one of all, any, not, did, total, since_last, since_first, sequence, then_not, trait, in_segment, score, cluster, chance",
    ),
    when(
        "not: [{did: {event: X}}]", ".not: a list is no condition; put it under all (each must hold) or any (one must)"
    ),
    when("chance: {salt: x, lt: 50}", ".chance.lt: 50 is above 1; a share goes from 0 to 1, so 10 % is 0.1"),
    when("chance: {salt: x, lt: 50%}", ".chance.lt: '50%' is not a number"),
    when("chance: {lt: 0.5}", ".chance.salt: is required; add it"),
    when("cluster: {model: m}", ".cluster.is: is required; add it"),
    when(
        "score: {model: M, gte: 0.5}",
        ".score.model: 'M' is no key; write at most 64 lower-case letters, digits and _, a letter first",
    ),
    when(
        "total: {event: X, of: t, agg: sum, gte: .inf}",
        ".total.gte: .inf is no number that JSON can hold; leave the bound out",
        code=True,
    ),
    when(
        "total: {event: X, of: t, agg: sum, gte: 1e999}",
        ".total.gte: 1e999 is no number that JSON can hold; leave the bound out",
        code=True,
    ),
    when("did: {event: X, wher: {a: 1}}", ".did.wher: is unknown here; did you mean where?"),
    when("did: {event: X, within: 1M}", ".did.within: '1M' is no duration; write 1m for minutes, or days for months"),
    Faulty("list", "- key: a\n", ("1: is no mapping; begin with segments:, then - key: on the next line",), code=True),
    Faulty("string", "hello", ("1: is no mapping; begin with segments:, then - key: on the next line",), code=True),
    Faulty(
        "segments map",
        "segments:\n  a: {when: {all: []}}\n",
        ("1: segments: is no list; begin each definition with - key:",),
    ),
    Faulty("unknown top", "segment:\n  - key: a\n", ("1: segment: is unknown; did you mean segments?",)),
    Faulty("unknown top2", "foo: 1\n", ("1: foo: is unknown; known are segments, segmentations and models",)),
    Faulty(
        "tabs",
        "segments:\n\t- key: a\n",
        ("2: is no YAML: a tab stands where only spaces may; indent with spaces",),
        code=True,
    ),
    Faulty(
        "tabs2",
        "segments:\n  - key: a\n\t  when: {all: []}\n",
        ("3: is no YAML: a tab stands where only spaces may; indent with spaces",),
        code=True,
    ),
    Faulty(
        "dupkey",
        "segments:\n  - key: a\n    key: b\n    when: {all: []}\n",
        ("3: segments[0]: the key 'key' stands twice in one mapping; remove one",),
        code=True,
    ),
    Faulty(
        "alias undefined",
        "segments:\n  - key: a\n    when: *w\n",
        ("3: is no YAML: the alias *w has no anchor &w before it; quote text that begins with *",),
        code=True,
    ),
    Faulty(
        "merge key",
        "x: &d {within: 3d}\nsegments:\n  - key: a\n    when: {did: {<<: *d, event: X}}\n",
        (
            "1: x: is unknown; known are segments, segmentations and models",
            "4: segments[0].when.did: << (merging) is not part of YAML 1.2; write the keys out, or give a whole value an alias",
        ),
        code=True,
    ),
    Faulty(
        "merge key in",
        "segments:\n  - key: a\n    when: {did: &d {event: X, within: 3d}}\n  - key: b\n    when: {did: {<<: *d, times: 3}}\n",
        (
            "5: segments[1].when.did: << (merging) is not part of YAML 1.2; write the keys out, or give a whole value an alias",
            "5: segments[1].when.did.event: is required; add it",
        ),
        code=True,
    ),
    Faulty(
        "recursive alias",
        "segments:\n  - key: a\n    when: &w {not: *w}\n",
        ("3: segments[0]: is nested deeper than 100 levels, or in itself through an alias",),
        code=True,
    ),
    Faulty(
        "two docs",
        "segments: []\n---\nsegments: []\n",
        ("2: is no YAML: a second document begins here (---); put it into a file of its own",),
        code=True,
    ),
    Faulty("no when", "segments:\n  - key: a\n", ("2: segments[0].when: is required; add it",)),
    Faulty(
        "when null",
        "segments:\n  - key: a\n    when:\n",
        (
            "3: segments[0].when: is empty; write a condition: one of all, any, not, did, total, since_last, since_first, sequence, then_not, trait, in_segment, score, cluster, chance",
        ),
    ),
    Faulty("no key", "segments:\n  - when: {all: []}\n", ("2: segments[0].key: is required; add it",)),
    Faulty(
        "item string",
        "segments:\n  - champions\n",
        (
            "2: segments[0]: 'champions' is not a mapping; write a mapping of key, when, name, description, until, min_stay, tags",
        ),
    ),
    Faulty(
        "item null",
        "segments:\n  -\n",
        (
            "2: segments[0]: is empty; write a mapping of key, when, name, description, until, min_stay, tags, or remove it",
        ),
    ),
    Faulty(
        "bad key",
        "segments:\n  - key: Champions\n    when: {all: []}\n",
        (
            "2: segments[0].key: 'Champions' is no key; write at most 64 lower-case letters, digits and _, a letter first",
        ),
    ),
    Faulty(
        "key number",
        "segments:\n  - key: 12\n    when: {all: []}\n",
        ('2: segments[0].key: 12 is not a text; put it in quotes: "12"',),
    ),
    Faulty(
        "event * unquoted",
        "segments:\n  - key: a\n    when: {did: {event: *}}\n",
        ('3: is no YAML: a lone * or & wants quotes: "*"',),
        code=True,
    ),
    Faulty(
        "in_segment unknown",
        "segments:\n  - key: a\n    when: {in_segment: champs}\n  - key: champions\n    when: {all: []}\n",
        ("3: segments[0].when.in_segment: no segment has the key 'champs'; did you mean champions?",),
        code=True,
    ),
    Faulty(
        "in_segment self",
        "segments:\n  - key: a\n    when: {in_segment: a}\n",
        ("2: segments[0].key: in_segment goes in a circle: a → a; take one of these in_segment out",),
        code=True,
    ),
    Faulty(
        "in_segment circle",
        "segments:\n  - key: a\n    when: {in_segment: b}\n  - key: b\n    when: {in_segment: c}\n  - key: c\n    when: {not: {in_segment: a}}\n",
        ("2: segments[0].key: in_segment goes in a circle: a → b → c → a; take one of these in_segment out",),
        code=True,
    ),
    Faulty(
        "in_segment bare",
        "segments:\n  - key: a\n    when: {in_segment: b}\n  - key: b\n    when: {all: []}\nsegmentations:\n  - {key: s, segments: [b], otherwise: o}\n",
        ("3: segments[0].when.in_segment: 'b' is inside a segmentation; write s.b",),
        code=True,
    ),
    Faulty(
        "in_segment sm",
        "segments:\n  - key: a\n    when: {in_segment: s}\n  - key: b\n    when: {all: []}\nsegmentations:\n  - {key: s, segments: [b], otherwise: o}\n",
        ("3: segments[0].when.in_segment: 's' is a segmentation; write s.b or s.o",),
        code=True,
    ),
    Faulty(
        "in_segment sm bad",
        "segments:\n  - key: a\n    when: {in_segment: s.x}\n  - key: b\n    when: {all: []}\nsegmentations:\n  - {key: s, segments: [b], otherwise: o}\n",
        ("3: segments[0].when.in_segment: s has no segment 'x'; it has b, o",),
        code=True,
    ),
    Faulty(
        "sm circle",
        "segments:\n  - key: b\n    when: {in_segment: s.o}\nsegmentations:\n  - {key: s, segments: [b], otherwise: o}\n",
        ("5: segmentations[0].key: in_segment goes in a circle: s → s; take one of these in_segment out",),
        code=True,
    ),
    Faulty(
        "sm no otherwise",
        "segments:\n  - key: b\n    when: {all: []}\nsegmentations:\n  - {key: s, segments: [b]}\n",
        ("5: segmentations[0].otherwise: is required; add it",),
    ),
    Faulty(
        "sm empty",
        "segmentations:\n  - {key: s, segments: [], otherwise: o}\n",
        ("2: segmentations[0].segments: has 0 entries; write at least 1",),
    ),
    Faulty(
        "sm undefined",
        "segmentations:\n  - {key: s, segments: [x], otherwise: o}\n",
        ("2: segmentations[0].segments[0]: no segment has the key 'x'; define it under segments",),
        code=True,
    ),
    Faulty(
        "sm twice",
        "segments:\n  - key: b\n    when: {all: []}\nsegmentations:\n  - {key: s, segments: [b, b], otherwise: o}\n",
        ("5: segmentations[0].segments[1]: 'b' stands in the segmentation 's' already; a segment stands in one, once",),
        code=True,
    ),
    Faulty(
        "sm until",
        "segments:\n  - key: b\n    when: {all: []}\n    until: {any: []}\n    min_stay: 3d\nsegmentations:\n  - {key: s, segments: [b], otherwise: o}\n",
        (
            "4: segments[0].until: a segment inside a segmentation (s) takes no until; remove it",
            "5: segments[0].min_stay: a segment inside a segmentation (s) takes no min_stay; remove it",
        ),
        code=True,
    ),
    Faulty(
        "sm otherwise defined",
        "segments:\n  - key: b\n    when: {all: []}\n  - key: o\n    when: {all: []}\nsegmentations:\n  - {key: s, segments: [b], otherwise: o}\n",
        ("7: segmentations[0].otherwise: 'o' is a segment of its own; choose a key that no segment has",),
        code=True,
    ),
    Faulty(
        "sm segmentation key clash",
        "segments:\n  - key: s\n    when: {all: []}\nsegmentations:\n  - {key: s, segments: [s], otherwise: o}\n",
        ("5: segmentations[0].key: 's' is taken already (s.yaml:2); choose another",),
        code=True,
    ),
    Faulty(
        "sm inline segments",
        "segmentations:\n  - key: s\n    segments:\n      - key: x\n        when: {all: []}\n    otherwise: o\n",
        ("4: segmentations[0].segments[0]: a segment is named by its key here; define it under segments",),
    ),
    Faulty(
        "when list",
        "segments:\n  - key: a\n    when: [{did: {event: X}}]\n",
        ("3: segments[0].when: a list is no condition; put it under all (each must hold) or any (one must)",),
    ),
    Faulty(
        "when str",
        "segments:\n  - key: a\n    when: true\n",
        (
            "3: segments[0].when: true is no condition; write a mapping with one of all, any, not, did, total, since_last, since_first, sequence, then_not, trait, in_segment, score, cluster, chance",
        ),
    ),
    Faulty(
        "tags",
        "segments:\n  - key: a\n    when: {all: []}\n    tags: value\n",
        ("4: segments[0].tags: 'value' is not a list; write [value]",),
    ),
    Faulty(
        "name num",
        "segments:\n  - key: a\n    when: {all: []}\n    name: 2026\n",
        ('4: segments[0].name: 2026 is not a text; put it in quotes: "2026"',),
    ),
    Faulty(
        "name empty",
        'segments:\n  - key: a\n    when: {all: []}\n    name: ""\n',
        ("4: segments[0].name: is an empty text; write a word",),
    ),
    Faulty(
        "name null",
        "segments:\n  - key: a\n    when: {all: []}\n    name:\n",
        ("4: segments[0].name: is empty; write a text, or remove it",),
    ),
    Faulty(
        "min_stay",
        "segments:\n  - key: a\n    when: {all: []}\n    min_stay: 3 h\n",
        ("4: segments[0].min_stay: '3 h' is no duration; write 3h",),
    ),
    Faulty(
        "min_stay null",
        "segments:\n  - key: a\n    when: {all: []}\n    min_stay:\n",
        ("4: segments[0].min_stay: is empty; write a text like 30d, or remove it",),
    ),
    Faulty(
        "until null",
        "segments:\n  - key: a\n    when: {all: []}\n    until:\n",
        (
            "4: segments[0].until: is empty; write a condition: one of all, any, not, did, total, since_last, since_first, sequence, then_not, trait, in_segment, score, cluster, chance",
        ),
    ),
    Faulty(
        "unknown in segment",
        "segments:\n  - key: a\n    when: {all: []}\n    titel: X\n    desc: hey\n",
        (
            "4: segments[0].titel: is unknown here; known are key, name, description, when, until, min_stay, tags",
            "5: segments[0].desc: is unknown here; known are key, name, description, when, until, min_stay, tags",
        ),
    ),
    Faulty(
        "colon in event",
        "segments:\n  - key: a\n    when: {did: {event: Order: Completed}}\n",
        ("3: is no YAML: ':' stands where ',' or '}' should; quote text that holds it",),
        code=True,
    ),
    Faulty(
        "bad indent",
        "segments:\n  - key: a\n     when: {all: []}\n",
        ("3: is no YAML: a second ': ' in one line, or a wrong indentation; quote text with a :",),
        code=True,
    ),
    Faulty(
        "unclosed",
        "segments:\n  - key: a\n    when: {all: [\n",
        ("4: is no YAML: a bracket that is opened before is never closed",),
        code=True,
    ),
    Faulty(
        "unclosed quote",
        'segments:\n  - key: a\n    name: "abc\n    when: {all: []}\n',
        ("3: is no YAML: a quote that opens here is never closed",),
        code=True,
    ),
    Faulty(
        "tag",
        "segments:\n  - key: !!python/object a\n    when: {all: []}\n",
        (
            "2: segments[0].key: has the tag tag:yaml.org,2002:python/object; only plain values are known here, remove it",
        ),
        code=True,
    ),
    Faulty(
        "tag bad",
        "segments:\n  - key: a\n    name: !foo x\n    when: {all: []}\n",
        ("3: segments[0].name: has the tag !foo; only plain values are known here, remove it",),
        code=True,
    ),
    Faulty(
        "json trailing comma",
        '{"segments":[{"key":"a","when":{"all":[]}},]}',
        (f"1: is no JSON: {TRAILING_COMMA}",),
        json=True,
        code=True,
    ),
    Faulty(
        "json comment", '// x\n{"segments":[]}', ("1: is no JSON: Expecting value (column 1)",), json=True, code=True
    ),
    Faulty(
        "json single quote",
        "{'segments':[]}",
        ("1: is no JSON: Expecting property name enclosed in double quotes (column 2)",),
        json=True,
        code=True,
    ),
    Faulty("json yaml", "segments: []", ("1: is no JSON: Expecting value (column 1)",), json=True, code=True),
    Faulty(
        "json unclosed",
        '{"segments":[{"key":"a","when":{"all":[]}}',
        ("1: is no JSON: Expecting ',' delimiter (column 43)",),
        json=True,
        code=True,
    ),
    Faulty(
        "json dup",
        '{"segments":[{"key":"a","key":"b","when":{"all":[]}}]}',
        ("1: segments[0]: the key 'key' stands twice in one mapping; remove one",),
        json=True,
        code=True,
    ),
    Faulty(
        "json NaN",
        '{"segments":[{"key":"a","when":{"total":{"event":"X","of":"t","agg":"sum","gte":NaN}}}]}',
        ("1: segments[0].when.total.gte: NaN is no number that JSON can hold",),
        json=True,
        code=True,
    ),
    Faulty(
        "json tab in string",
        '{"segments":[{"key":"a","name":"a\tb","when":{"all":[]}}]}',
        ("1: is no JSON: Invalid control character at (column 34)",),
        json=True,
        code=True,
    ),
    Faulty("json empty", "", ("1: is no JSON: Expecting value (column 1)",), json=True, code=True),
    Faulty(
        "nul char",
        'segments:\n  - key: "a\x00"\n    when: {all: []}\n',
        ("2: has the character U+0000, which YAML forbids; remove it",),
        code=True,
    ),
    Faulty(
        "after end",
        "segments:\n  - key: a\n    when: {did: {event: X}}}\n",
        ("3: is no YAML: this line is indented otherwise than those it belongs to",),
        code=True,
    ),
    Faulty(
        "key list",
        "segments:\n  - key: a\n    when: {did: {event: X}}\n    ? [a, b]\n    : 1\n",
        ("4: segments[0]: a key is a word, not a list or a mapping",),
        code=True,
    ),
    Faulty(
        "lone surrogate",
        '{"segments":[{"key":"a","name":"\\ud83d","when":{"all":[]}}]}',
        ("1: segments[0].name: has a lone surrogate; write the whole character",),
        json=True,
        code=True,
    ),
]

SEEN_BY_SCHEMA = [case for case in FAULTY if not case.code]
