"""`report.py` writes the report on all claims, --check fails where that was changed; the committed results pass it."""

import shutil
from pathlib import Path

from regbench.paths import ROOT
from regbench.rows.store import Store
from tests.commands import script


def call(*arguments):
    return script("report", *arguments)


def test_the_committed_tables_report_and_readme_are_what_the_committed_rows_say(tmp_path):
    """On a copy, as loose rows of this machine's own trainings are in no commit and may not be in the tables yet."""
    results = tmp_path / "results"
    shutil.copytree(ROOT / "results", results, ignore=loose_rows)
    shutil.copy(ROOT / "README.md", results / "findings.md")  # where other results have their findings
    checked = call("--check", "--results", results)
    assert checked.returncode == 0, checked.stderr


def loose_rows(folder, names):
    """The folders of finished members that are not packed."""
    return [name for name in names if Path(folder).name == "runs" and (Path(folder) / name).is_dir()]


def test_the_report_is_written_checked_and_a_changed_one_is_told(tmp_path):
    written = call("--results", tmp_path)
    assert written.returncode == 0, written.stderr
    report = tmp_path / "REPORT.md"
    assert f"wrote {report}" in written.stdout and '<a id="pb-full-cifar10"></a>' in report.read_text()
    assert call("--check", "--results", tmp_path).returncode == 0
    report.write_text(report.read_text().replace("not run", "supported", 1))
    changed = call("--check", "--results", tmp_path)
    assert changed.returncode == 1 and f"{report}; run `make tables`" in changed.stderr


def test_results_without_a_report_are_not_asked_for_one(tmp_path):
    (tmp_path / "tables").mkdir()
    assert call("--check", "--results", tmp_path).returncode == 0


def test_a_training_by_hand_is_in_no_table_until_asked_for_and_a_loose_row_behind_a_difference_is_named(
    tmp_path, monkeypatch
):
    rows = [row for row in Store(ROOT / "results").rows("handout") if row["config"]["dataset"]["name"] == "digits"]
    store = Store(tmp_path)
    for row in rows:
        store.write({**row, "experiment": "adhoc" if row["seed"] == 4 else "handout"})
    made, by_hand = call("handout", "--results", tmp_path), len([row for row in rows if row["seed"] == 4])
    assert made.returncode == 0 and f"{by_hand} rows are left out: of trainings by hand (ADHOC=1" in made.stdout
    table = tmp_path / "tables" / "handout.md"
    assert "n = 4" in table.read_text() and "n = 5" not in table.read_text()
    with monkeypatch.context() as patch:
        patch.setenv("ADHOC", "1")
        assert call("handout", "--results", tmp_path).returncode == 0
    assert "n = 5" in table.read_text()
    checked = call("--check", "--results", tmp_path)
    assert checked.returncode == 1 and "rows that no commit holds: " in checked.stderr
    assert f"{tmp_path}/runs/handout/" in checked.stderr and "adhoc" not in checked.stderr
    assert "left loose: adhoc" in call("--collect", "--results", tmp_path).stdout
    assert len(store.loose_files()) == by_hand
