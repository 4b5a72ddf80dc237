"""How the report is to be read: the verdicts, the words, and which p-values are corrected together."""

from __future__ import annotations

from collections.abc import Mapping

from regbench.evidence.tables import EN_DASH
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import Answer
from regbench.reports.claims.claims import Ledger
from regbench.reports.claims.families import Family
from regbench.reports.claims.markup import anchor, link, table_line, table_link

FAMILY_COLUMNS = ("Family", "Budget", "p-values as claimed and opposite", "Gives the verdict on", "Table")
TRAINED = (verdicts.SUPPORTED, verdicts.CONTRADICTED, verdicts.SMALLER, verdicts.INCONCLUSIVE)
RULES = f"""## How to read this

- *{verdicts.SUPPORTED}*: the one-sided test in the claimed direction, paired by seed, gives p < {verdicts.ALPHA:g}
  after Holm's correction over a family of p-values (see [Holm families](#holm-families)), with {verdicts.ENOUGH} seeds
  or more. It says that what was claimed is seen, not why: a control, where there is one, stands beside it.
  *{verdicts.CONTRADICTED}*: the same in the opposite direction. *{verdicts.SMALLER}*: neither, and the 95 % interval
  excludes the paper's effect. *{verdicts.INCONCLUSIVE}*: none of these; its section says the smallest effect that such
  runs would find with 80 % power.
- A claim of several cases is supported where every case is, contradicted where any is, and *{verdicts.SMALLER}* where
  the interval of any excludes the paper's effect. A claim of no difference is
  supported where the runs exclude a difference of the size that the paper calls a gain elsewhere.
- p-values are printed in both directions: *as claimed*, of an effect in the claimed direction, and *opposite*, of one
  in the other (for a claim of no difference: of a difference). Those of a case are uncorrected unless it says
  otherwise; a case whose outcome *alone*, corrected over all cases of the family, is not its claim's verdict says so.
  `p = {EN_DASH}`: no test, mostly because a value that the cap on epochs cut off would flatter it.
- *{verdicts.CONSISTENT}*, *{verdicts.INCONSISTENT}*: what answers is no training of ours but something computed again:
  the document's own numbers, formulas or algorithm, published or initial weights, a simulation, or what chance alone
  gives. It bears the claim out or it does not, and the section says by what. *{verdicts.NOT_RUN}*: there is
  no training; a table at the end of a document's part says what is needed. *{verdicts.NOT_TESTABLE}*: the document
  leaves out what a test needs.
- *Implied*: a claim that the document does not state. It follows from what is stated, or would have to hold for that to
  say what it is said to: a control that the document lacks, or whether its own tests agree. Such claims are marked and
  counted apart; a verdict on one is none on the document's own words.
- n counts independently seeded trainings; intervals are 95 % t-intervals over them: they tell how much the seed
  matters, not how much other test images would. Where the seeds do not vary at all, an exact permutation test takes the
  place of the t-test.
- The test split is reported, at the epoch that is best on held-out images. Protocol `paper`, where a section names it,
  chooses on the test split, as the papers do.
- **Budget `quick` is no reproduction**: it trains for less, and on fewer images, than a comparison with a paper's
  numbers needs. A verdict holds for the setting that was run. *{verdicts.SMALLER}* at `quick` says that the paper's
  effect is not there in that setting; it may be there in the paper's own, which the paper does not describe in full.
- Words: `±` is half a 95 % interval; `>` a value that the cap on epochs cut off; pp percentage points; nats the unit of
  cross entropy; lambda a penalty's weight and eps the small number in its denominator; FID and IS the distance to real
  images and the score of generated ones (lower and higher is better); Z the additivity gap, 0 for a linear network;
  Dunnett's test compares the best of several with one control; K the patches kept, S the masks drawn, rho the mutation.
- The papers' tables, signs and bold print were read off a text conversion of their PDFs, which may have lost cells;
  where that matters, a section says so.
- Chance: one training a cell, the best of many, and epochs chosen on the test split all favour whoever chooses. The
  sections say what that alone gives.
"""


def families_text(ledger: Ledger, answers: Mapping[str, Answer]) -> str:
    """Every Holm family with its p-values and claims, and the claims whose p-values are not corrected."""
    lines = [
        "## Holm families",
        "",
        "Holm's correction runs within a family, each direction by itself, and never over two families: over all of "
        f"them together the chance of a false *{verdicts.SUPPORTED}* may exceed {100 * verdicts.ALPHA:.0f} %. A claim "
        "of several cases has, as claimed, the largest p-value of its cases, and, opposite, the smallest times their "
        "number. A claim without rows, or whose test a bound would flatter, has none and is not counted. The p-values "
        "here give the verdicts; a table's own may be others, as it may test on both sides or correct over another "
        "family.",
        "",
        table_line(FAMILY_COLUMNS),
        "|" + " :--- |" * len(FAMILY_COLUMNS),
        *(_family_line(family, ledger, answers) for family in families(answers)),
        "",
    ]
    alone = [name for name, answer in answers.items() if answer.word in TRAINED and answer.family is None]
    if alone:
        lines += [
            "In no family, each a test by itself and uncorrected over claims: "
            + ", ".join(link(name, name) for name in alone)
            + ".\n"
        ]
    return "\n".join(lines)


def families(answers: Mapping[str, Answer]) -> list[Family]:
    """The families behind the answers, in the ledger's order."""
    return list(dict.fromkeys(answer.family for answer in answers.values() if answer.family))


def _family_line(family: Family, ledger: Ledger, answers: Mapping[str, Answer]) -> str:
    members = [name for name, answer in answers.items() if answer.family == family]
    missing = [claim.id for claim in ledger.claims if claim.family == family.name and answers[claim.id].family is None]
    named = f"{len(members)}: " + ", ".join(link(name, name) for name in members)
    if missing:
        named += "; no row yet: " + ", ".join(link(name, name) for name in missing)
    tests = f"{family.claimed} and {family.opposite}, {family.about}"
    table = table_link(family.experiment) if family.experiment else EN_DASH
    return table_line((anchor(family.anchor) + family.name, family.budget, tests, named, table))
