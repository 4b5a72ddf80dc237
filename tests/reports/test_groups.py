"""Rows of one cell."""

import pytest

from regbench.errors import UserError
from regbench.evidence.groups import differing_key, make_group

from .factory import make_row
from .rows import failed


def test_members_are_sorted_by_seed_and_split_by_status():
    rows = [make_row(seed=2), failed(make_row(seed=1), "out\nof  memory"), make_row(seed=0)]
    group = make_group(rows, "none")
    assert (group.seeds, group.failed_seeds) == ((0, 2), (1,))
    assert group.failure == "1 of 3 members failed (seed 1: out of memory)"
    assert group.per_seed(lambda row: row["seed"] * 10) == {0: 0, 2: 20}
    assert make_group(rows[::-1], "none") == group


def test_a_differing_setting_is_named_with_both_values():
    rows = [make_row("pb_edropout", 0), make_row("pb_edropout", 1, layer={"eps": 1e-6})]
    with pytest.raises(UserError, match=r"cell: regularizer.method.layer.eps differs.*0.001.*1e-06"):
        make_group(rows, "cell")


def test_differing_key():
    one = {"a": {"b": 1, "c": {}}, "d": [1]}
    assert differing_key(one, {"a": {"b": 1, "c": {}}, "d": [1]}) is None
    assert differing_key(one, {"a": {"b": 2, "c": {}}, "d": [1]}) == ("a.b", 1, 2)
    assert differing_key(one, {"a": {"b": 2, "c": {}}, "d": [2]}, ignore=("a",)) == ("d", [1], [2])
    assert differing_key(one, {"a": {"b": 1}, "d": [1]}) == ("a.c", {}, "(absent)")
    assert differing_key({"ab": 1}, {"ab": 2}, ignore=("a",)) == ("ab", 1, 2)
