"""Which layers a penalty on weights looks at: dense and convolutional ones, by word, index or name.

Transposed convolutions are none of them: the papers' formulas are about the other two.
"""

import functools
import logging
from collections.abc import Iterable

from torch import nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized
from torch.optim.swa_utils import AveragedModel

from regbench.errors import UserError

log = logging.getLogger("regbench")

LAYERS = (nn.Linear, nn.Conv2d)


def choose_layers(model: nn.Module, placement: str | int | list[str | int]) -> dict[str, nn.Module]:
    """The dense and convolutional layers of a placement by name, in the order in which the model defines them.

    Those of averaged copies are left out. Of layers that share a weight the first counts. What "all" leaves out
    although it has weights is logged.

    Args:
        placement: "first", "all", "convolutions" (all of these), a word of the model's own `placements`, an index, a
            name, or a list of indices and names; the order is that in which the model lists its modules.

    Raises:
        UserError: a name or index that matches no layer, or none at all; a layer whose weight is not there yet, or is
            computed by a hook.
    """
    averages = tuple(f"{name}." for name, module in model.named_modules() if isinstance(module, AveragedModel))
    modules = {name: module for name, module in model.named_modules() if not name.startswith(averages)}
    every = {name: module for name, module in modules.items() if isinstance(module, LAYERS)}
    if not every:
        raise UserError("placement: this model has no dense or convolutional layer")
    for name, layer in every.items():
        _check_weight(name, layer)
    layers = {name: layer for name, layer in every.items() if _owner(name, every) == name}
    names = list(layers)
    if placement == "all":
        _say_left_out(modules)
        return layers
    if placement == "convolutions":
        placement = [name for name, layer in layers.items() if isinstance(layer, nn.Conv2d)]
        if not placement:
            raise UserError("placement=convolutions matches no layer: this model has no convolution")
    words = getattr(model, "placements", {})
    if isinstance(placement, str) and placement in words:
        placement = words[placement]
    if not isinstance(placement, str | int | list | tuple) or isinstance(placement, bool):
        raise UserError(f"placement={placement} is not allowed: a word, an index, a name, or a list of these")
    wanted = [placement] if isinstance(placement, str | int) else list(placement)
    if not wanted:
        raise UserError("placement=[] names no layer: use regularizer=none for none")
    chosen = [names[0] if key == "first" else _layer_name(key, names, every, words) for key in wanted]
    if len(set(chosen)) < len(chosen):
        raise UserError(f"placement={wanted} names a layer, or a weight that layers share, twice")
    return {name: layers[name] for name in names if name in chosen}


def _check_weight(name: str, layer: nn.Module) -> None:
    if is_lazy(layer.weight):
        raise UserError(f"placement: the weight of {name} has no size yet: call the network once before")
    if "weight" not in layer._parameters and not is_parametrized(layer, "weight"):
        raise UserError(
            f"placement: the weight of {name} is computed by a hook before each forward: allowed are weights and "
            "torch.nn.utils.parametrizations"
        )


def _owner(name: str, layers: dict[str, nn.Module]) -> str:
    """The first of the layers that has this one's weight."""
    weight = layers[name]._parameters.get("weight")
    shared = (other for other, layer in layers.items() if layer._parameters.get("weight") is weight)
    return name if weight is None else next(shared)


def _say_left_out(modules: dict[str, nn.Module]) -> None:
    left = [
        f"{name} ({type(module).__name__})"
        for name, module in modules.items()
        if not isinstance(module, LAYERS)
        and any(is_lazy(each) or each.dim() > 1 for each in module.parameters(recurse=False))
    ]
    if left:
        _say_once(f"placement=all takes dense layers and 2D convolutions, and leaves out {', '.join(left)}")


@functools.cache
def _say_once(text: str) -> None:
    """Many members of a job are attached alike."""
    log.warning(text)


def _layer_name(key: str | int, names: list[str], every: dict[str, nn.Module], words: Iterable[str]) -> str:
    if isinstance(key, int) and not isinstance(key, bool) and 0 <= key < len(names):
        return names[key]
    if isinstance(key, str) and key in every:
        return _owner(key, every)
    raise UserError(
        f"placement={key} matches no layer: allowed are {', '.join(['first', 'all', 'convolutions', *words])}, "
        f"0 to {len(names) - 1}, or {', '.join(names)}"
    )
