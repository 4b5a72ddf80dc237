"""`page.py` writes one file; a folder that is not there is one line."""

from tests.commands import script


def test_results_without_rows_make_a_page_of_claims_that_were_not_run(tmp_path):
    said = script("page", "--results", tmp_path)
    path = tmp_path / "page" / "index.html"
    assert said.returncode == 0 and f"wrote {path}" in said.stdout
    text = path.read_text()
    assert '<tbody id="pb-full-cifar10"' in text and "0 of these are decided" in text


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    said = script("page", "--results", tmp_path / "nowhere")
    assert said.returncode == 2 and said.stderr.count("\n") == 1
    assert f"{tmp_path}/nowhere is no folder" in said.stderr and not (tmp_path / "nowhere").exists()
