"""Checks of the entropy map of VGG16, read from the committed table: its weights are in no row."""

from __future__ import annotations

from regbench.evidence.claims import Checked, check
from regbench.evidence.layer_maps import read_maps, signed
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.printed import find_number
from regbench.evidence.wording import MINUS, amount
from regbench.paths import ROOT

MAP = ROOT / "results" / "tables" / "entropy-map-vgg16.md"
MISSING = Checked(None, "", "the map is not there: `make entropy-map NETWORK=vgg16` writes it")
LIKE = 0.05  # nats: half a unit of the last digit that the paper prints


@check
def map_value(paper: PaperNumbers, layer: str, table: str, row: str, column: str) -> Checked:
    """The mean change in entropy of a layer of the trained network, against the printed number."""
    if not MAP.is_file():
        return MISSING
    found, printed = next(iter(read_maps(MAP).values()))[layer], find_number(paper, table, row, column)
    value = signed(found["Mean log|c11|"])
    return Checked(
        abs(value - printed.value) < LIKE,
        f"{amount(value, 'nats', True)} over {found['Filters']} filters of {layer}, printed {printed.printed}",
        "measured on the published ImageNet weights, one network",
    )


@check
def map_untrained(paper: PaperNumbers) -> Checked:
    """Is the first layer's drop smaller in the trained network, and do outliers come with the untrained one?"""
    if not MAP.is_file():
        return MISSING
    maps = list(read_maps(MAP).values())
    first = next(iter(maps[0]))
    drops = [signed(part[first]["Mean log|c11|"]) for part in maps[:2]]
    shares = [[float(layer["Outliers, %"]) for layer in part.values()] for part in maps[:2]]
    text = (
        f"{first}: {drops[0]:.2f} nats trained, {drops[1]:.2f} untrained; outliers {min(shares[0])} to "
        f"{max(shares[0])} % trained, {min(shares[1])} to {max(shares[1])} % untrained"
    )
    good = drops[0] > drops[1] and all(a < b for a, b in zip(*shares, strict=True))
    return Checked(good, text.replace("-", MINUS), "measured on the published weights and on initial ones")


@check
def map_positions(paper: PaperNumbers) -> Checked:
    """Does c11 say more than any other weight of the filter: is its mean outside the range of the other positions?"""
    if not MAP.is_file():
        return MISSING
    layers = list(next(iter(read_maps(MAP).values())).values())
    inside = []
    for layer in layers:
        low, high = (signed(part) for part in layer["Means at all positions but c11"].split(" to "))
        inside.append(low - LIKE <= signed(layer["Mean log|c11|"]) <= high + LIKE)
    text = (
        f"in {sum(inside)} of {len(inside)} layers c11 is like the other eight positions (first layer "
        f"{layers[0]['Mean log|c11|']} against {layers[0]['Means at all positions but c11']} nats)"
    )
    why = f"within {LIKE:g} nats of their range: the map shows the scale of the weights, at any position"
    return Checked(not all(inside), text.replace("-", MINUS), why)
