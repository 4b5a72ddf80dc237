"""The pairwise t-tests under the entropy paper's Figures 3 to 6 (b): ours beside the grids that the paper prints."""

from __future__ import annotations

from regbench.evidence import stats
from regbench.evidence.numbers import PaperNumbers, PaperSigns
from regbench.evidence.settings import replicates
from regbench.evidence.tables import EN_DASH, MINUS, Cell, Table
from regbench.reports.entropy.autoencoders import FIGURES, MEASURES, Page, Variant, short

ALPHA = 0.01  # the paper's, two-sided and uncorrected


def sign_tables(page: Page, measure: str, numbers: PaperNumbers) -> list[Table]:
    """The pairwise tests of Figure 3 to 6 (b): ours as the paper tests, ours Holm-corrected, and the paper's grid."""
    figure = FIGURES.get(page.dataset, {}).get(measure)
    if figure is None:
        return []
    printed = numbers.signs(f"{figure}b")
    width = min(page.widths, key=lambda width: (abs(width - printed.width), width))
    found = []
    for variant in page.variants:
        groups = {s: page.groups[variant, width, s] for s in page.strengths if (variant, width, s) in page.groups}
        strengths = [s for s, group in groups.items() if group.done and not group.failed]
        if len(strengths) > 1:
            found.append(_sign_table(page, measure, variant, width, strengths, printed))
    return found


def _sign_table(
    page: Page, measure: str, variant: Variant, width: int, strengths: list[float], printed: PaperSigns
) -> Table:
    read = MEASURES[measure][2]
    values = {
        strength: [read(row, "paper") for row in page.groups[variant, width, strength].done] for strength in strengths
    }
    pairs = [(a, b) for place, a in enumerate(strengths) for b in strengths[place + 1 :]]
    tested = {pair: _compare(values[pair[0]], values[pair[1]]) for pair in pairs}
    holm = dict(zip(pairs, stats.holm([p for _, p in tested.values()]), strict=True))
    alone = {pair: p for pair, (_, p) in tested.items()}
    lines = []
    for a in strengths:
        cells = [Cell(f"lambda {short(a)}")]
        for b in strengths:
            plain, corrected = _sign(a, b, tested, alone), _sign(a, b, tested, holm)
            paper = None if printed.sign(a, b) is None else printed.sign(a, b).strip()
            shown = [{"+": "+", "-": MINUS, "": "0"}.get(sign, EN_DASH) for sign in (plain, corrected, paper)]
            cells.append(Cell(" / ".join(shown) if a != b else ""))
        lines.append(tuple(cells))
    name = MEASURES[measure][1]
    where = f"latent width {width}" + ("" if width == printed.width else f" (the paper's is {printed.width})")
    notes = (
        f"Each cell: uncorrected / Holm-corrected / the paper's Figure {printed.figure}; 0: no significant difference; "
        f"{EN_DASH}: not printed. A lambda that was not run, or of which a training failed, is left out. "
        f"Ours agrees with the paper in {_agreement(strengths, tested, alone, printed)}.",
    )
    n = replicates(page.groups[variant, width, strength] for strength in strengths)
    title = (
        f"{name}, pairwise tests (Figure {printed.figure}), {page.name}, {where}, {n}: {variant.label}, protocol paper"
    )
    return Table(title, ("", *(f"lambda {short(s)}" for s in strengths)), tuple(lines), notes)


def _agreement(strengths: list[float], tested: dict, alone: dict, printed: PaperSigns) -> str:
    """In how many printed cells our uncorrected sign is the paper's; of a grid of two readings in each of them."""
    parts = []
    for name, grid in printed.readings().items():
        cells = [(a, b) for a in strengths for b in strengths if a != b and grid.sign(a, b) is not None]
        agree = sum(_sign(a, b, tested, alone) == grid.sign(a, b).strip() for a, b in cells)
        parts.append(f"{agree} of {len(cells)} printed cells" + (f", {name}" if name else ""))
    return "; ".join(parts)


def _compare(first: list[float], second: list[float]) -> tuple[float, float | None]:
    """Difference of the means and p. Without any spread p is 0 where the means differ and 1 where they are equal."""
    result = stats.welch_test(first, second)
    if result.p is not None:
        return result.difference, result.p
    if min(len(first), len(second)) < 2:
        return result.difference, None
    return result.difference, float(result.difference == 0)


def _sign(a: float, b: float, tested: dict, p_values: dict) -> str | None:
    if a == b:
        return ""
    pair, flip = ((a, b), 1) if (a, b) in tested else ((b, a), -1)
    p, difference = p_values[pair], flip * tested[pair][0]
    if p is None:
        return None
    return ("+" if difference > 0 else "-") if p < ALPHA else ""
