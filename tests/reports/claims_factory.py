"""A small ledger on frozen rows, and the writer of its golden report.

python -m tests.reports.claims_factory     # rewrite tests/reports/golden/REPORT.md after a change that is meant
"""

from pathlib import Path

from regbench.reports.claims.loading import load_ledger
from regbench.reports.claims.report import all_papers, write_report
from tests.reports.factory import make_row

GOLDEN = Path(__file__).parent / "golden"
RESULTS = Path(__file__).parents[2] / "results"
LEDGER = """
documents:
  pb_edropout: {short: PB-EDropout, title: A paper}
methods:
  none: {label: no regularizer, row: Baseline / No Dropout, where: {regularizer.name: none}}
  classic: {label: classic dropout, row: Classic Dropout, where: {regularizer.name: dropout}}
  full: &full
    label: Full
    row: PB-EDropout-Full (ours)
    where: {regularizer.name: pb_edropout}
  mask: {<<: *full, label: Mask, row: PB-EDropout-Mask (ours), mode: mask}
claims:
- id: better
  document: pb_edropout
  main: true
  short: Full better
  claim: Full is better.
  quote: "best** accuracy"
  place: Table 1
  family: one
  effect: {table: "1", column: "{dataset} Acc"}
  chance: {function: best_of_equals, arguments: {methods: 4}}
  note: A note.
  answer: &comparison
    kind: comparison
    experiment: table1
    datasets: [mnist]
    methods: [full]
    references: [none]
    metric: accuracy
    protocol: held-out
    direction: greater
- id: worse
  document: pb_edropout
  claim: Classic dropout is better.
  quote: classic
  place: Table 1
  family: one
  effect: {table: "1", column: "{dataset} Acc"}
  answer: {<<: *comparison, methods: [classic]}
- id: partly
  document: pb_edropout
  claim: Mask is as good on both.
  quote: both
  place: Table 1
  family: two
  answer: {<<: *comparison, datasets: [mnist, cifar10], methods: [mask], direction: none, margin: 0.5}
- id: nowhere
  document: pb_edropout
  claim: It is better on CIFAR-100.
  quote: better
  place: Table 1
  family: one
  effect: {table: "1", column: "{dataset} Acc"}
  answer: {<<: *comparison, datasets: [cifar100]}
- id: printed
  document: pb_edropout
  main: true
  short: lowest loss
  claim: Mask has the lowest loss.
  quote: lowest
  place: Table 1
  answer:
    kind: check
    function: ranks_first
    arguments: {table: "1", row: PB-EDropout-Mask (ours), columns: [CIFAR-10 Loss], best: lowest}
- id: counted
  document: pb_edropout
  claim: As many are masked.
  quote: masked
  place: Table 1
  answer:
    kind: finding
    function: masks_counted
    arguments:
      table: "1"
      row: PB-EDropout-Mask (ours)
      cells: {mnist: MNIST Mask%}
      regularizer: {regularizer.name: pb_edropout}
- id: elsewhere
  document: pb_edropout
  claim: It is better on a large set.
  quote: large
  place: Table 9
  answer: {kind: not run, why: It is large., needed: time.}
- id: opinion
  document: pb_edropout
  claim: It looks good.
  quote: good
  place: Figure 9
  answer: {kind: not testable, why: No measure.}
"""
# By method the test accuracies over five seeds: Full gains, classic dropout loses, both as clearly as can be.
ACCURACIES = {
    "none": [0.980, 0.981, 0.982, 0.980, 0.981],
    "pb_edropout": [0.985, 0.986, 0.988, 0.985, 0.986],
    "dropout": [0.970, 0.972, 0.971, 0.970, 0.973],
}


def ledger_at(folder, text=LEDGER):
    """The ledger of a text, and the papers' numbers."""
    path = Path(folder) / "claims.yaml"
    path.write_text(text)
    papers = all_papers()
    return load_ledger(path, papers), papers


def golden_rows():
    """Rows of three methods on MNIST in five seeds, and a smoke run that must not count."""
    rows = [
        make_row(name, seed, [value], mask=[value - 0.0055 - 0.0002 * (seed % 2)])
        for name, values in ACCURACIES.items()
        for seed, value in enumerate(values)
    ]
    return [*rows, *(make_row(name, 7, [0.1], mask=[0.1], budget="smoke") for name in ACCURACIES)]


def write_golden(folder=GOLDEN):
    ledger, papers = ledger_at(folder)
    (Path(folder) / "claims.yaml").unlink()
    return write_report(ledger, papers, {"table1": golden_rows()}, RESULTS, Path(folder), pictures=False)


if __name__ == "__main__":
    write_golden()
