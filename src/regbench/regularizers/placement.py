"""Which layers a penalty on weights looks at: dense and convolutional ones, by word, index or name.

Transposed convolutions are none of them: the papers' formulas are about the other two.
"""

from collections.abc import Iterable

from torch import nn
from torch.nn.utils.parametrize import is_parametrized
from torch.optim.swa_utils import AveragedModel

from regbench.errors import UserError

LAYERS = (nn.Linear, nn.Conv2d)


def choose_layers(model: nn.Module, placement: str | int | list[str | int]) -> dict[str, nn.Module]:
    """The dense and convolutional layers of a placement, by name, in forward order; those of averages left out.

    Args:
        placement: "first", "all", "convolutions" (all of these), a word of the model's own `placements`, an index, a
            name, or a list of indices and names; the order is that in which the model lists its modules.

    Raises:
        UserError: a name or index that matches no layer, or none at all.
    """
    averages = tuple(f"{name}." for name, module in model.named_modules() if isinstance(module, AveragedModel))
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, LAYERS) and not name.startswith(averages)
    }
    names = list(layers)
    if not names:
        raise UserError("placement: this model has no dense or convolutional layer")
    if placement == "all":
        return layers
    if placement == "convolutions":
        placement = [name for name, layer in layers.items() if isinstance(layer, nn.Conv2d)]
        if not placement:
            raise UserError("placement=convolutions matches no layer: this model has no convolution")
    words = getattr(model, "placements", {})
    if isinstance(placement, str) and placement in words:
        placement = words[placement]
    if not isinstance(placement, str | int | list | tuple):
        raise UserError(f"placement={placement} is not allowed: a word, an index, a name, or a list of these")
    wanted = [placement] if isinstance(placement, str | int) else list(placement)
    if not wanted:
        raise UserError("placement=[] names no layer: use regularizer=none for none")
    chosen = [names[0] if key == "first" else _layer_name(key, names, words) for key in wanted]
    if len(set(chosen)) < len(chosen):
        raise UserError(f"placement={wanted} names a layer twice")
    return {name: layers[name] for name in names if name in chosen}


def trained_weight(layer: nn.Module) -> nn.Parameter:
    """The parameter that a layer's weight is, or, as under spectral norm, is computed from."""
    return layer.parametrizations.weight.original if is_parametrized(layer, "weight") else layer.weight


def _layer_name(key: str | int, names: list[str], words: Iterable[str]) -> str:
    if isinstance(key, int) and 0 <= key < len(names):
        return names[key]
    if key in names:
        return key
    raise UserError(
        f"placement={key} matches no layer: allowed are {', '.join(['first', 'all', 'convolutions', *words])}, "
        f"0 to {len(names) - 1}, or {', '.join(names)}"
    )
