"""Rows on disk: whole or not at all, found wherever they lie, refused where damaged."""

import json
import os
import random
import subprocess
import sys
import time

import pytest

from regbench.errors import UserError
from regbench.rows.locks import lock
from regbench.rows.store import Store, checksum


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


@pytest.mark.parametrize("read", [lambda store: store.find("a1"), Store.rows], ids=["find", "rows"])
def test_hand_edited_rows_are_named(store, read):
    path = store.write(row(accuracy=0.7))
    path.write_text(path.read_text().replace("0.7", "0.9"))
    with pytest.raises(UserError, match=r"a1\.json was edited"):
        read(store)
    path.unlink()
    store.write(row())
    packed = store.pack("table1")
    packed.write_text(packed.read_text().replace('"seed":0', '"seed":1'))
    with pytest.raises(UserError, match=r"table1\.jsonl, line 1 was edited"):
        read(store)


@pytest.mark.parametrize("packed", [False, True])
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


PACKS = """
import sys
from pathlib import Path
from regbench.rows.store import Store
store = Store(Path(sys.argv[1]))
for number in range(60):
    if sys.argv[2] != "packs":
        store.write({"id": f"{sys.argv[2]}-{number}", "experiment": "table1", "epochs": []})
    if number % 3 == 0:
        store.pack("table1")
"""


def test_packers_and_writers_at_once_lose_no_row(store, tmp_path):
    names = ["one", "two", "packs", "packs"]
    running = [subprocess.Popen([sys.executable, "-c", PACKS, str(tmp_path), name]) for name in names]
    assert [each.wait(120) for each in running] == [0] * 4
    store.pack("table1")
    assert store.ids() == {f"{name}-{number}" for name in ("one", "two") for number in range(60)}
    assert len(store.rows()) == 120
    assert sorted(each.name for each in store.runs.iterdir()) == ["table1", "table1.jsonl"]


def test_packing_waits_for_another_packer(store, monkeypatch):
    """What is packed is read after the other one is through."""
    store.write(row("a1"))
    real, steps = Store.rows, []
    monkeypatch.setattr(Store, "rows", lambda self, *args: steps.append("read") or real(self, *args))

    def held(path, wait=False):
        steps.append((path.name, wait))
        return lock(path, wait)

    monkeypatch.setattr("regbench.rows.store.lock", held)
    store.pack("table1")
    assert steps == [("table1.lock", True), "read"]


def test_packing_clears_away_what_dead_packers_left_and_no_row(store):
    store.write(row("a1"))
    day = time.time() - 86_400
    left = [store.runs / name for name in ("table1.partial", "table1.99.partial", "table2.lock", "table1/b.7.partial")]
    for path in left:
        path.write_text("half")
        os.utime(path, (day, day))
    store.check_writable("table1")
    store.pack("table1")
    assert [path for path in left if path.exists()] == [] and store.ids() == {"a1"}


GARBAGE = random.Random(0).randbytes(300)
DAMAGES = {
    "empty": lambda text: b"",
    "blank": lambda text: b"\n",
    "truncated": lambda text: text[: len(text) // 2],
    "without its end": lambda text: text[:-2],
    "random bytes": lambda text: GARBAGE,
    "zeros": lambda text: bytes(len(text)),
    "utf-16": lambda text: text.decode().encode("utf-16"),
    "edited": lambda text: text.replace(b'"seed":0', b'"seed":1'),
    "NaN": lambda text: text.replace(b'"seed":0', b'"seed":NaN'),
    "another id": lambda text: text.replace(b'"id":"a1"', b'"id":"a2"'),
    "no id": lambda text: text.replace(b'"id":"a1",', b""),
    "no checksum": lambda text: text.replace(b"sha256", b"sha255"),
    "deeply nested": lambda text: b"[" * 100_000,
    "a number": lambda text: b"7",
    "twice": lambda text: text + text,
    "a merge's marks": lambda text: b"<<<<<<< HEAD\n" + text,
}
ASKED = {
    "has": lambda store: store.has("a1"),
    "find": lambda store: store.find("a1"),
    "finished_ids": lambda store: store.finished_ids(["b1", "a1"], retry_failed=False),
    "rows": lambda store: store.rows(),
}


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_row_is_named_and_not_taken_for_done(store, damage, ask):
    path = store.write(row("a1"))
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(UserError, match=r"a1\.json") as raised:
        ASKED[ask](store)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize("damage", sorted(set(DAMAGES) - {"empty", "twice", "another id"}))
def test_a_damaged_packed_row_is_named_and_not_taken_for_done(store, damage, ask):
    for name in ("a0", "a1", "b1"):
        store.write(row(name))
    packed = store.pack("table1")
    lines = packed.read_bytes().splitlines()
    packed.write_bytes(b"\n".join([lines[0], DAMAGES[damage](lines[1]), lines[2]]) + b"\n")
    with pytest.raises(UserError, match=r"table1\.jsonl, line 2") as raised:
        ASKED[ask](store)
    assert "\n" not in str(raised.value)


def test_a_damaged_row_stops_only_what_asks_for_it(store):
    for name in ("a1", "b1", "c1"):
        store.write(row(name, experiment="table2", status="done"))
    packed = store.pack("table2")
    packed.write_text(packed.read_text().replace('"seed":0', '"seed":7', 1))  # of a1
    store.write(row("d1")).write_text("{")
    assert store.has("b1") and store.find("c1")["id"] == "c1" and not store.has("e1")
    assert store.finished_ids(["b1", "c1", "e1"], retry_failed=True) == {"b1", "c1"}


def test_failed_rows_are_finished_unless_they_are_tried_again(store):
    store.write(row("a1", status="done"))
    store.write(row("b1", status="failed"))
    assert store.finished_ids(["a1", "b1", "c1"], retry_failed=False) == {"a1", "b1"}
    assert store.finished_ids(["a1", "b1", "c1"], retry_failed=True) == {"a1"}


def test_an_id_within_a_row_is_not_a_rows_id(store):
    store.write(row("a1", config={"id": "x1", "inner": {"experiment": "y", "id": "z1"}}))
    store.pack("table1")
    assert store.ids() == {"a1"} and store.has("a1") and not store.has("x1") and not store.has("z1")


def test_a_packed_file_that_is_replaced_is_looked_at_again(store):
    """Also where its time and its size are those of the one before."""
    store.write(row("a1"))
    packed = store.pack("table1")
    assert store.has("a1")
    before = packed.stat()
    packed.unlink()
    store.write(row("a2"))
    store.pack("table1")
    os.utime(packed, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert packed.stat().st_size == before.st_size
    assert store.has("a2") and not store.has("a1")


def test_asking_for_one_member_reads_no_other_row(store, monkeypatch):
    for number in range(30):
        store.write(row(f"a{number}"))
    store.pack("table1")
    for number in range(30):
        store.write(row(f"b{number}"))
    assert store.has("a1")
    parsed = []
    real = json.loads
    monkeypatch.setattr(json, "loads", lambda text: parsed.append(1) or real(text))
    assert store.has("a7") and store.has("b7") and not store.has("c7")
    assert len(parsed) == 2
