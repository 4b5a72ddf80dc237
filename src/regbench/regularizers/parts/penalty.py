"""Penalties on weights: what they share, whichever function of the weights they are."""

from torch import nn

from regbench.errors import UserError
from regbench.regularizers.parts.base import Regularizer
from regbench.regularizers.parts.placement import choose_layers
from regbench.regularizers.parts.settings import is_number, require


def check_strength(strength: float) -> float:
    """The strength of a penalty: a finite number."""
    return require("strength", strength, is_number, "a finite number")


class WeightPenalty(Regularizer):
    """A penalty on the weights of placed layers, of whatever model it is given: the one attached to, or a copy of it.

    A frozen weight counts in the penalty's value and gets no gradient. A parametrised one, as under spectral norm,
    counts as it is computed, and the gradient reaches what it is computed from.

    Args:
        strength: a finite number. placement: which layers, as `placement.choose_layers` reads it.
    """

    def __init__(self, strength: float, placement: str | int | list[str | int]):
        self.strength, self.placement = check_strength(strength), placement
        self.names: tuple[str, ...] = ()

    def attach(self, model: nn.Module, input_shape: tuple[int, int, int] | None = None) -> None:
        """Choose the layers; `input_shape` is not looked at.

        Raises:
            UserError: a placement that matches no layer, or frozen ones alone.
        """
        layers = choose_layers(model, self.placement)
        if not any(parameter.requires_grad for layer in layers.values() for parameter in trained(layer)):
            raise UserError(f"placement={self.placement}: the weights of {', '.join(layers)} are all frozen")
        self.names = tuple(layers)

    def layers(self, model: nn.Module) -> dict[str, nn.Module]:
        """The placed layers of this model, by name; one that torch has wrapped is looked into."""
        if not self.names:
            raise UserError(f"{type(self).__name__} is used before attach(model), which chooses its layers")
        modules = dict(model.named_modules())
        for prefix in ("", "module.", "_orig_mod."):
            if all(prefix + name in modules for name in self.names):
                return {name: modules[prefix + name] for name in self.names}
        missing = next(name for name in self.names if name not in modules)
        raise UserError(f"this model has no layer {missing}, which {type(self).__name__} was attached to in another")


def trained(layer: nn.Module) -> list[nn.Parameter]:
    """The parameters that a layer's weight is, or, as under spectral norm, is computed from."""
    parametrised = getattr(layer, "parametrizations", {})
    return list(parametrised["weight"].parameters()) if "weight" in parametrised else [layer.weight]
