"""`report.py` without rows: it writes the report on all claims, and --check fails where that was changed."""

import subprocess
import sys

from regbench.paths import ROOT


def call(*arguments):
    command = [sys.executable, str(ROOT / "scripts" / "report.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


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
