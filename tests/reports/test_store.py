"""Rows on disk: whole or not at all, found wherever they lie, refused where damaged."""

import json
import os

import pytest

from regbench.errors import UserError
from regbench.reports.store import Store, checksum


def row(row_id="a1", experiment="table1", **more):
    return {"id": row_id, "experiment": experiment, "seed": 0, "epochs": [{"epoch": 1}], **more}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_a_written_row_is_found_and_read(store):
    path = store.write(row())
    assert path == store.runs / "table1" / "a1.json"
    assert store.has("a1") and not store.has("a2")
    assert store.rows() == [{**row(), "sha256": checksum(row())}]


def test_packing_keeps_every_row_and_its_bytes_whatever_the_order(store, tmp_path):
    for name in ("b", "a", "c"):
        store.write(row(name))
    before = store.rows("table1")
    first = store.pack("table1").read_bytes()
    assert not list((store.runs / "table1").glob("*.json"))
    assert store.rows("table1") == before and [r["id"] for r in before] == ["a", "b", "c"]
    assert store.pack("table1").read_bytes() == first
    assert store.has("b")
    store.write(row("d"))
    assert len(store.pack("table1").read_text().splitlines()) == 4


def test_packing_leaves_a_row_that_was_written_meanwhile(store, monkeypatch):
    """A member that is tried again may finish between the reading and the removal of its failed row."""
    store.write(row(status="failed"))
    real = Store.rows

    def rows_and_then_the_retry_ends(self, *args):
        found = real(self, *args)
        self.write(row(status="done"))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Store, "rows", rows_and_then_the_retry_ends)
        store.pack("table1")
    assert [each["status"] for each in store.rows()] == ["done"]
    assert store.find("a1")["status"] == "done"


def test_a_row_is_found_under_another_experiment(store):
    store.write(row("a1", experiment="sweep"))
    assert store.has("a1") and store.experiments() == ["sweep"]


def test_finding_gives_the_row_wherever_it_lies_or_nothing(store):
    store.write(row("a1", experiment="sweep"))
    store.write(row("b1", experiment="table1", seed=5))
    assert store.find("b1") == {**row("b1", seed=5), "sha256": checksum(row("b1", seed=5))}
    assert store.find("a1")["experiment"] == "sweep"
    store.pack("sweep")
    store.write(row("c1", experiment="sweep"))
    assert [store.find(name)["id"] for name in ("a1", "b1", "c1")] == ["a1", "b1", "c1"]
    assert store.find("a1") == {**row("a1", experiment="sweep"), "sha256": checksum(row("a1", experiment="sweep"))}
    assert store.find("a2") is None and store.find("a") is None


def test_finding_in_an_empty_store_gives_nothing(tmp_path):
    assert Store(tmp_path / "not_there").find("a1") is None


def test_a_row_that_is_found_is_a_whole_one(store):
    path = store.write(row(accuracy=0.7))
    path.write_text(path.read_text().replace("0.7", "0.9"))
    with pytest.raises(UserError, match=r"a1\.json was edited"):
        store.find("a1")
    store.write(row())
    packed = store.pack("table1")
    packed.write_text(packed.read_text().replace('"seed":0', '"seed":1'))
    with pytest.raises(UserError, match=r"table1\.jsonl, line 1 was edited"):
        store.find("a1")


@pytest.mark.parametrize(
    "packed",
    [
        False,
        pytest.param(
            True,
        ),
    ],
)
def test_finding_believes_the_row_that_all_rows_believe(store, packed):
    """Of two rows of one member the finished one."""
    store.write(row(status="done", experiment="table1"))
    if packed:
        store.pack("table1")
    store.write(row(status="failed", experiment="zz" if packed else "table2"))
    assert store.rows()[0]["status"] == "done"
    assert store.find("a1")["status"] == "done"


@pytest.mark.parametrize("damage", ["", "{", '{"id": "a1"}', "[]"])
def test_half_written_rows_are_named(store, damage):
    path = store.write(row())
    path.write_text(damage)
    with pytest.raises(UserError, match=r"a1\.json is not a whole row"):
        store.rows()


def test_hand_edited_rows_are_named(store):
    path = store.write(row(accuracy=0.7))
    path.write_text(path.read_text().replace("0.7", "0.9"))
    with pytest.raises(UserError, match=r"a1\.json was edited"):
        store.rows()
    path.unlink()
    store.write(row())
    packed = store.pack("table1")
    packed.write_text(packed.read_text().replace('"seed":0', '"seed":1'))
    with pytest.raises(UserError, match=r"table1\.jsonl, line 1 was edited"):
        store.rows()


def test_renamed_rows_are_named(store):
    path = store.write(row())
    path.rename(path.with_name("zz.json"))
    with pytest.raises(UserError, match="renamed or edited"):
        store.rows()


def test_a_full_disk_leaves_nothing_behind(store, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"a1\.json cannot be written \(No space left on device\)"):
        store.write(row())
    assert list((store.runs / "table1").iterdir()) == []


def test_a_results_folder_that_cannot_be_written_is_said_before_training(tmp_path):
    (tmp_path / "results").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"paths\.results=.* cannot be written"):
        Store(tmp_path / "results").check_writable("table1")


def test_numbers_that_json_does_not_know_are_refused(store):
    with pytest.raises(ValueError):
        store.write(row(loss=float("nan")))


def test_experiment_names_are_plain(store):
    with pytest.raises(UserError, match=r"experiment_name=\.\./x is not allowed"):
        store.write(row(experiment="../x"))


def test_the_checksum_does_not_depend_on_the_order_of_keys():
    shuffled = json.loads(json.dumps(dict(reversed(row().items()))))
    assert checksum(shuffled) == checksum(row())
