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
from regbench.evidence.claims import NUMBERS
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
    """One side: the name that its rows have, its label, the overrides that make it, why it is there."""

    name: str
    label: str
    overrides: tuple[str, ...]
    why: str = ""


def known_regularizers(configs: Path | None) -> list[str]:
    """The regularizers that have a config, here or in a folder of one's own. Raises UserError for a folder without."""
    own = sorted(path.stem for path in (configs / "regularizer").glob("*.yaml")) if configs else []
    if configs and not own:
        raise UserError(f"CONFIGS={configs} is not allowed: a folder with regularizer/NAME.yaml in it")
    return [*own, *sorted(path.stem for path in (CONFIGS / "regularizer").glob("*.yaml"))]


def find_methods(name: str, control: str, configs: Path | None, own: Sequence[str] = ()) -> list[Method]:
    """One's own regularizer first, then what it is compared with.

    Classic dropout has its rate and its place where it is a layer with a rate. The control is the one that is asked
    for, else that of its config (`control: NAME`), else random patches for a layer that drops patches, else there is
    none; it has the settings that both have.

    Args:
        own: overrides of one's own regularizer alone.

    Raises:
        UserError: a regularizer or control that no config has, with the nearest; `none`, which is compared with.
    """
    known = known_regularizers(configs)
    _check_choice("REGULARIZER", name, known)
    if name == "none":
        raise UserError("REGULARIZER=none is what others are compared with: name another")
    search = search_path(configs)
    mine = _settings([*search, f"regularizer={name}", *own])
    stored = mine["name"] if mine["strength"] else "none"  # at strength 0 it is no regularizer, in its rows, too
    found = [Method(stored, name, (f"regularizer={name}", *own)), Method("none", "none", ("regularizer=none",))]
    if name != "dropout":
        rate = _at_sites(mine["method"]) and 0 < mine["strength"] < 1
        alike = _alike("dropout", mine, search) if rate else ()
        why = f"as {name}: {_shown(alike)}" if rate else f"as in its config, for {name} is no layer with a drop rate"
        found.append(Method("dropout", "dropout", ("regularizer=dropout", *alike), f"dropout is {why}"))
    why = f"which {name}'s config names" if mine.get("control") and not control else "as asked for"
    control = control or str(mine.get("control") or "")
    if not control and "patch_size" in (mine["method"].get("layer") or {}):
        control, why = PATCHES, f"as {name} drops patches"
    if control in ("", "none", "dropout", name):
        return found
    _check_choice("CONTROL", control, known)
    alike = _alike(control, mine, search)
    theirs = _settings([*search, f"regularizer={control}", *alike])
    why = f"{control} is the control, {why}, with the settings that both have: {_shown(alike) or 'none'}"
    return [*found, Method(theirs["name"], control, (f"regularizer={control}", *alike), why)]


def reasons(methods: Sequence[Method]) -> str:
    """Why each method is there, in sentences."""
    said = [each.why for each in methods if each.why]
    if len(methods) < 4:
        said.append(f"there is no further control: the config of {methods[0].label} names none and it drops no patches")
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in said)


def search_path(configs: Path | None) -> list[str]:
    """The override that makes Hydra look into a folder of one's own, too."""
    return [f"hydra.searchpath=[file://{configs.resolve()}]"] if configs else []


def _check_choice(key: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        near = difflib.get_close_matches(value, known, n=1, cutoff=0.5)
        hint = f"the nearest is {near[0]}; " if near else ""
        raise UserError(f"{key}={value} is not known: {hint}allowed are {', '.join(known)}")


def _alike(name: str, mine: Mapping[str, Any], search: Sequence[str]) -> tuple[str, ...]:
    """The overrides by which another regularizer has the strength and all settings of one's own that it knows.

    What its config derives from the strength stays derived; a place means the same to layers at sites alone. A
    strength of another kind (a penalty's beside a rate) is left alone.
    """
    theirs = _settings([*search, f"regularizer={name}"], resolve=False)
    sites = [_at_sites(each["method"]) for each in (mine, theirs)]
    found = [f"regularizer.strength={mine['strength']!r}"] if sites[0] == sites[1] and mine["strength"] else []
    for path in (("method",), ("method", "layer")):
        ours, other = (_below(each, path) for each in (mine, theirs))
        for key in [key for key in other if key in ours and not key.startswith("_") and key not in ("layer", "parts")]:
            derived = isinstance(other[key], str) and "${" in other[key]
            if not derived and (key != "placement" or all(sites)):
                found.append(f"regularizer.{'.'.join(path)}.{key}={_text(ours[key])}")
    return tuple(found)


def _settings(overrides: Sequence[str], resolve: bool = True) -> dict[str, Any]:
    return OmegaConf.to_container(load_config(overrides).regularizer, resolve=resolve)


def _below(settings: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any]:
    for part in path:
        settings = settings.get(part) or {}
    return settings


def _at_sites(method: Mapping[str, Any]) -> bool:
    return str(method.get("_target_", "")).endswith("Layers")


def _shown(overrides: Sequence[str]) -> str:
    return ", ".join(each.split("=")[0].rsplit(".", 1)[-1] + " " + each.split("=", 1)[1] for each in overrides)


def _text(value: object) -> str:
    return str(value).replace(" ", "").replace("'", "")


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
                **{"datasets": list(datasets), "same": NUMBERS},
            },
        }
        for other in names
    ]
    numbers = {"paper": "compare", "title": f"{mine.label} compared", "source": "none", "notes": [], "numbers": []}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "guide.md").write_text(f"{reasons(methods)}\n", encoding="utf-8")
    for file, content in (("table.yaml", page), ("claims.yaml", claims), ("numbers.yaml", numbers)):
        (folder / file).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def verdict_text(case: Case) -> str:
    """Better, worse or no effect with the look it fell at, or `undecided: 7 more seeds, about 0.3 core-hours`."""
    if case.identical:
        return "no effect: the same numbers in every seed"
    if case.word != verdicts.UNDECIDED:
        within = f" within {amount(case.margin, case.unit)}" if case.word == verdicts.NO_EFFECT else ""
        return f"{WORDS.get(case.word, case.word)}{within} (look at n = {looks.look_at(case.n)})"
    error = case.estimate.comparison.standard_error
    if error is None:
        return f"undecided: {max(looks.LOOKS[0] - case.n, 1)} more seeds, to see how much the difference varies"
    needed = looks.seeds_needed(case.margin, error * case.n**0.5, family=case.family)
    if needed is None or needed > 100 * looks.LOOKS[-1]:
        return f"undecided: more seeds than can be had would be needed to see {amount(case.margin, case.unit)}"
    more = max(needed - case.n, 1)
    hours = looks.core_hours(case.rows, 2 * more)
    cost = f", about {hours:.1g} core-hours" if hours is not None else ""
    return f"undecided: {more} more seeds{cost} to see {amount(case.margin, case.unit)} in 4 of 5 tries"
