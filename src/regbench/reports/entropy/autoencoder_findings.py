"""What is left of the entropy paper's "4x faster", in sentences and in the README's lines, read from the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from regbench.evidence.groups import Group
from regbench.evidence.stops import stop_epoch
from regbench.reports.entropy.autoencoders import Page, Variant, cap_mark, epochs_to, mse, short

TARGET = 0.01  # "minima within 10^-2"
#: what the README shows
SHOWN = ("entropy, eps 1e-7", "constant, eps 1e-7")
LAMBDAS = (0.01, 10.0)


def findings(page: Page) -> str:
    """What is left of "4x faster", in sentences whose numbers are read from the rows."""
    lines = []
    for variant in page.variants:
        sentences = [_finding(page, variant, width) for width in page.widths]
        lines += [
            f"- {variant.label}, width {width}: {s}" for width, s in zip(page.widths, sentences, strict=True) if s
        ]
        lines += _like_its_constant(page, variant)
    head = "What is left of the speed-up (protocol paper; the largest lambda against lambda = 0):\n"
    return "\n".join([head, *lines, ""]) if lines else ""


def _like_its_constant(page: Page, variant: Variant) -> list[str]:
    """In how many trainings the penalty stops just where the constant lambda / eps does: with a gradient or without."""
    label = variant.label.replace("entropy", "constant")
    constant = next((each for each in page.variants if each.label == label and each != variant), None)
    same: dict[bool, list[bool]] = {False: [], True: []}
    for (found, width, strength), group in page.groups.items():
        other = page.groups.get((constant, width, strength))
        if found == variant and strength != 0 and other is not None:
            stops = other.per_seed(lambda row: stop_epoch(row, "paper"))
            for row in group.done:
                if row["seed"] in stops:
                    same[_had_gradient(row)].append(stop_epoch(row, "paper") == stops[row["seed"]])
    words = {False: "whose penalty never had a gradient, by construction", True: "whose penalty had one"}
    parts = [f"{sum(found)} of {len(found)} {words[kind]}" for kind, found in same.items() if found]
    return (
        [f"- {variant.label}: trainings that stop at the very epoch of {label}: {'; '.join(parts)}."] if parts else []
    )


def _had_gradient(row: dict) -> bool:
    return any(epoch["measures"]["train"]["gradient_norm"] != 0 for epoch in row["epochs"])


def _finding(page: Page, variant: Variant, width: int) -> str | None:
    strength = page.strengths[-1]
    treated, control = page.groups.get((variant, width, strength)), page.groups.get((variant, width, 0.0))
    if strength == 0 or treated is None or control is None or not treated.done or not control.done:
        return None

    def mean(group: Group, read: Callable[[dict], float]) -> float:
        return fmean(read(row) for row in group.done)

    stops = [mean(group, lambda row: stop_epoch(row, "paper")) for group in (treated, control)]
    errors = [mean(group, lambda row: mse(row, "paper")) for group in (treated, control)]
    bounds = [f"{cap_mark(group)}{stop:.1f}" for group, stop in zip((treated, control), stops, strict=True)]
    ratio = errors[0] / errors[1]
    text = f"stops after {bounds[0]} epochs instead of {bounds[1]}, at {ratio:.2f} times the error"
    times = [[epochs_to(row, TARGET) for row in group.done] for group in (treated, control)]
    if all(None not in each for each in times):
        return f"{text}; a test MSE of {TARGET} takes {fmean(times[0]):.1f} epochs instead of {fmean(times[1]):.1f}."
    reached = [sum(each is not None for each in part) for part in times]
    counts = f"{reached[0]} of {len(times[0])} instead of {reached[1]} of {len(times[1])} trainings"
    return f"{text}; a test MSE of {TARGET} is reached by {counts} before they end."


def summary(found: Sequence[Page]) -> str:
    """The README's lines: where early stopping ends a training with and without a penalty, and with a mere constant."""
    lines = [
        "| dataset, budget, latent width | lambda | no penalty | entropy penalty | constant without gradient |",
        "| :--- | ---: | ---: | ---: | ---: |",
    ]
    for page in found:
        pair = [next((v for v in page.variants if v.label == label), None) for label in SHOWN]
        for width in page.widths:
            for strength in (each for each in page.strengths if each in LAMBDAS):
                groups = [page.groups.get((variant, width, strength)) for variant in pair]
                baseline = next((g for (_, w, s), g in page.groups.items() if (w, s) == (width, 0.0)), None)
                cells = " | ".join(_stop_text(group) for group in (baseline, *groups))
                lines.append(f"| {page.name}, {page.budget}, {width} | {short(strength)} | {cells} |")
    return "\n".join(lines)


def _stop_text(group: Group | None) -> str:
    if group is None:
        return "not run"
    if group.failed:
        return "X"
    return f"{cap_mark(group)}{fmean(stop_epoch(row, 'paper') for row in group.done):.1f} (n = {len(group.done)})"
