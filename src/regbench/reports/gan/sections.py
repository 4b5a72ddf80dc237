"""The GAN rows of one budget and dataset by line of the table: what may stand beside each other and what may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from regbench.errors import UserError
from regbench.evidence.groups import Group, check_same, make_group
from regbench.evidence.readings import last
from regbench.evidence.settings import not_drawn, title_settings
from regbench.reports.gan.methods import (
    BASELINES,
    DATASETS,
    PAPER_METHODS,
    GanMethod,
    Variant,
    dataset_of,
    standard_settings,
    variant_of,
)
from regbench.reports.gan.readings import last_step, reachable_fid

#: the settings that tell the lines of a table apart; their names say how
VARYING = ("seed", "model", "regularizer", "task.n_dis", "task.optimizer")


@dataclass(frozen=True)
class Section:
    """All trainings of one dataset and budget, by variant in the table's order."""

    dataset: str
    budget: str
    rows: tuple[dict, ...]
    groups: dict[Variant, Group]
    extractor: dict

    @property
    def name(self) -> str:
        return DATASETS[self.dataset]

    @property
    def done(self) -> list[dict]:
        return [row for row in self.rows if row["status"] == "done"]

    @property
    def lines(self) -> list[tuple[Variant, Group | None]]:
        """The table's lines: the paper's methods always, everything else where it has rows."""
        variants = {Variant(method) for method in PAPER_METHODS} | set(self.groups)
        return [(variant, self.groups.get(variant)) for variant in sorted(variants, key=lambda each: each.order)]

    @property
    def level(self) -> float | None:
        """The FID of "epochs to a fixed FID": the lowest that every sound training of the baselines reaches."""
        return reachable_fid(row for method in BASELINES if (group := self.group(method)) for row in group.done)

    def floor(self, metric: str) -> float | None:
        """What as many training images score against the test split: the mean over all trainings, each measured it."""
        return fmean(last(f"real_{metric}")(row) for row in self.done) if self.done else None

    def group(self, method: GanMethod) -> Group | None:
        """The trainings of a method's own line; None: not run."""
        return self.groups.get(Variant(method))

    def title(self, what: str, separator: str = ", ") -> str:
        """What the numbers depend on, behind the name of the table or picture; a picture has it in two lines."""
        settings = title_settings(self.rows, self.groups.values())
        samples = f"{self.rows[0]['config']['task']['samples']:,} samples"
        return f"{what}, {self.name}: {settings}{separator}{_steps(self.done)}, {samples}, {self.seen_by}"

    def heading(self, what: str) -> str:
        """The title of a picture, with the members that it does not show."""
        named = ((variant.label, group) for variant, group in self.groups.items())
        return self.title(what, separator="\n") + not_drawn(named)

    @property
    def seen_by(self) -> str:
        """The feature extractor in words."""
        if not self.extractor:
            return "extractor not recorded"
        accuracy = self.extractor.get("accuracy")
        known = "" if accuracy is None else f"test accuracy {100 * accuracy:.2f} %, "
        return (
            f"extractor {self.extractor['name']} ({known}{self.extractor['features']} features, "
            f"sha256 {self.extractor['sha256'][:8]})"
        )


def gan_sections(rows: Sequence[dict], budget: str) -> list[Section]:
    """One section a dataset that has rows of this budget; digits, MNIST, CIFAR-10, CelebA.

    Raises UserError where rows of one section differ in more than model, regularizer and optimizer, were measured
    with different extractors, or belong to no line.
    """
    chosen = sorted((row for row in rows if row["budget"] == budget), key=lambda row: str(row["id"]))
    by_dataset: dict[str, list[dict]] = {}
    for row in chosen:
        by_dataset.setdefault(dataset_of(row), []).append(row)
    return [_section(name, budget, by_dataset[name]) for name in DATASETS if name in by_dataset]


def _section(dataset: str, budget: str, rows: list[dict]) -> Section:
    name = f"GAN table, {dataset}"
    check_same(rows, name, ignore=VARYING)
    standard = standard_settings(rows)
    members: dict[Variant, list[dict]] = {}
    for row in rows:
        members.setdefault(variant_of(row, standard), []).append(row)
    ordered = sorted(members, key=lambda variant: variant.order)
    groups = {variant: make_group(members[variant], f"{name}, {variant.label}") for variant in ordered}
    return Section(dataset, budget, tuple(rows), groups, _extractor(rows, name))


def _extractor(rows: Sequence[dict], name: str) -> dict:
    """The one extractor of these rows; empty where none is finished."""
    found: dict[str, tuple[dict, str]] = {}
    for row in rows:
        if row["status"] == "done":
            extractor = row["provenance"].get("extractor") or {}
            missing = [key for key in ("name", "sha256", "features") if key not in extractor]
            if missing:
                raise UserError(f"row {row['id']}: provenance.extractor.{missing[0]} is missing")
            found.setdefault(extractor["sha256"], (extractor, row["id"]))
    if len(found) > 1:
        (one, first), (other, second), *_ = found.values()
        raise UserError(
            f"{name}: provenance.extractor.sha256 differs between its rows: {one['sha256']!r} ({one['name']}, row "
            f"{first}) and {other['sha256']!r} ({other['name']}, row {second}); FID and IS of different extractors "
            "cannot be compared"
        )
    return next(iter(found.values()))[0] if found else {}


def _steps(rows: Sequence[dict]) -> str:
    counts = sorted({step for row in rows if (step := last_step(row)) is not None})
    return f"{' or '.join(f'{count:,}' for count in counts)} steps" if counts else "steps not recorded"
