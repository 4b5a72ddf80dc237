"""Lines below tables of the best of several values: beside chance, and a null control that has none of the effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from regbench.evidence.best_of_many import chance_of_any
from regbench.evidence.estimates import Estimate
from regbench.evidence.groups import Group
from regbench.evidence.notes import Shown, note

ALPHA = 0.05
NULL = "null control"


def choosable(shown: Shown) -> list[tuple[str, object, Group]]:
    """(label, value, trainings) of all that may be chosen."""
    found = [(line.label, value, each) for line in shown.lines for value, each in shown.section.cells(line).items()]
    return [(label, value, shown.section.group(each)) for label, value, each in found if value]


def base_of(shown: Shown, label: str) -> Group | None:
    line = next(line for line in shown.lines if line.label == label)
    return shown.section.group(shown.section.partner(line, line.base))


def naive(shown: Shown) -> dict[str, Estimate]:
    """By line the gain as papers take it: best of k on the test split, uncorrected."""
    return shown.column(best="gain", metric="accuracy", unpaired=True)


def control_of(shown: Shown, control: str) -> Shown | None:
    """The table of the null control, None where it is not shown."""
    section = shown.section
    spec = next((each for each in section.page.tables if each.id == control), None)
    if spec is None or not section.shows(spec):
        return None
    return Shown(section, shown.estimates, spec, section.lines(spec), shown.estimates.table(section, spec))


def share(p_values: Sequence[float | None]) -> str:
    """`2 of 3`: how many of the tested are below alpha."""
    tested = [p for p in p_values if p is not None]
    return f"{sum(p < ALPHA for p in tested)} of {len(tested)}"


@note
def shares(shown: Shown, control: str = "") -> str:
    """In how many lines p is below alpha: by the paper's way, and allowing for the choice; here and in the control."""
    here, null = naive(shown), naive(found) if (found := control_of(shown, control)) else {}
    texts = [f"{share([each.p for each in here.values()])} here", f"{share([e.p_best for e in here.values()])} here"]
    if null:
        texts[0] += f", {share([each.p for each in null.values()])} in the {NULL}{_in_both(here, null)}"
        texts[1] += f", {share([each.p_best for each in null.values()])} in the {NULL}"
    elif control:
        texts[1] += f"; the {NULL} was not run"
    tested = {label: each for label, each in here.items() if each.p is not None}
    chances = [chance_of_any(each.k, len(base_of(shown, label).done), ALPHA) for label, each in tested.items()]
    chance = f"; chance alone would give about {100 * fmean(chances):.0f} % of the lines" if chances else ""
    chance += ", were all trainings independent" if chances else ""
    return (
        f"Lines with p < {ALPHA} by the paper's way (best of k on the test split, uncorrected): {texts[0]}"
        f"{chance}. Allowing for the best of k (Dunnett, uncorrected over lines): {texts[1]}."
    )


def _in_both(here: Mapping[str, Estimate], null: Mapping[str, Estimate]) -> str:
    """The shares over the lines that were tested in both, where these are not all."""
    tested = [{label for label, each in found.items() if each.p is not None} for found in (here, null)]
    both = tested[0] & tested[1]
    if tested[0] == tested[1] or not both:
        return ""
    shares = [share([found[label].p for label in both]) for found in (here, null)]
    return f" (over the lines tested in both: {shares[0]} and {shares[1]})"
