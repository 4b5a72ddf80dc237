"""`page.py` writes one file; a folder that is not there is one line."""

import importlib.util
import sys

import pytest

from regbench.paths import ROOT


@pytest.fixture
def script(monkeypatch):
    """Its main function, called with arguments."""
    spec = importlib.util.spec_from_file_location("page_script", ROOT / "scripts" / "page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def call(*arguments):
        monkeypatch.setattr("gc.disable", lambda: None)  # other tests share the process
        monkeypatch.setattr(sys, "argv", ["page.py", *map(str, arguments)])
        return module.main()

    return call


def test_results_without_rows_make_a_page_of_claims_that_were_not_run(script, tmp_path, capsys):
    assert script("--results", tmp_path) == 0
    path = tmp_path / "page" / "index.html"
    assert f"wrote {path}" in capsys.readouterr().out
    text = path.read_text()
    assert '<tbody id="pb-full-cifar10"' in text and "0 of these are decided" in text


def test_a_folder_that_is_not_there_is_one_line(script, tmp_path, capsys):
    assert script("--results", tmp_path / "nowhere") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"{tmp_path}/nowhere is no folder" in said and not (tmp_path / "nowhere").exists()
