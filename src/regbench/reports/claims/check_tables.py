"""Checks of printed tables: what their numbers add up to.

Each takes the document's numbers and the arguments that the ledger names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from scipy import special

from regbench.evidence.numbers import PaperNumber, PaperNumbers
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import Answer, amount, bare, listed
from regbench.reports.claims.check_answers import CHANCE, checked, find_cell, find_number

BOLD = "in bold"
BASE = "0"  # the column of Table 2 without the loss
BEST = {"lowest": min, "highest": max}


def ranks_first(paper: PaperNumbers, table: str, row: str, columns: Sequence[str], best: str) -> Answer:
    """Is this row the lowest or highest of each column?"""
    parts, good = [], True
    for column in columns:
        cells = [number for number in paper if (number.table, number.column) == (table, column)]
        first = BEST[best](cells, key=lambda number: number.value)
        own = find_number(paper, table, row, column)
        good = good and own.value == first.value
        parts.append(f"{column}: {row} {own.printed}, {best} {first.printed} ({first.row})")
    return checked(good, "; ".join(parts))


def masked_patches(paper: PaperNumbers, table: str, row: str, patches: Mapping[str, int], keep: float) -> Answer:
    """Is the printed share what keeping floor(keep * L) of L patches leaves masked?"""
    parts, good = [], True
    for column, count in patches.items():
        masked = count - math.floor(keep * count)
        share, printed = 100 * masked / count, find_number(paper, table, row, column)
        good = good and f"{share:.2f}" == printed.printed.rstrip("%")
        parts.append(f"{masked} of {count} patches are {share:.2f} %, printed {printed.printed} ({column})")
    return checked(good, "; ".join(parts))


def speedups_agree(paper: PaperNumbers, factor: dict, reduction: dict, before: dict, after: Sequence[dict]) -> Answer:
    """Are the printed sizes of one speed-up the same?"""
    times = find_cell(paper, factor).value
    by_reduction = 1 / (1 - find_cell(paper, reduction).value / 100)
    stops = [find_cell(paper, each).value for each in after]
    ratios = [find_cell(paper, before).value / stop for stop in stops]
    found = (
        f"printed {bare(times, 'times')} times; a reduction of {find_cell(paper, reduction).printed} is "
        f"{by_reduction:.3g} "
        f"times; over {find_cell(paper, before).printed} epochs against {' to '.join(f'{stop:g}' for stop in stops)} "
        "are "
        f"over {min(ratios):.3g} to {max(ratios):.3g} times"
    )
    return checked(math.isclose(times, by_reduction), found)


def difference_of_order(paper: PaperNumbers, high: dict, low: dict, order: float) -> Answer:
    """Is the difference of two printed numbers of this order of magnitude (within a factor of the root of ten)?"""
    first, second = find_cell(paper, high), find_cell(paper, low)
    found = first.value - second.value
    least, most = order / math.sqrt(10), order * math.sqrt(10)
    text = (
        f"{first.printed} minus {second.printed} is {found:.3g}; of order {order:g} would be what is nearer to it, "
        f"by factors, than to its tenth or its tenfold: {least:.2g} to {most:.2g}"
    )
    return checked(least <= found <= most, text)


def all_positive(paper: PaperNumbers, table: str, column: str) -> Answer:
    """Is every number of a column above 0?"""
    cells = [number for number in paper if (number.table, number.column) == (table, column)]
    below = [f"{number.row} {number.printed}" for number in cells if number.value <= 0]
    return checked(not below, f"{len(cells) - len(below)} of {len(cells)} are gains" + _without(below))


def bold_is_highest(paper: PaperNumbers, table: str) -> Answer:
    """Is the bold number of each row its highest?"""
    wrong = []
    for name, cells in _rows(paper, table).items():
        bold = max((cell for cell in cells if BOLD in cell.read), key=lambda cell: cell.value, default=None)
        top = max(cells, key=lambda cell: cell.value)
        if bold is None or bold.value != top.value:
            shown = bold.printed if bold else "nothing"
            wrong.append(f"{name}: bold {shown}, highest {top.printed} at {top.column}")
    total = len(_rows(paper, table))
    return checked(not wrong, f"in {total - len(wrong)} of {total} rows" + _without(wrong))


def count_with_loss(paper: PaperNumbers, table: str, count: dict, total: dict) -> Answer:
    """Does the printed count agree with the table: rows whose highest value is at a strength above 0?"""
    helped, rows = _helped(paper, table)
    printed = [find_cell(paper, each).value for each in (count, total)]
    return checked(
        [helped, rows] == printed, f"{helped} of {rows} rows of the table, printed {printed[0]:g} of {printed[1]:g}"
    )


def count_beyond_chance(paper: PaperNumbers, table: str) -> Answer:
    """Would so many rows have their highest value above strength 0 if the loss did nothing?"""
    helped, rows = _helped(paper, table)
    k = len(next(iter(_rows(paper, table).values())))
    chance = 1 - 1 / k
    p = float(special.bdtrc(helped - 1, rows, chance))
    found = (
        f"were all {k} cells of a row equal, the best would be above strength 0 with chance {k - 1}/{k}: {helped} or "
        "more "
        f"of {rows} has probability {p:.2f}"
    )
    return checked(p < verdicts.ALPHA, found, basis=CHANCE)


def best_strengths(paper: PaperNumbers, table: str, least: float) -> Answer:
    """Are most of the best strengths at least this one?"""
    tops = [float(max(cells, key=lambda cell: cell.value).column) for cells in _rows(paper, table).values()]
    above = sum(top >= least for top in tops)
    levels = sum(float(cell.column) >= least for cell in next(iter(_rows(paper, table).values())))
    width = len(next(iter(_rows(paper, table).values())))
    return checked(
        2 * above > len(tops), f"in {above} of {len(tops)} rows, with {levels} of {width} strengths of that size"
    )


def gains_between(paper: PaperNumbers, table: str, low: dict, high: dict) -> Answer:
    """Are the gains of the best strength over strength 0 between the printed two?"""
    bounds = [find_cell(paper, each).value for each in (low, high)]
    best, mean = [], []
    for cells in _rows(paper, table).values():
        base, others = _base(cells)
        best.append(100 * (max(others) - base))
        mean.append(100 * (fmean(others) - base))
    inside = sum(bounds[0] - 1e-9 <= gain <= bounds[1] + 1e-9 for gain in best)
    found = (
        f"the best of {len(others)} strengths gains {bare(min(best), 'pp', True)} to {amount(max(best), 'pp', True)}; "
        f"{inside} of {len(best)} rows lie within {bounds[0]:g} to {bounds[1]:g} pp; the mean strength gains "
        f"{amount(fmean(mean), 'pp', True)}"
    )
    return checked(inside == len(best), found)


def base_spread(paper: PaperNumbers, table: str, gain: dict) -> Answer:
    """Do equal models without the loss agree better than the printed gain?"""
    groups: dict[str, list[float]] = {}
    for name, cells in _rows(paper, table).items():
        groups.setdefault(name.rsplit(", ", 1)[0], []).append(100 * _base(cells)[0])
    spread = {name: max(values) - min(values) for name, values in groups.items()}
    widest = max(spread, key=spread.get)
    limit = find_cell(paper, gain).value
    found = (
        f"the {len(groups[widest])} cells without the loss of {widest} differ by {amount(spread[widest], 'pp')}, by "
        f"{amount(fmean(spread.values()), 'pp')} on average over {len(spread)} models; the gain is {limit:g} pp"
    )
    return checked(spread[widest] < limit, found)


def resolution(paper: PaperNumbers, table: str, step: float, gain: dict) -> Answer:
    """How many test images do the printed accuracies fit, and is the gain above two standard errors of a difference?"""
    cells = [number for number in paper if number.table == table]
    fit = sum(abs(cell.value / step - round(cell.value / step)) < 1e-6 for cell in cells)
    images, share = round(1 / step), fmean(cell.value for cell in cells)
    error = 100 * math.sqrt(share * (1 - share) / images)
    limit = find_cell(paper, gain).value
    found = (
        f"{fit} of {len(cells)} cells are multiples of {step:g}, as if from {images} images: the standard error of one "
        f"is {amount(error, 'pp')}, that of a difference {amount(math.sqrt(2) * error, 'pp')}; the gain is {limit:g} pp"
    )
    return checked(limit > 2 * math.sqrt(2) * error, found, basis=CHANCE)


def rows_above(paper: PaperNumbers, table: str, pairs: Sequence[Sequence[str]]) -> Answer:
    """Is the highest value of the first row above that of the second, pair by pair?"""
    rows = _rows(paper, table)
    margins = [
        100 * (max(cell.value for cell in rows[first]) - max(cell.value for cell in rows[second]))
        for first, second in pairs
    ]
    parts = [amount(margin, "pp", True) for margin in margins]
    return checked(all(margin > 0 for margin in margins), f"the best strengths differ by {listed(parts)}")


def highest_row(paper: PaperNumbers, table: str, model: str, ends: str) -> Answer:
    """Does the highest value of a model's rows stand in a row of this ending?"""
    cells = [number for number in paper if number.table == table and number.row.startswith(model)]
    top = sorted(cells, key=lambda number: -number.value)[:2]
    places = [f"{cell.printed} ({cell.row}, {cell.column})" for cell in top]
    return checked(top[0].row.endswith(ends), f"highest {places[0]}, next {places[1]}")


def better_than_first(paper: PaperNumbers, table: str, column: str, nearly: bool = False) -> Answer:
    """Is every further row of a column above its first? `nearly`: are more of them than chance gives?"""
    cells = [number for number in paper if (number.table, number.column) == (table, column)]
    base, others = cells[0], cells[1:]
    above = sum(cell.value > base.value for cell in others)
    p = float(special.bdtrc(above - 1, len(others), 0.5))
    found = (
        f"{above} of {len(others)} are above {base.printed}; were each as likely above as below, so many or more have "
        f"probability {p:.2g}"
    )
    if nearly:
        return checked(p < verdicts.ALPHA, found, basis=CHANCE)
    return checked(above == len(others), found)


def faster_by(paper: PaperNumbers, table: str, epochs: str, seconds: str, claimed: dict) -> Answer:
    """Is the printed speed-up one in epochs, or in the seconds that an epoch happened to take?"""
    times = {n.row: n.value for n in paper if (n.table, n.column) == (table, seconds)}
    counts = {n.row: n.value for n in paper if (n.table, n.column) == (table, epochs)}
    base, *others = times
    fastest = min(others, key=times.get)
    saved, fewer = (100 * (1 - part[fastest] / part[base]) for part in (times, counts))
    each = [times[row] / counts[row] for row in times]
    less = sum(counts[row] < counts[base] for row in others)
    found = (
        f"{fastest}: {saved:.1f} % fewer seconds in {counts[fastest]:g} epochs instead of {counts[base]:g}; an epoch "
        "of "
        f"the same network took {min(each):.0f} to {max(each):.0f} seconds"
    )
    detail = f"{less} of {len(others)} strengths need fewer epochs; the seconds that an epoch takes are the machine's."
    return checked(fewer >= find_cell(paper, claimed).value, found, detail)


def same_order(paper: PaperNumbers, table: str, first: str) -> Answer:
    """Is one row the best of every column, and how often would that happen to one of equal methods?"""
    columns: dict[str, list[PaperNumber]] = {}
    for number in (each for each in paper if each.table == table):
        columns.setdefault(number.column, []).append(number)
    best = [
        (max if column.endswith("IS") else min)(cells, key=lambda c: c.value).row for column, cells in columns.items()
    ]
    won, rows = best.count(first), len(next(iter(columns.values())))
    text = (
        f"best in {won} of {len(columns)} columns; were the {rows} methods equal and the columns independent, one "
        "given "
        f"method would have that by chance with probability {rows ** -len(columns):.2g} (one training a cell)"
    )
    return checked(won == len(columns), text)


def scores_compare(paper: PaperNumbers, table: str, higher: str, lower: str, bound: float) -> Answer:
    """Whether two columns come from one extractor that suits both: what speaks against it, with none named."""
    above = _find_column(paper, table, higher)
    below = _find_column(paper, table, lower)
    count = sum(above[row] > below[row] for row in above)
    text = (
        f"{higher} is above {lower} in {count} of {len(above)} rows ({min(above.values()):g} to "
        f"{max(above.values()):g} "
        f"against {min(below.values()):g} to {max(below.values()):g}), although an ImageNet network sees no digits; a "
        f"classifier of digits bounds IS by {bound:g}"
    )
    return Answer(verdicts.NOT_TESTABLE, "not testable", f"no extractor is named, and none can be excluded; {text}")


def _find_column(paper: PaperNumbers, table: str, column: str) -> dict[str, float]:
    return {number.row: number.value for number in paper if (number.table, number.column) == (table, column)}


def _rows(paper: PaperNumbers, table: str) -> dict[str, list[PaperNumber]]:
    rows: dict[str, list[PaperNumber]] = {}
    for number in paper:
        if number.table == table:
            rows.setdefault(number.row, []).append(number)
    return rows


def _base(cells: Sequence[PaperNumber]) -> tuple[float, list[float]]:
    """The value without the loss, and those with it."""
    base = next(cell.value for cell in cells if cell.column == BASE)
    return base, [cell.value for cell in cells if cell.column != BASE]


def _helped(paper: PaperNumbers, table: str) -> tuple[int, int]:
    rows = [_base(cells) for cells in _rows(paper, table).values()]
    return sum(max(others) > base for base, others in rows), len(rows)


def _without(names: Sequence[str]) -> str:
    return f"; not {listed(names)}" if names else ""
