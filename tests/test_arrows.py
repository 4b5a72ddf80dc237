"""Imports run one way: from a package to those before it, and in a circle nowhere."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

import regbench
from regbench import evidence

SOURCE = Path(regbench.__file__ or regbench.__path__[0]).parent
ORDER = ("paths", "errors", "rows", "cluster", "data", "regularizers", "models", "measures", "plan", "training")
ORDER += ("train", "command_line", "evidence", "papers")


def name_of(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or path.stem != "__init__"}


def imported(node):
    """The modules of this package that a file imports, wherever in it, but for types or as a command."""
    if isinstance(node, ast.If) and re.search(r"TYPE_CHECKING|__main__", ast.unparse(node.test)):
        return
    if isinstance(node, ast.Import):
        yield from (each.name.removeprefix("regbench.") for each in node.names if each.name.startswith("regbench."))
    if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "regbench":
        base = node.module.partition(".")[2]
        for each in node.names:
            name = f"{base}.{each.name}".strip(".")
            yield name if name in MODULES else base
    for child in ast.iter_child_nodes(node):
        yield from imported(child)


GRAPH = {name: set(imported(ast.parse(path.read_text()))) - {name} for name, path in MODULES.items()}


def test_every_package_has_its_place():
    assert {name.partition(".")[0] for name in MODULES} == set(ORDER)


@pytest.mark.parametrize("package", ORDER)
def test_a_package_imports_those_before_it(package):
    allowed = ORDER[: ORDER.index(package) + 1]
    own = [name for name in GRAPH if name.partition(".")[0] == package]
    wrong = [(name, other) for name in own for other in GRAPH[name] if other.partition(".")[0] not in allowed]
    assert own and not wrong


def test_no_imports_run_in_a_circle():
    assert set(graphlib.TopologicalSorter(GRAPH).static_order()) == set(GRAPH)  # raises CycleError


def test_the_map_of_the_evidence_has_every_file_and_its_order():
    listed = re.findall(
        r"\b[a-z_]+\b", re.sub(r"\(.*?\)|(?m:^[A-Z].*?  )", "", evidence.__doc__.partition("before it.")[2])
    )
    own = [name.partition(".")[2] for name in MODULES if name.startswith("evidence.")]
    assert sorted(listed) == sorted(own)
    for place, name in enumerate(listed):
        others = {other.partition(".")[2] for other in GRAPH[f"evidence.{name}"] if other.startswith("evidence.")}
        assert others <= {*listed[:place]}, name
