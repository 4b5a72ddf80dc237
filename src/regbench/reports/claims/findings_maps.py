"""Findings of the entropy map of VGG16, read from the committed table: its weights are in no row."""

from __future__ import annotations

from regbench.evidence.tables import MINUS
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import Answer, amount, not_run
from regbench.reports.claims.finding import Context

MAP = "entropy-map-vgg16.md"
MISSING = f"{MAP} is not there: `make entropy-map NETWORK=vgg16` writes it"
TRAINED = 0  # of its two tables
LIKE = 0.05  # nats: half a unit of the last digit that the paper prints


def entropy_map_value(context: Context, layer: str, table: str, row: str, column: str) -> Answer:
    """The mean change in entropy of a layer of the trained network, against the printed number."""
    maps = _maps(context)
    if not maps:
        return not_run(MISSING)
    found, printed = maps[TRAINED][layer], context.paper.find(table, row, column)
    value = _signed(found["Mean log|c11|"])
    good = abs(value - printed.value) < LIKE
    return Answer(
        verdicts.CONSISTENT if good else verdicts.INCONSISTENT,
        f"{amount(value, 'nats', True)} over {found['Filters']} filters of {layer}".replace("00 nats", " nats"),
        "measured on the published ImageNet weights; they are one network, so there is no interval",
        "1 network, no training",
    )


def entropy_map_untrained(context: Context) -> Answer:
    """Is the first layer's drop smaller in the trained network, and do outliers come with the untrained one?"""
    maps = _maps(context)
    if not maps:
        return not_run(MISSING)
    trained = maps[TRAINED]
    first = next(iter(trained))
    drops = [_signed(part[first]["Mean log|c11|"]) for part in maps]
    shares = [[float(layer["Outliers, %"]) for layer in part.values()] for part in maps]
    good = drops[0] > drops[1] and all(a < b for a, b in zip(*shares, strict=True))
    return Answer(
        verdicts.CONSISTENT if good else verdicts.INCONSISTENT,
        f"{first}: {drops[0]:.2f} trained, {drops[1]:.2f} untrained; outliers {min(shares[0])} to {max(shares[0])} % "
        f"trained, {min(shares[1])} to {max(shares[1])} % untrained".replace("-", MINUS),
        f"layers {first} to {list(trained)[-1]}; 'far more' outliers are {max(shares[1]) - min(shares[0]):.1f} "
        "points at most",
        "1 network each, no training",
    )


def entropy_map_positions(context: Context) -> Answer:
    """Does c11 say more than any other weight of the filter: is its mean outside the range of the other positions?"""
    maps = _maps(context)
    if not maps:
        return not_run(MISSING)
    inside = []
    for layer in maps[TRAINED].values():
        value = _signed(layer["Mean log|c11|"])
        low, high = (_signed(part) for part in layer["Means at all positions but c11"].split(" to "))
        inside.append(low - LIKE <= value <= high + LIKE)
    first = next(iter(maps[TRAINED].values()))
    return Answer(
        verdicts.INCONSISTENT if all(inside) else verdicts.CONSISTENT,
        f"in {sum(inside)} of {len(inside)} layers c11 is like the other eight positions (first layer "
        f"{first['Mean log|c11|']} against {first['Means at all positions but c11']} nats)".replace("-", MINUS),
        f"its mean lies within {LIKE:g} nats of the range of theirs: the map shows the scale of the weights, at any "
        "position",
        "1 network, no training",
    )


def _maps(context: Context) -> list[dict[str, dict[str, str]]]:
    """The two tables of the committed entropy map, by layer and column; empty where the file is not there."""
    path = context.results / "tables" / MAP
    if not path.is_file():
        return []
    tables: list[dict[str, dict[str, str]]] = []
    columns: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in line.replace("\\|", "\0").split("|")[1:-1]]
        cells = [cell.replace("\0", "|") for cell in cells]
        if cells and cells[0] == "Layer":
            columns, tables = cells, [*tables, {}]
        elif cells and tables and not cells[0].startswith(":"):
            tables[-1][cells[0]] = dict(zip(columns, cells, strict=True))
    return tables


def _signed(text: str) -> float:
    return float(text.replace(MINUS, "-"))
