"""The pairwise t-tests under the entropy paper's Figures 3 to 6 (b): ours beside the grids that the paper prints."""

from __future__ import annotations

from regbench.evidence import stats
from regbench.evidence.documents import beside
from regbench.evidence.groups import Group
from regbench.evidence.numbers import PaperSigns
from regbench.evidence.pages import upper_first
from regbench.evidence.sections import Section
from regbench.evidence.settings import replicates
from regbench.evidence.spec import word
from regbench.evidence.stops import usable
from regbench.evidence.tables import Cell, Table
from regbench.evidence.wording import EN_DASH, MINUS
from regbench.papers.entropy_guidance.autoencoders.extra import FIGURES, PENALTIES

ALPHA = 0.01  # the paper's, two-sided and uncorrected


@beside
def pairwise_tests(section: Section) -> list[Table]:
    """The pairwise tests of Figures 3 to 6 (b): ours as the paper tests, ours Holm-corrected, and the paper's grid."""
    found = []
    for name, number in FIGURES[section.dataset].items():
        printed = section.numbers.signs(f"{number}b")
        cells: dict[tuple[str, int], dict[float, Group]] = {}
        for line in (each for own in PENALTIES for each in section.expanded(section.page.lines[own]) if each.at):
            width, strength = line.at[-2:]
            base = section.group(section.partner(line, line.base))
            own = cells.setdefault((line.names["penalty"], width), {0.0: base} if usable(base) else {})
            own |= {strength: group} if usable(group := section.group(line)) else {}
        widths = sorted({width for _, width in cells}, key=lambda width: (abs(width - printed.width), width))
        for (label, width), groups in cells.items():
            if width == widths[0] and len(groups) > 1:
                found.append(_sign_table(section, name, label, dict(sorted(groups.items())), width, printed))
    return found


def _sign_table(
    section: Section, name: str, label: str, groups: dict[float, Group], width: int, printed: PaperSigns
) -> Table:
    strengths, own = list(groups), section.metric(name)
    values = {strength: [own.read(row, "paper", "full") for row in group.done] for strength, group in groups.items()}
    pairs = [(a, b) for place, a in enumerate(strengths) for b in strengths[place + 1 :]]
    tested = {pair: _compare(values[pair[0]], values[pair[1]]) for pair in pairs}
    holm = dict(zip(pairs, stats.holm([p for _, p in tested.values()]), strict=True))
    alone = {pair: p for pair, (_, p) in tested.items()}
    lines = []
    for a in strengths:
        cells = [Cell(f"lambda {word(a)}")]
        for b in strengths:
            plain, corrected = _sign(a, b, tested, alone), _sign(a, b, tested, holm)
            paper = None if printed.sign(a, b) is None else printed.sign(a, b).strip()
            shown = [{"+": "+", "-": MINUS, "": "0"}.get(sign, EN_DASH) for sign in (plain, corrected, paper)]
            cells.append(Cell(" / ".join(shown) if a != b else ""))
        lines.append(tuple(cells))
    where = f"latent width {width}" + ("" if width == printed.width else f" (the paper's is {printed.width})")
    notes = (
        f"Each cell: uncorrected / Holm-corrected / the paper's Figure {printed.figure}; 0: no significant difference; "
        f"{EN_DASH}: not printed. A lambda that was not run, or of which a training failed, is left out. "
        f"Ours agrees with the paper in {_agreement(strengths, tested, alone, printed)}.",
    )
    title = (
        f"{upper_first(own.words)}, pairwise tests (Figure {printed.figure}), {section.name}, {where}, "
        f"{replicates(groups.values())}: {label}, protocol paper"
    )
    return Table(title, ("", *(f"lambda {word(s)}" for s in strengths)), tuple(lines), notes)


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
