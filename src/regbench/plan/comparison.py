"""One's own regularizer beside none, classic dropout and a control, as a page of the engine. No torch in here."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from regbench.errors import UserError
from regbench.evidence import looks, verdicts
from regbench.evidence.judging import Case
from regbench.evidence.metrics import METRICS
from regbench.evidence.wording import amount
from regbench.paths import CONFIGS
from regbench.plan.experiments import load_config

EXPERIMENT = "compare"
WORDS = {verdicts.SUPPORTED: "better", verdicts.CONTRADICTED: "worse"}
PATCHES = "random_patch"  # the control of layers that drop patches


@dataclass(frozen=True)
class Method:
    """One side: the name that its rows have, its label, the overrides that make it."""

    name: str
    label: str
    overrides: tuple[str, ...]


def known_regularizers(configs: Path | None) -> list[str]:
    """The regularizers that have a config, here or in a folder of one's own. Raises UserError for a folder without."""
    own = sorted(path.stem for path in (configs / "regularizer").glob("*.yaml")) if configs else []
    if configs and not own:
        raise UserError(f"CONFIGS={configs} is not allowed: a folder with regularizer/NAME.yaml in it")
    return [*own, *sorted(path.stem for path in (CONFIGS / "regularizer").glob("*.yaml"))]


def find_methods(name: str, control: str, configs: Path | None) -> list[Method]:
    """One's own regularizer first, then what it is compared with.

    Classic dropout has its rate and its place where it is a layer with a rate; a layer that drops patches has random
    patches as its control, any other the one that is named, or none.

    Raises:
        UserError: a regularizer or control that no config has, with the nearest; `none`, which is compared with.
    """
    known = known_regularizers(configs)
    for key, value in (("REGULARIZER", name), ("CONTROL", control)):
        if value and value not in known:
            near = difflib.get_close_matches(value, known, n=1, cutoff=0.5)
            hint = f"the nearest is {near[0]}; " if near else ""
            raise UserError(f"{key}={value} is not known: {hint}allowed are {', '.join(known)}")
    if name == "none":
        raise UserError("REGULARIZER=none is what others are compared with: name another")
    mine = settings_of(name, configs)
    layer = mine["method"].get("layer") or {}
    at_site = str(mine["method"].get("_target_", "")).endswith("SiteLayers") and 0 < mine["strength"] < 1
    place = str(mine["method"].get("placement")).replace(" ", "").replace("'", "")
    alike = (f"regularizer.strength={mine['strength']}", f"regularizer.method.placement={place}") if at_site else ()
    found = [Method(mine["name"], name, (f"regularizer={name}",)), Method("none", "none", ("regularizer=none",))]
    control = control or (PATCHES if "patch_size" in layer else "")
    for other in dict.fromkeys(["dropout", *([control] if control else [])]):
        if other not in (name, "none"):
            theirs = settings_of(other, configs)
            same = alike if str(theirs["method"].get("_target_", "")).endswith("SiteLayers") else ()
            found.append(Method(theirs["name"], other, (f"regularizer={other}", *same)))
    return found


def settings_of(name: str, configs: Path | None) -> Mapping[str, Any]:
    """A regularizer's config: one's own file, else the repository's."""
    own = configs / "regularizer" / f"{name}.yaml" if configs else None
    if own and own.is_file():
        return OmegaConf.to_container(OmegaConf.create({"regularizer": OmegaConf.load(own)}).regularizer, resolve=True)
    return OmegaConf.to_container(load_config([f"regularizer={name}"]).regularizer, resolve=True)


def checked_folder(name: str, root: Path) -> Path:
    """Where a comparison of this name is written. Raises UserError for a name that would leave the folder."""
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f"NAME={name} is not allowed: letters, digits, dots and dashes, a folder in {root}")
    return root / name


def write_paper(folder: Path, methods: Sequence[Method], datasets: Mapping[str, str], metric: str) -> None:
    """The comparison as a paper of data: lines, one family of comparisons, a table, a figure, a claim a reference."""
    own, unit = METRICS[metric], METRICS[metric].unit_of_differences
    mine, others = methods[0], methods[1:]
    direction = "less" if own.unit == "nats" else "greater"
    lines = {each.label: {"label": each.label, "where": {"regularizer.name": each.name}} for each in methods}
    names = [each.label for each in others]
    columns = [{"head": "Method", "label": True}, {"head": "n", "n": True}]
    columns += [{"head": f"{own.words}, {own.unit}", "metric": metric}]
    columns += [{"head": f"minus {name}, {unit}", "metric": metric, "minus": name} for name in names]
    curve = {"title": own.words, "curve": f"test.{metric}", "lines": list(lines), "label": f"{metric} ({own.unit})"}
    page = {
        "experiment": EXPERIMENT,
        "what": f"{mine.label} compared",
        "datasets": dict(datasets),
        "lines": lines,
        "families": {
            "all": {
                "title": f"{mine.label} against {', '.join(names)}",
                "tests": [{"metric": metric, "direction": direction, "lines": [mine.label], "minus": names}],
            }
        },
        "tables": [{"id": "compare", "title": f"{mine.label} compared, {{dataset}}", "columns": columns}],
        "figures": [
            {"file": "compare_{dataset}", "kind": "epochs", "title": "{dataset}", "panels": [curve]},
        ],
    }
    claims = [
        {
            "id": f"against-{other}",
            "claim": f"{mine.label} is better than {other} in {own.words}.",
            "quote": "the question",
            "place": "asked by make compare",
            "main": True,
            "short": f"{mine.label} better than {other}",
            "cases": {
                **{"page": EXPERIMENT, "metric": metric, "lines": [mine.label], "minus": [other]},
                "datasets": list(datasets),
            },
        }
        for other in names
    ]
    numbers = {"paper": "compare", "title": f"{mine.label} compared", "source": "none", "notes": [], "numbers": []}
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in (("table.yaml", page), ("claims.yaml", claims), ("numbers.yaml", numbers)):
        (folder / file).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def verdict_text(case: Case) -> str:
    """Better, worse, no effect, or what would decide it: `undecided: 7 more seeds, about 0.3 core-hours`."""
    if case.word == verdicts.NO_EFFECT:
        return "no effect: the same numbers" if case.identical else f"no effect within {amount(case.margin, case.unit)}"
    if case.word != verdicts.UNDECIDED:
        return WORDS.get(case.word, case.word)
    error = case.estimate.comparison.standard_error
    if error is None or case.n < 2:
        return "undecided: too few seeds to learn the spread from"
    needed = looks.seeds_needed(case.margin, error * case.n**0.5, family=case.family)
    if needed is None or needed > 100 * looks.LOOKS[-1]:
        return f"undecided: more seeds than can be had would be needed to see {amount(case.margin, case.unit)}"
    more = max(needed - case.n, 1)
    hours = looks.core_hours(case.rows, 2 * more)
    cost = f", about {hours:.1g} core-hours" if hours is not None else ""
    return f"undecided: {more} more seeds{cost} to see {amount(case.margin, case.unit)} in 4 of 5 tries"
