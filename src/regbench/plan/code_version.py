"""Which code made a row: a hash of the sources that a member's numbers depend on, the user's own included."""

import functools
import hashlib
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from regbench.paths import ROOT

#: what a member's numbers depend on, below src/regbench
SOURCES = ("regularizers", "models", "data", "training", "measures")
SOURCES += ("train.py", "plan/jobs.py", "rows/stopping.py")
LIBRARIES = ("regbench", "torch", "torchvision", "builtins")  # of which a row says the version elsewhere


def code_version(config: Mapping[str, Any] | None = None) -> str:
    """12 hexadecimal digits that change with any of the sources; with those of a member's own, 8 more behind a "+".

    Args:
        config: the scientific config of a member, whose `_target_`s may lie in files outside of the package.
    """
    own = sorted({target.rpartition(".")[0] for target in _targets(config or {})})
    own = [module for module in own if module.partition(".")[0] not in LIBRARIES]
    return _of_package() + ("+" + _of_modules(tuple(own)) if own else "")


@functools.cache
def _of_package() -> str:
    digest = hashlib.sha256()
    package = ROOT / "src" / "regbench"
    for part in SOURCES:
        path = package / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(str(file.relative_to(package)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


@functools.cache
def _of_modules(names: tuple[str, ...]) -> str:
    """The hash of these modules' sources; a module that is not to be found here counts by its name."""
    digest = hashlib.sha256()
    for name in names:
        file = _source(name)
        digest.update(name.encode() + b"\0" + (file.read_bytes() if file else b"not found"))
    return digest.hexdigest()[:8]


def _source(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    file = Path(spec.origin) if spec and spec.origin else None
    return file if file and file.is_file() else None


def _targets(value: object) -> Iterator[str]:
    """Every `_target_` of a config."""
    if isinstance(value, Mapping):
        if isinstance(value.get("_target_"), str):
            yield value["_target_"]
        for each in value.values():
            yield from _targets(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _targets(each)
