"""What a penalty gains over its baseline when the best of several strengths is taken, by both protocols.

Accuracies in percent, gains in percentage points; all tests are one-sided: is the penalized training better?
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from regbench.evidence import protocols, stats
from regbench.evidence.best_of_many import best_of, dunnett_p
from regbench.evidence.groups import Group
from regbench.evidence.records import Record, compared, corrected, measured
from regbench.reports.entropy.cnn_groups import Line

ALPHA = 0.05  # the paper's
MODE = "full"
TRAIN_GAIN = ("train_gain", "paper")
GAINS = {protocol: ("gain", protocol) for protocol in protocols.PROTOCOLS}


@dataclass(frozen=True)
class Choice:
    """The best of a line's choices by one protocol.

    `p` is Dunnett's over all of the line's choices: in protocol `paper` the smallest, in `held-out` that of the
    one which was chosen. `p_holm` is corrected over the table's lines.
    """

    name: str
    p: float | None
    p_holm: float | None = None


@dataclass(frozen=True)
class Result:
    """A line with its records by (metric, protocol) and its choices by protocol (empty where none can be made)."""

    line: Line
    records: dict[tuple[str, str], Record]
    chosen: dict[str, Choice]


def results(lines: Sequence[Line], word: str) -> list[Result]:
    """The results of one table, p-values Holm-corrected over its lines. `word` is what is chosen, for footnotes."""
    found = [_result(line, word) for line in lines]
    for protocol in GAINS:
        found = _corrected(found, protocol)
    return found


def accuracy(protocol: str) -> Callable[[dict], float]:
    """Reads a row's test accuracy in percent."""
    return lambda row: 100 * protocols.reported(row, protocol, MODE, "accuracy")


def train_accuracy(row: dict) -> float:
    """The running training accuracy in percent of the epoch that protocol `paper` picks."""
    return 100 * protocols.selected(row, "paper", MODE)["train"]["accuracy"]


def choice_records(line: Line) -> list[tuple[str, Record]]:
    """(name, accuracy) of every choice of the line by both protocols."""
    return [
        (name, measured(group, Record(line.architecture, "accuracy", protocol, "%", "done"), accuracy(protocol)))
        for name, group in line.choices.items()
        for protocol in protocols.PROTOCOLS
    ]


def _result(line: Line, word: str) -> Result:
    records = _base(line)
    blocked = _no_gain(line, word)
    if blocked:
        return Result(line, records | {key: replace(blocked, metric=key[0], protocol=key[1]) for key in _keys()}, {})
    chosen = {protocol: _choose(line, protocol) for protocol in protocols.PROTOCOLS}
    best = line.choices[chosen["paper"].name]
    held_out = line.choices[chosen["held-out"].name]
    few = _fewer(line, chosen["paper"].name, word)
    reader = accuracy("held-out")
    gains = {
        TRAIN_GAIN: _welch(line, best, _blank(line, TRAIN_GAIN), train_accuracy, few),
        GAINS["paper"]: _welch(line, best, _blank(line, GAINS["paper"]), accuracy("paper"), few),
        GAINS["held-out"]: compared(
            held_out, line.baseline, _blank(line, GAINS["held-out"]), reader, reader, "the baseline", "greater"
        ),
    }
    return Result(line, records | gains, chosen)


def _keys() -> tuple[tuple[str, str], ...]:
    return (TRAIN_GAIN, *GAINS.values())


def _blank(line: Line, key: tuple[str, str]) -> Record:
    return Record(line.architecture, *key, "pp", "done")


def _base(line: Line) -> dict[tuple[str, str], Record]:
    readers = {("train_accuracy", "paper"): train_accuracy}
    readers |= {("accuracy", protocol): accuracy(protocol) for protocol in protocols.PROTOCOLS}
    return {
        key: measured(line.baseline, Record(line.architecture, *key, "%", "done"), reader)
        for key, reader in readers.items()
    }


def _no_gain(line: Line, word: str) -> Record | None:
    """Why this line has no gain at all; None where it has."""
    blank = _blank(line, TRAIN_GAIN)
    if not line.choices:
        return replace(blank, status="not run")
    groups = {"baseline": line.baseline} | {f"{word} {name}": group for name, group in line.choices.items()}
    failed = {name: group for name, group in groups.items() if group and group.failed}
    if failed:
        notes = tuple(f"{line.architecture}, {name}: {group.failure}" for name, group in failed.items())
        seeds = tuple(sorted({seed for group in failed.values() for seed in group.failed_seeds}))
        return replace(blank, status="failed", failed_seeds=seeds, notes=notes)
    return None if line.baseline else replace(blank, status="absent", notes=("the baseline was not run",))


def _choose(line: Line, protocol: str) -> Choice:
    """The choice with the best mean accuracy on the split that the protocol chooses on, at its epochs."""
    split = protocols.PROTOCOLS[protocol]

    def score(row: dict) -> float:
        return protocols.selected(row, protocol, MODE)[split][MODE]["accuracy"]

    name = best_of({name: _values(group, score) for name, group in line.choices.items()})
    reader = accuracy(protocol)
    treated = {name: _values(group, reader) for name, group in line.choices.items()}
    p_values = dunnett_p(treated, _values(line.baseline, reader))
    if p_values is None:
        return Choice(name, None)
    return Choice(name, min(p_values.values()) if protocol == "paper" else p_values[name])


def _welch(line: Line, best: Group, blank: Record, value: Callable[[dict], float], notes: tuple[str, ...]) -> Record:
    result = stats.welch_test(_values(best, value), _values(line.baseline, value), "greater")
    if result.p is None:
        notes = (*notes, "one training only or no spread at all: no interval and no test")
    return replace(
        blank,
        mean=result.difference,
        low=result.low,
        high=result.high,
        seeds=best.seeds,
        notes=notes,
        comparison=result,
    )


def _fewer(line: Line, name: str, word: str) -> tuple[str, ...]:
    few, most = len(line.choices[name].done), len(line.baseline.done)
    if few == most:
        return ()
    return (f"{word} {name} has n = {few}, the baseline n = {most}: Welch's test takes all of both",)


def _values(group: Group, value: Callable[[dict], float]) -> list[float]:
    return list(group.per_seed(value).values())


def _corrected(found: Sequence[Result], protocol: str) -> list[Result]:
    key = GAINS[protocol]
    gains = corrected([result.records[key] for result in found])
    best = stats.holm([result.chosen[protocol].p if result.chosen else None for result in found])
    return [
        replace(result, records=result.records | {key: gain}, chosen=_with_holm(result.chosen, protocol, p))
        for result, gain, p in zip(found, gains, best, strict=True)
    ]


def _with_holm(chosen: dict[str, Choice], protocol: str, p: float | None) -> dict[str, Choice]:
    return chosen | {protocol: replace(chosen[protocol], p_holm=p)} if chosen else chosen
