"""The words around the entropy paper's Table 1: how to read it, and the lines below each table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean, median

import numpy as np

from regbench.evidence import stats
from regbench.evidence.best_of_many import chance_of_any
from regbench.evidence.cells import number
from regbench.evidence.groups import Group, flatten
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.tables import EN_DASH, MINUS
from regbench.reports.entropy.cnn_gains import ALPHA, GAINS, Result, accuracy
from regbench.reports.entropy.cnn_groups import NULL, SEEDS_APART, Line

GUIDE = f"""# Table 1 of the entropy paper: small CNNs with a convolutional entropy loss

How to read this:

- The question: does the entropy loss help a small CNN, or does taking the best of several lambdas? The paper trains
  every lambda, takes the best one of each architecture and tests it against one baseline, uncorrected for having
  chosen. The *null control* does the same with further trainings of lambda = 0 in the place of the lambdas: what it
  "gains" and how often it is "significant" is chance alone. A penalty helps where it does better than that. The
  trainings of one seed share their first weights and the order of images over all lambdas, null groups do not: where
  this makes trainings alike, the null control shows more chance than there is.
- `n` counts independently seeded trainings (of the baseline), `k` the lambdas that the best was taken from.
  `±` and `[ , ]` are two-sided 95 % t-intervals; they do not allow for the choice.
- Protocol `paper`: each training's epoch with the best test accuracy, then the lambda with the best mean test
  accuracy; one-sided Welch t-test, uncorrected, as the paper tests. Protocol `held-out`: epoch and lambda are both
  chosen on held-out images, the test split is reported; paired by seed, one-sided, Holm-corrected over the table's
  lines. Ties go to the earlier epoch and the smaller lambda.
- `held-out` chooses on other images but by the same trainings: what is chance in the test images is gone, what is
  chance in the training seeds is not. The null control shows how much of it is left.
- *p for the best of k* allows for the choice: Dunnett's test of all k lambdas against the one baseline, one-sided. In
  protocol `paper` it is the smallest of the k, in `held-out` that of the lambda chosen. In brackets Holm's, over the
  table's lines.
- The paper prints "validation accuracy" and calls it test accuracy in its text: it stands beside our test split. It
  does not say which lambda was the best, nor what it was the best in; ours is the best in test accuracy, for the
  gain in training accuracy too. Of its gains it prints a p only where it is below {ALPHA}.
- Training accuracy is the running mean over the epoch that protocol `paper` picks.
- The held-out images never train. The paper states neither epochs, batch size nor learning rate: ours stand below the
  table, and the gains can be compared with the paper's only as far as these are alike.
- Accuracies of budget `quick` are no reproduction: it trains for a few epochs on a part of the images.
- `X`: a training failed (its footnote says why). `not run`: no row. An en dash: nothing to print.
- Tables of different budgets are never mixed.
"""


def settings_note(rows: Sequence[dict]) -> str:
    """What the penalized rows of one table share, the strengths apart."""
    if not rows:
        return f"Lambdas: {EN_DASH} (not run)."
    method = rows[0]["config"]["regularizer"]["method"]
    strengths = ", ".join(f"{value:g}" for value in sorted({row["strength"] for row in rows}))
    return (
        f"Lambdas: {strengths}; placement {method['placement']}, form {method['form']}, eps {method['eps']:g}; "
        f"{_network(rows[0])}."
    )


def null_note(lines: Sequence[Line], missing: dict[str, list[str]], rows: Sequence[dict]) -> str:
    """What the null groups are, and how many of those looked for are not there, over all lines."""
    found, absent = sum(len(line.choices) for line in lines), sum(map(len, missing.values()))
    return (
        f"Null group g: lambda = 0, seeds {SEEDS_APART} g + s; s is paired with the baseline's seed s, with which it "
        f"shares neither first weights nor the order of images. {found} groups have rows, {absent} have none and are "
        f"left out; {_network(rows[0])}."
    )


def shares_note(here: Sequence[Result], null: Sequence[Result], is_null: bool) -> str:
    """In how many lines p is below alpha: by the paper's way, and allowing for the choice; here and in the control."""
    naive = f"{_share(here, _naive)} here"
    allowed = f"{_share(here, _allowed)} here"
    if not is_null and null:
        naive += f", {_share(null, _naive)} in the {NULL}{_in_both(here, null)}"
        allowed += f", {_share(null, _allowed)} in the {NULL}"
    elif not null:
        allowed += f"; the {NULL} was not run"
    return (
        f"Lines with p < {ALPHA} by the paper's way (best of k on the test split, uncorrected): "
        f"{naive}{_chance(here)}. "
        f"Allowing for the best of k (Dunnett, uncorrected over lines): {allowed}."
    )


def paper_share_note(paper_numbers: PaperNumbers) -> str:
    """The same share in the paper's own table."""
    gains = [number for number in paper_numbers if number.table == "1" and number.column == "Mean Delta Val. Acc."]
    printed = [paper_numbers.find("1", gain.row, "Delta Val. Acc., p") for gain in gains]
    low = sum(p is not None and p.value < ALPHA for p in printed)
    return f"In the paper's own table: {low} of {len(gains)} lines."


def gains_note(here: Sequence[Result], null: Sequence[Result], is_null: bool) -> str:
    """The mean gain over the lines by each protocol, here and in the control."""
    parts = [f"here {_mean_gains(here)}"]
    if not is_null and null:
        parts.append(f"in the {NULL} {_mean_gains(null)}")
    return f"Mean gain over the lines, in pp: {'; '.join(parts)}."


def likeness_note(lines: Iterable[Line]) -> str | None:
    """How alike the trainings of one seed come out; the tests that take them as independent rest on it."""
    found = [
        correlation
        for line in lines
        for group in line.choices.values()
        if line.baseline and (correlation := _correlation(line.baseline, group)) is not None
    ]
    if not found:
        return None
    mean = f"{fmean(found):+.2f}".replace("-", MINUS)
    return (
        f"Correlation over seeds with the baseline's test accuracy (protocol paper): {mean}, mean over "
        f"{len(found)} group{'s' * (len(found) != 1)}. Welch's and Dunnett's tests and the chance above take "
        "0; above 0, true p-values and chances are smaller."
    )


def gradient_medians(group: Group) -> tuple[float, float] | None:
    """Median over seeds of the penalty's gradient norm in the first and last epoch; None where it is not recorded."""
    pairs = []
    for row in group.done:
        epochs = sorted(row["epochs"], key=lambda entry: entry["epoch"])
        norms = [entry.get("measures", {}).get("train", {}).get("gradient_norm") for entry in (epochs[0], epochs[-1])]
        if None in norms:
            return None
        pairs.append(norms)
    return (median(first for first, _ in pairs), median(last for _, last in pairs)) if pairs else None


def gradient_note(lines: Iterable[Line]) -> str | None:
    """The penalty's gradient norm by strength: medians over seeds, from the lowest architecture to the highest."""
    medians: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        for name, group in line.choices.items():
            if pair := gradient_medians(group):
                medians.setdefault(name, []).append(pair)
    if not medians:
        return None
    parts = [
        f"{name}: {_range(a for a, _ in medians[name])}, {_range(b for _, b in medians[name])}"
        for name in sorted(medians, key=float)
    ]
    return (
        "Norm of the penalty's gradient at the end of the first and of the last epoch (median over seeds, lowest to "
        f"highest architecture) at lambda {'; '.join(parts)}."
    )


def _network(row: dict) -> str:
    model, task = row["config"]["model"], flatten(row["config"]["task"])
    optimizer = str(task.get("optimizer._target_", EN_DASH)).rsplit(".", 1)[-1]
    rate, batch = task.get("optimizer.lr", EN_DASH), task.get("batch_size", EN_DASH)
    return f"leaky ReLU of slope {model['slope']:g}; {optimizer}, learning rate {rate}, batches of {batch}"


def _correlation(baseline: Group, group: Group) -> float | None:
    """Pearson's correlation over the seeds in common; None with fewer than three or without spread."""
    read = accuracy("paper")
    ours, theirs = group.per_seed(read), baseline.per_seed(read)
    seeds = sorted(set(ours) & set(theirs))
    pair = [[values[seed] for seed in seeds] for values in (ours, theirs)]
    if len(seeds) < 3 or any(stats.mean_interval(values).half_width is None for values in pair):
        return None
    return float(np.corrcoef(pair)[0, 1])


def _naive(result: Result) -> float | None:
    return result.records[GAINS["paper"]].p


def _allowed(result: Result) -> float | None:
    return result.chosen["paper"].p if result.chosen else None


def _share(results: Sequence[Result], read) -> str:
    tested = [p for result in results if (p := read(result)) is not None]
    return f"{sum(p < ALPHA for p in tested)} of {len(tested)}"


def _in_both(here: Sequence[Result], null: Sequence[Result]) -> str:
    """The shares over the architectures that were tested in both, where these are not all."""
    tested = [
        {result.line.architecture for result in results if _naive(result) is not None} for results in (here, null)
    ]
    both = tested[0] & tested[1]
    if tested[0] == tested[1] or not both:
        return ""
    shares = [_share([r for r in results if r.line.architecture in both], _naive) for results in (here, null)]
    return f" (over the architectures tested in both: {shares[0]} and {shares[1]})"


def _chance(results: Sequence[Result]) -> str:
    chances = [
        chance_of_any(len(result.line.choices), len(result.line.baseline.done), ALPHA)
        for result in results
        if _naive(result) is not None
    ]
    if not chances:
        return ""
    return f"; chance alone would give about {100 * fmean(chances):.0f} % of the lines, were all trainings independent"


def _mean_gains(results: Sequence[Result]) -> str:
    parts = []
    for protocol, key in GAINS.items():
        means = [result.records[key].mean for result in results if result.records[key].mean is not None]
        mean = number(fmean(means), "pp", signed=True) if means else EN_DASH
        parts.append(f"{mean} by protocol {protocol} ({len(means)} line{'s' * (len(means) != 1)})")
    return ", ".join(parts)


def _range(values: Iterable[float]) -> str:
    ordered = sorted(values)
    low, high = f"{ordered[0]:.3g}", f"{ordered[-1]:.3g}"
    return low if low == high else f"{low} to {high}"
