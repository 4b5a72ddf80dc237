"""The methods of the adaptive-dropout paper's Table 1, the controls it lacks, and the names of their variants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from regbench.errors import UserError
from regbench.evidence.groups import ABSENT, flatten
from regbench.reports.entropy.autoencoders import short

DATASETS = {"digits": "digits", "mnist": "MNIST", "cifar10": "CIFAR-10", "celeba": "CelebA"}
PAPER_DATASETS = ("mnist", "cifar10", "celeba")
ADAPTIVE = "adaptive_dropout"
#: AGNN-ADR as printed, and as many steps for both nets: every line has these unless its name says otherwise
STANDARD = {"rate": 0.5, "rule": "printed", "estimator": "concrete", "shared": True, "n_dis": 1}


@dataclass(frozen=True)
class GanMethod:
    """One line of the table: a model, a regularizer, and the settings in which it is not `STANDARD`.

    `paper_row` is the paper's own label, None for what the paper lacks.
    """

    label: str
    model: str
    regularizer: str
    settings: tuple[tuple[str, object], ...] = ()
    paper_row: str | None = None


DCGAN = GanMethod("DCGAN", "dcgan", "none", paper_row="DCGAN")
WGAN_GP = GanMethod("WGAN-GP", "wgan_gp", "none", paper_row="WGAN-GP")
SNGAN = GanMethod("SNGAN", "sngan", "none", paper_row="SNGAN")
AGNN = GanMethod("AGNN-ADR", "dcgan", ADAPTIVE, paper_row="AGNN-ADR")
FIXED = GanMethod("Rate fixed at 0.5", "dcgan", ADAPTIVE, (("rule", "fixed"),))
DESCENDED = GanMethod("Minimised losses, descended", "dcgan", ADAPTIVE, (("rule", "descend"),))
BASELINES = (DCGAN, WGAN_GP, SNGAN)
PAPER_METHODS = (*BASELINES, AGNN)
CONTROLS = (
    FIXED,
    DESCENDED,
    GanMethod("Minimised losses, ascended", "dcgan", ADAPTIVE, (("rule", "ascend"),)),
    GanMethod("One rate a layer", "dcgan", ADAPTIVE, (("shared", False),)),
    GanMethod("Score-function estimator", "dcgan", ADAPTIVE, (("estimator", "score"),)),
    GanMethod("Classic dropout 0.5", "dcgan", "dropout"),
)
METHODS = (*PAPER_METHODS, *CONTROLS)


@dataclass(frozen=True)
class Variant:
    """A method, and the settings by which its rows differ from the table's line of that name (mostly none)."""

    method: GanMethod
    changes: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        return ", ".join([self.method.label, *(f"{key} {value}" for key, value in self.changes)])

    @property
    def order(self) -> tuple:
        """Lines of the table first, in its order; then the variants, each after those of earlier methods."""
        return bool(self.changes), METHODS.index(self.method), self.label


def dataset_of(row: dict) -> str:
    """The dataset's name. Raises UserError for one that this paper's tables do not hold."""
    name = row["config"]["dataset"]["name"]
    if name not in DATASETS:
        raise UserError(f"row {row['id']}: dataset={name!r}: allowed are {', '.join(DATASETS)}")
    return name


def variant_of(row: dict, standard: Mapping[str, object]) -> Variant:
    """The method nearest to a row, and in what the row differs from it; `standard` is `standard_settings` of its table.

    Raises UserError for a model that is no GAN of this table.
    """
    model, regularizer = row["config"]["model"]["name"], row["config"]["regularizer"]["name"]
    allowed = tuple(dict.fromkeys(method.model for method in METHODS))
    if model not in allowed:
        raise UserError(f"row {row['id']}: model={model!r}: allowed are {', '.join(allowed)}")
    settings = settings_of(row)
    alike = [method for method in METHODS if (method.model, method.regularizer) == (model, regularizer)]
    alike = alike or [method for method in METHODS if (method.model, method.regularizer) == (model, "none")]
    candidates = [Variant(method, _changes(settings, method, regularizer, standard)) for method in alike]
    return min(candidates, key=lambda variant: len(variant.changes))


def settings_of(row: dict) -> dict[str, object]:
    """What may differ between the lines of one table, by short names; the dropout rate once, not where it is read."""
    config = row["config"]
    task = {key: value for key, value in config["task"].items() if key in ("n_dis", "optimizer")}
    found = flatten({key: value for key, value in config["model"].items() if key != "name"}) | flatten(task)
    regularizer = config["regularizer"]
    if regularizer["name"] != "none":
        method = flatten(regularizer["method"])
        copies = {key for key in ("rate", "layer.p") if method.get(key) == regularizer["strength"]}
        found |= {key: value for key, value in method.items() if key not in copies}
        found["rate"] = regularizer["strength"]
    # a class that is no setting's own says no more than the names of model and regularizer
    named = {key: value for key, value in found.items() if key != "_target_" and not key.endswith("_partial_")}
    classes = {key for key in named if key.endswith("._target_")}
    short_names = {key.removesuffix("._target_"): str(named.pop(key)).rsplit(".", 1)[-1] for key in classes}
    return named | short_names


def standard_settings(rows: Iterable[dict]) -> dict[str, object]:
    """What a line has unless its name says otherwise: `STANDARD`, else the value that most of the rows have."""
    counts: dict[str, Counter] = {}
    values: dict[str, dict[str, object]] = {}
    for row in rows:
        for key, value in settings_of(row).items():
            counts.setdefault(key, Counter())[repr(value)] += 1
            values.setdefault(key, {})[repr(value)] = value
    # the same for rows in any order: of values equally frequent the first by its text
    usual = {key: values[key][min(count, key=lambda text: (-count[text], text))] for key, count in counts.items()}
    return usual | STANDARD


def _changes(
    settings: Mapping[str, object], method: GanMethod, regularizer: str, standard: Mapping[str, object]
) -> tuple[tuple[str, str], ...]:
    expected = {**standard, **dict(method.settings)}
    found = [(key, value) for key, value in sorted(settings.items()) if value != expected.get(key, ABSENT)]
    if regularizer != method.regularizer:
        found.insert(0, ("with", regularizer))
    return tuple((key, _text(value)) for key, value in found)


def _text(value: object) -> str:
    return short(value) if isinstance(value, float) else str(value)
