"""The method cards: complete, and their evidence is there."""

import importlib
import re
from pathlib import Path

import pytest

from regbench import regularizers
from regbench.evidence.documents import load_documents
from regbench.paths import ROOT

FOLDER = Path(regularizers.__file__).parent
PARTS = ("Paper", "Formula", "Where", "Paper settings", "Ambiguities and the choice made", "Deviations", "Evidence")
CARDS = [f"regbench.regularizers.{path.stem}" for path in sorted(FOLDER.glob("[a-z]*.py"))]


def card(module):
    return importlib.import_module(module).__doc__


@pytest.mark.parametrize("module", CARDS)
def test_a_card_has_every_part_in_order(module):
    found = [line for line in card(module).splitlines() if line in PARTS]
    assert found == list(PARTS)


@pytest.mark.parametrize("module", CARDS)
def test_the_evidence_of_a_card_is_a_table_and_a_claim(module):
    evidence = card(module).split("Evidence\n")[1]
    tables = re.findall(r"results/tables/[\w-]+\.md", evidence)
    assert tables and all((ROOT / table).exists() for table in tables)
    claims = re.findall(r"results/REPORT\.md#([\w-]+)", evidence)
    known = {claim.id for document in load_documents().values() for claim in document.claims}
    assert claims and set(claims) <= known


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("norms", {"lin-l1", "lin-l2"}),
        ("pb_edropout", {"pb-full-cifar10", "pb-energy-selects"}),
        ("entropy", {"eg-stop-is-entropy", "eg-gradient-amplified", "eg-t1-all", "eg-t2-run", "eg-t3-run"}),
        ("adaptive_dropout", {"gan-fid-mnist", "gan-other-sign-mnist"}),
    ],
)
def test_a_card_names_the_claims_on_its_own_method(name, claims):
    assert claims <= set(re.findall(r"REPORT\.md#([\w-]+)", card(f"regbench.regularizers.{name}")))
