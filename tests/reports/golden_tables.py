"""The golden tables: one set of frozen rows a paper's page, and the files that the engine makes of them.

python -m tests.reports.golden_tables     # rewrite tests/reports/golden after a change that is meant, and read the diff

The rows come from the factories and are frozen in files, as another NumPy may draw other numbers.
"""

import json
from pathlib import Path

from regbench.evidence.documents import TABLES, load_all_pages
from regbench.evidence.pages import build, write_page

from . import entropy_factory, factory, gan_factory, handout_factory, large_factory, linearity_factory

GOLDEN = Path(__file__).parent / "golden"
ROWS = {
    "entropy-table1": entropy_factory.golden_rows,
    "entropy-table2": large_factory.golden_table2,
    "entropy-table3": large_factory.golden_table3,
    "gan-table1": gan_factory.golden_rows,
    "handout": handout_factory.golden_rows,
    "linearity": linearity_factory.golden_rows,
    "table1": factory.golden_rows,
}


def frozen_rows(experiment):
    return [json.loads(line) for line in (GOLDEN / f"{experiment}_rows.jsonl").read_text().splitlines()]


def page_of(experiment):
    return load_all_pages()[experiment][1]


def built(experiment, rows):
    document, page = load_all_pages()[experiment]
    return build(page, rows, document.numbers)


def tables(experiment, rows):
    """The tables of all sections by (budget, data set, id)."""
    from regbench.evidence.pages import build_table

    found = built(experiment, rows)
    return {
        (section.budget, section.dataset, spec.id): build_table(found.estimates[section.budget], section, spec)
        for section in found.sections
        for spec in found.page.tables
        if section.shows(spec)
    }


def written(experiment, rows, folder):
    after = [TABLES[name]() for name in page_of(experiment).tables_after]
    return {path.name: path.read_bytes() for path in write_page(built(experiment, rows), folder, after)}


def experiments():
    """Those with frozen rows."""
    return [name for name in load_all_pages() if (GOLDEN / f"{name}_rows.jsonl").is_file()]


def write_golden():
    for experiment, rows in ROWS.items():
        lines = (json.dumps(row) for row in rows())
        (GOLDEN / f"{experiment}_rows.jsonl").write_text("".join(f"{line}\n" for line in lines))
    for experiment in experiments():
        written(experiment, frozen_rows(experiment), GOLDEN)


if __name__ == "__main__":
    write_golden()
