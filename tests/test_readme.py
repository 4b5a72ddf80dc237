"""The README's promises: its Python runs, its commands exist, its regularizer recipe works."""

import re

import torch
import yaml

from regbench.paths import CONFIGS, ROOT

TEXT = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_python_of_the_readme_runs():
    names = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    assert names["layer"].measurements()["masked"] == 30 / 196
    assert isinstance(names["network"], torch.nn.Module)


def test_every_make_target_of_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z0-9-]+)", TEXT)) - {"it"} <= targets


def test_the_recipe_for_a_regularizer_has_the_shape_of_the_shipped_ones():
    recipe = yaml.safe_load(blocks("yaml")[0])
    shipped = yaml.safe_load((CONFIGS / "regularizer" / "dropout.yaml").read_text())
    assert recipe.keys() == shipped.keys() and recipe["method"].keys() == shipped["method"].keys()


def test_every_link_of_the_readme_leads_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (ROOT / target).exists(), target
