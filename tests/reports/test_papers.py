"""The shipped papers: every cell of their experiments has a line, and what only they have is computed rightly."""

import pytest

from regbench.evidence.documents import load_all_pages
from regbench.evidence.sections import find_sections
from regbench.plan.experiments import cells, sweeps
from regbench.plan.jobs import member_id

from .rows import row_of


def configs_of(experiment):
    """The configs of one data set, one seed and budget smoke."""
    for sweep in sweeps(experiment, {}):
        narrowed = {**sweep, "dataset": sweep["dataset"][:1]} if "dataset" in sweep else sweep
        for cell in cells(experiment, narrowed, ["budget=smoke", "seeds=[0]"]):
            yield from (member.config for member in cell.members)


@pytest.mark.parametrize("experiment", load_all_pages())
def test_every_cell_of_an_experiment_has_a_line(experiment):
    document, page = load_all_pages()[experiment]
    rows = {member_id(config): row_of(experiment, config, []) for config in configs_of(experiment)}
    assert rows
    sections = find_sections(page, list(rows.values()), document.numbers)
    shown = {line.key for section in sections for name in page.lines for line in section.expanded(page.lines[name])}
    assert all(key in shown for section in sections for key in section.groups)
    assert sum(len(group.done) for section in sections for group in section.groups.values()) == len(rows)
