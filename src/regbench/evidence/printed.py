"""Checks of what a document prints: its own tables, gains and grids of signs, against each other and against chance.

Each takes the document's numbers and the arguments that its claims.yaml names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean

from scipy import special

from regbench.errors import UserError
from regbench.evidence.best_of_many import chance_of_any
from regbench.evidence.claims import Checked, chance, check
from regbench.evidence.numbers import MIRRORED, PaperNumber, PaperNumbers
from regbench.evidence.wording import amount, listed, number

ALPHA = 0.05
BOLD = "in bold"
BASE = "0"  # the column of Table 2 without the loss
BEST = {"lowest": min, "highest": max}


@dataclass(frozen=True)
class Basis:
    """What a check goes by: why it bears a claim out, and why it does not."""

    good: str
    bad: str


NUMBERS = Basis("the document's own numbers bear it out", "the document's own numbers do not bear it out")
FORMULA = Basis("the document's formula bears it out", "the document's formula does not bear it out")
ALGORITHM = Basis("the algorithm as printed does so", "the algorithm as printed does not do so")
CHANCE = Basis(
    "the document's own numbers are beyond what chance alone gives",
    "the document's own numbers are within what chance alone gives",
)
SIMULATION = Basis("a simulation of ours bears it out", "a simulation of ours does not bear it out")
INITIAL = Basis("initial weights, computed here, bear it out", "initial weights, computed here, do not bear it out")


def checked(good: bool, found: str, *details: str, basis: Basis = NUMBERS) -> Checked:
    """Borne out or not, and by what."""
    return Checked(good, found, basis.good if good else basis.bad, details)


def find_number(paper: PaperNumbers, table: str, row: str, column: str) -> PaperNumber:
    found = paper.find(table, row, column)
    if found is None:
        raise UserError(f"{paper.paper}: no number at table={table!r}, row={row!r}, column={column!r}")
    return found


def find_cell(paper: PaperNumbers, place: Mapping[str, str]) -> PaperNumber:
    return find_number(paper, place["table"], place["row"], place["column"])


@check
def ranks_first(paper: PaperNumbers, table: str, row: str, columns: Sequence[str], best: str) -> Checked:
    """Is this row the lowest or highest of each column?"""
    parts, good = [], True
    for column in columns:
        first = BEST[best](_column(paper, table, column), key=_value)
        own = find_number(paper, table, row, column)
        good = good and own.value == first.value
        parts.append(f"{column}: {row} {own.printed}, {best} {first.printed} ({first.row})")
    return checked(good, "; ".join(parts))


@check
def speedups_agree(paper: PaperNumbers, factor: dict, reduction: dict, before: dict, after: Sequence[dict]) -> Checked:
    """Are the printed sizes of one speed-up the same?"""
    times = find_cell(paper, factor).value
    by_reduction = 1 / (1 - find_cell(paper, reduction).value / 100)
    stops = [find_cell(paper, each).value for each in after]
    ratios = [find_cell(paper, before).value / stop for stop in stops]
    found = (
        f"printed {number(times, 'times')} times; a reduction of {find_cell(paper, reduction).printed} is "
        f"{by_reduction:.3g} "
        f"times; over {find_cell(paper, before).printed} epochs against {' to '.join(f'{stop:g}' for stop in stops)} "
        f"are over {min(ratios):.3g} to {max(ratios):.3g} times"
    )
    return checked(math.isclose(times, by_reduction), found)


@check
def difference_of_order(paper: PaperNumbers, high: dict, low: dict, order: float) -> Checked:
    """Is the difference of two printed numbers of this order of magnitude (within a factor of the root of ten)?"""
    first, second = find_cell(paper, high), find_cell(paper, low)
    found = first.value - second.value
    least, most = order / math.sqrt(10), order * math.sqrt(10)
    text = (
        f"{first.printed} minus {second.printed} is {found:.3g}; of order {order:g} would be what is nearer to it, "
        f"by factors, than to its tenth or its tenfold: {least:.2g} to {most:.2g}"
    )
    return checked(least <= found <= most, text)


@check
def all_positive(paper: PaperNumbers, table: str, column: str) -> Checked:
    """Is every number of a column above 0?"""
    cells = _column(paper, table, column)
    below = [f"{cell.row} {cell.printed}" for cell in cells if cell.value <= 0]
    return checked(not below, f"{len(cells) - len(below)} of {len(cells)} are gains" + _without(below))


@check
def bold_is_highest(paper: PaperNumbers, table: str) -> Checked:
    """Is the bold number of each row its highest?"""
    wrong = []
    for name, cells in _rows(paper, table).items():
        bold = max((cell for cell in cells if BOLD in cell.read), key=_value, default=None)
        top = max(cells, key=_value)
        if bold is None or bold.value != top.value:
            shown = bold.printed if bold else "nothing"
            wrong.append(f"{name}: bold {shown}, highest {top.printed} at {top.column}")
    total = len(_rows(paper, table))
    return checked(not wrong, f"in {total - len(wrong)} of {total} rows" + _without(wrong))


@check
def count_with_loss(paper: PaperNumbers, table: str, count: dict, total: dict) -> Checked:
    """Does the printed count agree with the table: rows whose highest value is at a strength above 0?"""
    helped, rows = _helped(paper, table)
    printed = [find_cell(paper, each).value for each in (count, total)]
    return checked(
        [helped, rows] == printed, f"{helped} of {rows} rows of the table, printed {printed[0]:g} of {printed[1]:g}"
    )


@check
def count_beyond_chance(paper: PaperNumbers, table: str) -> Checked:
    """Would so many rows have their highest value above strength 0 if the loss did nothing?"""
    helped, rows = _helped(paper, table)
    k = len(next(iter(_rows(paper, table).values())))
    chance = 1 - 1 / k
    p = float(special.bdtrc(helped - 1, rows, chance))
    found = (
        f"were all {k} cells of a row equal, the best would be above strength 0 with chance {k - 1}/{k}: {helped} "
        f"or more of {rows} has probability {p:.2f}"
    )
    return checked(p < ALPHA, found, basis=CHANCE)


@check
def best_strengths(paper: PaperNumbers, table: str, least: float) -> Checked:
    """Are most of the best strengths at least this one?"""
    tops = [float(max(cells, key=_value).column) for cells in _rows(paper, table).values()]
    above = sum(top >= least for top in tops)
    levels = sum(float(cell.column) >= least for cell in next(iter(_rows(paper, table).values())))
    width = len(next(iter(_rows(paper, table).values())))
    return checked(
        2 * above > len(tops), f"in {above} of {len(tops)} rows, with {levels} of {width} strengths of that size"
    )


@check
def gains_between(paper: PaperNumbers, table: str, low: dict, high: dict) -> Checked:
    """Are the gains of the best strength over strength 0 between the printed two?"""
    bounds = [find_cell(paper, each).value for each in (low, high)]
    best, mean = [], []
    for cells in _rows(paper, table).values():
        base, others = _base(cells)
        best.append(100 * (max(others) - base))
        mean.append(100 * (fmean(others) - base))
    inside = sum(bounds[0] - 1e-9 <= gain <= bounds[1] + 1e-9 for gain in best)
    found = (
        f"the best of {len(others)} strengths gains {number(min(best), 'pp', True)} to {amount(max(best), 'pp', True)}"
        f"; {inside} of {len(best)} rows lie within {bounds[0]:g} to {bounds[1]:g} pp; the mean strength gains "
        f"{amount(fmean(mean), 'pp', True)}"
    )
    return checked(inside == len(best), found)


@check
def base_spread(paper: PaperNumbers, table: str, gain: dict) -> Checked:
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


@check
def resolution(paper: PaperNumbers, table: str, step: float, gain: dict) -> Checked:
    """How many test images do the printed accuracies fit, and is the gain above two standard errors of a difference?"""
    cells = [cell for cells in _rows(paper, table).values() for cell in cells]
    fit = sum(abs(cell.value / step - round(cell.value / step)) < 1e-6 for cell in cells)
    images, share = round(1 / step), fmean(cell.value for cell in cells)
    error = 100 * math.sqrt(share * (1 - share) / images)
    limit = find_cell(paper, gain).value
    found = (
        f"{fit} of {len(cells)} cells are multiples of {step:g}, as if from {images} images: the standard error of one "
        f"is {amount(error, 'pp')}, that of a difference {amount(math.sqrt(2) * error, 'pp')}; the gain is {limit:g} pp"
    )
    return checked(limit > 2 * math.sqrt(2) * error, found, basis=CHANCE)


@check
def rows_above(paper: PaperNumbers, table: str, pairs: Sequence[Sequence[str]]) -> Checked:
    """Is the highest value of the first row above that of the second, pair by pair?"""
    rows = _rows(paper, table)
    margins = [
        100 * (max(cell.value for cell in rows[first]) - max(cell.value for cell in rows[second]))
        for first, second in pairs
    ]
    parts = [amount(margin, "pp", True) for margin in margins]
    return checked(all(margin > 0 for margin in margins), f"the best strengths differ by {listed(parts)}")


@check
def highest_row(paper: PaperNumbers, table: str, model: str, ends: str) -> Checked:
    """Does the highest value of a model's rows stand in a row of this ending?"""
    cells = [cell for name, cells in _rows(paper, table).items() if name.startswith(model) for cell in cells]
    top = sorted(cells, key=_value, reverse=True)[:2]
    places = [f"{cell.printed} ({cell.row}, {cell.column})" for cell in top]
    return checked(top[0].row.endswith(ends), f"highest {places[0]}, next {places[1]}")


@check
def better_than_first(paper: PaperNumbers, table: str, column: str, nearly: bool = False) -> Checked:
    """Is every further row of a column above its first? `nearly`: are more of them than chance gives?"""
    cells = _column(paper, table, column)
    base, others = cells[0], cells[1:]
    above = sum(cell.value > base.value for cell in others)
    p = (len(others) - above + 1) / (len(others) + 1)
    found = (
        f"{above} of {len(others)} are above {base.printed}; were all equal, they share that one: so many or more have "
        f"probability {p:.2g}"
    )
    if nearly:
        return checked(p < ALPHA, found, basis=CHANCE)
    return checked(above == len(others), found)


@check
def faster_by(paper: PaperNumbers, table: str, epochs: str, seconds: str, claimed: dict) -> Checked:
    """Is the printed speed-up one in epochs, or in the seconds that an epoch happened to take?"""
    times, counts = ({cell.row: cell.value for cell in _column(paper, table, name)} for name in (seconds, epochs))
    base, *others = times
    fastest = min(others, key=times.get)
    saved, fewer = (100 * (1 - part[fastest] / part[base]) for part in (times, counts))
    each = [times[row] / counts[row] for row in times]
    less = sum(counts[row] < counts[base] for row in others)
    found = (
        f"{fastest}: {saved:.1f} % fewer seconds in {counts[fastest]:g} epochs instead of {counts[base]:g}; an epoch "
        f"of the same network took {min(each):.0f} to {max(each):.0f} seconds"
    )
    detail = f"{less} of {len(others)} strengths need fewer epochs; the seconds that an epoch takes are the machine's."
    return checked(fewer >= find_cell(paper, claimed).value, found, detail)


@check
def same_order(paper: PaperNumbers, table: str, first: str) -> Checked:
    """Is one row the best of every column, and how often would that happen to one of equal methods?"""
    columns = _grouped(paper, table, "column")
    best = [(max if column.endswith("IS") else min)(cells, key=_value).row for column, cells in columns.items()]
    won, rows = best.count(first), len(next(iter(columns.values())))
    text = (
        f"best in {won} of {len(columns)} columns; were the {rows} methods equal and the columns independent, one "
        f"given method would have that by chance with probability {rows ** -len(columns):.2g} (one training a cell)"
    )
    return checked(won == len(columns), text)


@check
def scores_compare(paper: PaperNumbers, table: str, higher: str, lower: str, bound: float) -> Checked:
    """Whether two columns come from one extractor that suits both: what speaks against it, with none named."""
    above, below = ({cell.row: cell.value for cell in _column(paper, table, name)} for name in (higher, lower))
    count = sum(above[row] > below[row] for row in above)
    text = (
        f"{higher} is above {lower} in {count} of {len(above)} rows ({min(above.values()):g} to "
        f"{max(above.values()):g} "
        f"against {min(below.values()):g} to {max(below.values()):g}), although an ImageNet network sees no digits; a "
        f"classifier of digits bounds IS by {bound:g}"
    )
    return Checked(None, "", f"no extractor is named, and none can be excluded; {text}")


def _value(cell: PaperNumber) -> float:
    return cell.value


def _column(paper: PaperNumbers, table: str, column: str) -> list[PaperNumber]:
    return [cell for cell in paper if (cell.table, cell.column) == (table, column)]


def _rows(paper: PaperNumbers, table: str) -> dict[str, list[PaperNumber]]:
    return _grouped(paper, table, "row")


def _grouped(paper: PaperNumbers, table: str, by: str) -> dict[str, list[PaperNumber]]:
    """The numbers of a table by their row or column, in the printed order."""
    found: dict[str, list[PaperNumber]] = {}
    for cell in paper:
        if cell.table == table:
            found.setdefault(getattr(cell, by), []).append(cell)
    return found


def _base(cells: Sequence[PaperNumber]) -> tuple[float, list[float]]:
    """The value without the loss, and those with it."""
    base = next(cell.value for cell in cells if cell.column == BASE)
    return base, [cell.value for cell in cells if cell.column != BASE]


def _helped(paper: PaperNumbers, table: str) -> tuple[int, int]:
    rows = [_base(cells) for cells in _rows(paper, table).values()]
    return sum(max(others) > base for base, others in rows), len(rows)


def _without(names: Sequence[str]) -> str:
    return f"; not {listed(names)}" if names else ""


@check
def gaps_against_images(
    paper: PaperNumbers, table: str, row: str, reference: str, columns: Sequence[str], images: int
) -> Checked:
    """Is the gap between two accuracies larger than the standard error of one of them on so many test images?"""
    gains = [_gain(paper, table, row, reference, column, images) for column in columns]
    parts = [
        f"{column}: gap {amount(gap, 'pp', True)}, standard error {amount(error, 'pp')}"
        for column, (gap, error) in zip(columns, gains, strict=True)
    ]
    found = f"{'; '.join(parts)} (on {images:,} images, one training a cell)"
    return checked(all(gap > error for gap, error in gains), found, basis=CHANCE)


@check
def gains_larger(
    paper: PaperNumbers, table: str, row: str, references: Sequence[str], columns: Sequence[str], than: str, images: int
) -> Checked:
    """Is the gain over each reference larger in each of these columns than in another, in points?

    The gains in standard errors of one accuracy on so many images stand beside it.
    """
    parts, errors, good = [], [], True
    for reference in references:
        gains = {column: _gain(paper, table, row, reference, column, images) for column in (*columns, than)}
        good = good and all(gains[column][0] > gains[than][0] for column in columns)
        listed = [f"{column} {amount(gap, 'pp', True)}" for column, (gap, _) in gains.items()]
        parts.append(f"over {reference}: {', '.join(listed)}")
        listed = [f"{column} {gap / error:.1f}" for column, (gap, error) in gains.items()]
        errors.append(f"over {reference}: {', '.join(listed)}")
    detail = f"In standard errors of an accuracy on {images:,} images: {'; '.join(errors)}."
    return checked(good, "; ".join(parts), detail)


def _gain(paper: PaperNumbers, table: str, row: str, reference: str, column: str, images: int) -> tuple[float, float]:
    """The gap between two accuracies in pp, and the standard error of the reference's on so many images."""
    ours, theirs = find_number(paper, table, row, column), find_number(paper, table, reference, column)
    share = theirs.value / 100
    return ours.value - theirs.value, 100 * math.sqrt(share * (1 - share) / images)


@check
def signs_agree(paper: PaperNumbers, figure: str) -> Checked:
    """Does the grid of signs contradict itself: is "+" the mirror of "-" everywhere, and the diagonal empty?

    Of a grid that can be read in two ways, it does where both readings do.
    """
    wrong = {name: grid.contradictions() for name, grid in paper.signs(figure).readings().items()}
    parts = [
        _named(name, f"{len(pairs)} of its pairs of strengths contradict themselves{_pairs(pairs)}")
        for name, pairs in wrong.items()
    ]
    return checked(not all(wrong.values()), "; ".join(parts))


@check
def signs_inverse(paper: PaperNumbers, figure: str, other: str) -> Checked:
    """Does each sign of one grid stand with the opposite sign in the other, in some reading of both?"""
    ours, theirs = paper.signs(figure), paper.signs(other)
    parts, good = [], False
    for (name, grid), (other_name, against) in product(ours.readings().items(), theirs.readings().items()):
        shared = [(a, b) for a in grid.strengths for b in grid.columns if a != b and against.sign(a, b) is not None]
        same = sum(against.sign(a, b) == MIRRORED[grid.sign(a, b)] for a, b in shared)
        good = good or same == len(shared)
        named = _named(name and f"{figure} {name}", "") + _named(other_name and f"{other} {other_name}", "")
        parts.append(f"{named}{same} of {len(shared)} signs are inverse")
    widths = f"Figure {figure} is of width {ours.width}, Figure {other} of {theirs.width}"
    return checked(good, "; ".join([*parts, widths]))


@check
def signs_below(paper: PaperNumbers, figures: Sequence[str]) -> Checked:
    """How many strengths have a significantly lower value than strength 0?"""
    parts, lower = [], 0
    for figure in figures:
        signs = paper.signs(figure)
        marks = [signs.sign(strength, 0.0) for strength in signs.strengths if strength != 0]
        lower += marks.count("-")
        parts.append(f"Figure {figure}: {marks.count('-')} of {len(marks)} lower, {marks.count('+')} higher")
    return checked(lower > 0, "; ".join(parts))


@check
def widths_on_grid(paper: PaperNumbers, figures: Sequence[str], first: int, last: int, step: int) -> Checked:
    """Are the widths of the printed tests among the widths that were trained?"""
    grid = range(first, last + 1, step)
    widths = {figure: paper.signs(figure).width for figure in figures}
    off = [f"{figure}: {width}" for figure, width in widths.items() if width not in grid]
    return checked(not off, f"off the grid {first}, {first + step}, ..., {last}: {listed(off) if off else 'none'}")


@check
def helps_in_all_but_first(paper: PaperNumbers, table: str, model: str) -> Checked:
    """Does the best strength beat strength 0 in every row of a model but its first?"""
    rows = {name: cells for name, cells in _rows(paper, table).items() if name.startswith(model)}
    without = [name for name, cells in rows.items() if max(cells, key=_value).column == BASE]
    text = f"in {len(rows) - len(without)} of {len(rows)} rows; not {', '.join(without) or 'none'}"
    return checked(without == list(rows)[:1], text)


@check
def best_as_suggested(paper: PaperNumbers, table: str, suggested: Mapping[str, str]) -> Checked:
    """Is the highest value of every model and strategy in the row that the pretrained network suggests?"""
    groups: dict[str, list[PaperNumber]] = {}
    for name, cells in _rows(paper, table).items():
        groups.setdefault(name.rsplit(", ", 1)[0], []).extend(cells)
    tops = {name: max(cells, key=_value).row.rsplit(", ", 1)[1] for name, cells in groups.items()}
    good = [name for name, top in tops.items() if top == suggested[name.partition(",")[0]]]
    others = [f"{name}: {top}" for name, top in tops.items() if name not in good]
    return checked(
        len(good) == len(tops), f"in {len(good)} of {len(tops)}" + f"; not {'; '.join(others)}" * bool(others)
    )


@check
def two_groups(paper: PaperNumbers, figure: str) -> Checked:
    """Do the signs of a grid part the strengths into a lower and a higher group, with no difference within either?"""
    readings = paper.signs(figure).readings().values()
    good = False
    for grid in readings:
        ordered = sorted(set(grid.strengths) & set(grid.columns))
        for cut in range(1, len(ordered)):
            low, high = ordered[:cut], ordered[cut:]
            within = all(grid.sign(a, b) == " " for part in (low, high) for a in part for b in part if a != b)
            good = good or (within and all(grid.sign(a, b) == "-" for a in low for b in high))
    said = "two groups" if good else "no cut of the strengths makes two groups without a difference within them"
    return checked(good, f"Figure {figure}: {said}")


def _named(reading: str, text: str) -> str:
    """The text of a reading with its name, where there is more than one."""
    return f"{reading}: {text}" if reading else text


def _pairs(pairs: Sequence[tuple[float, float]]) -> str:
    shown = [f"{a:g} and {b:g}" for a, b in pairs[:3]]
    return f" ({'; '.join(shown)}{'; ...' if len(pairs) > 3 else ''})" if pairs else ""


@chance
def best_of_equals(paper: PaperNumbers, methods: int, columns: int = 1, of: int = 1) -> str:
    """How often a given method, or one of several given ones, ranks first of equal methods with one run a cell."""
    share = of / methods
    first = f"one given method of {methods}" if of == 1 else f"one of {of} given methods of {methods}"
    once = (
        f"Were all methods equal, {first} would be the best of a column of single trainings in {100 * share:.0f} % of "
        "cases"
    )
    return once + (f", of {columns} columns at once in {100 * share**columns:.1f} %." if columns > 1 else ".")


@chance
def best_of_strengths(paper: PaperNumbers, strengths: int, n: int, lines: int) -> str:
    """How often the best of several strengths passes the paper's uncorrected test where nothing works."""
    chance = chance_of_any(strengths, n)
    return (
        f"Where nothing works, the best of {strengths} strengths passes one uncorrected test at 0.05 in "
        f"{100 * chance:.0f} % of lines (n = {n}, independent trainings): {lines * chance:.1f} of {lines} lines are "
        f"expected, all {lines} happen with probability {chance**lines:.1g}."
    )
