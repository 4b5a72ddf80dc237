"""The README's tables of results, rebuilt from rows so that they cannot disagree with them."""

from collections.abc import Sequence
from pathlib import Path

from regbench.errors import UserError
from regbench.evidence.tables import Table
from regbench.reports.methods import BASELINE, CLASSIC, DATASETS, PB_FULL, PB_MASK, RANDOM, Method

BEGIN, END = "<!-- {name}: written by `make tables` -->", "<!-- end of {name} -->"
SHOWN = (BASELINE, CLASSIC, RANDOM, PB_MASK, PB_FULL)


def summary(sections: dict[str, list[Table]]) -> str:
    """Held-out accuracy of the main methods, a line a dataset and budget, as markdown."""
    lines = [
        "| dataset, budget | " + " | ".join(method.label for method in SHOWN) + " | Full minus random patches, pp |",
        "| :--- |" + " ---: |" * (len(SHOWN) + 1),
    ]
    for budget, tables in sections.items():
        for table in tables:
            name = DATASETS[table.records[0]["dataset"]]
            cells = [_accuracy(table, method) for method in SHOWN]
            lines.append(f"| {name}, {budget} | {' | '.join(cells)} | {_difference(table)} |")
    return "\n".join(lines)


def write_summary(name: str, block: str, source: Path, target: Path) -> Path:
    """Put a block between its marks in the README at `source`; the result goes to `target`."""
    text = source.read_text()
    begin, end = BEGIN.format(name=name), END.format(name=name)
    if begin not in text or end not in text:
        raise UserError(f"{source} lacks the lines {begin} and {end}: the results go between them")
    head, rest = text.split(begin, 1)
    target.write_text(f"{head}{begin}\n{block}\n{end}{rest.split(end, 1)[1]}")
    return target


def _accuracy(table: Table, method: Method) -> str:
    record = _find(table.records, method, "accuracy")
    if record["mean"] is None:
        return "X" if record["status"] == "failed" else "not run"
    spread = "" if record["high"] is None else f" ± {record['high'] - record['mean']:.2f}"
    return f"{record['mean']:.2f}{spread} (n = {record['n']})"


def _difference(table: Table) -> str:
    record = _find(table.records, PB_FULL, "difference_to_random")
    if record["mean"] is None or record["low"] is None:
        return "-"
    p = record["p_random_holm"]
    tested = "" if p is None else f", p = {p:.2g}"
    return f"{record['mean']:+.2f} [{record['low']:+.2f}, {record['high']:+.2f}]{tested}"


def _find(records: Sequence[dict], method: Method, metric: str) -> dict:
    wanted = {"method": method.label, "protocol": "held-out", "metric": metric}
    return next(record for record in records if all(record[key] == value for key, value in wanted.items()))
