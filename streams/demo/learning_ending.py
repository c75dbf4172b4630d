"""How the demo of models ends: how good they are, who is about to be lost, the personas, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

from rules.dates import format_ms
from streams.demo.ending import command, short
from streams.readable import because

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from streams.demo.learning import Lost
    from streams.insight.book import Entry

MOST_LOST: Final = 8
_DATE: Final = len("1998-06-30")


def lost_lines(lost: Sequence[Lost]) -> Iterator[str]:
    """Yield two lines each of those who brought most: what they brought, and the reason as the change has it."""
    for one in lost[:MOST_LOST]:
        persona = f", persona {one.persona}" if one.persona else ""
        yield f"  {one.customer}  {one.spent:,.2f} dollars in a year, last order {_day(one.last_order_ms)}{persona}"
        yield f"  {'':<{len(one.customer)}}  since {_day(one.since_ms)}: {because(one.because)}"


def _day(at_ms: int) -> str:
    return format_ms(at_ms)[:_DATE]


def persona_table(entry: Entry, sizes: Mapping[str, int]) -> Table:
    """Return the personas: how many customers are in each now, and what is special about them."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True, leading=1)
    table.add_column("persona")
    for name in ("customers", "of recent samples"):
        table.add_column(name, justify="right")
    table.add_column("against everybody", ratio=1)
    table.add_column("typical", no_wrap=True)
    for cluster in (entry.frozen or {}).get("clusters", ()):
        table.add_row(
            Text(cluster["id"], "bold"),
            f"{sizes.get(cluster['id'], 0):,}",
            f"{cluster['share']:.0%}",
            cluster["description"].replace("; ", "\n"),
            "\n".join(cluster["typical"]),
        )
    return table


def next_steps(folder: Path, events: Path, rules: Path) -> str:
    """Return what a person may want to do now; each command can be typed as it stands."""
    segue, where, versions = command(), short(rules), folder / "models.jsonl"
    return f"""\
What next

  look at {folder / "models.png"}
  {segue} model buys_again --file {versions} --rules {where} --png {folder / "buys_again.png"}
      # what it goes by, in words, and how far its scores come true; `spends` and `personas` are the others
  {segue} models --file {versions} --rules {where} --since-start
      # quality over all samples
  {segue} replay --in-memory --rules {where} --events {events} --changes {folder / "changes.jsonl"}
      # every single change with its reason, the model and the version that said it
  {segue} check {where}
      # what models keep of a customer; then write your own: docs/models.md"""
