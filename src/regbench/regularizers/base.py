"""What a regularizer is: something that stands in a network, or adds to its loss, while it trains.

To add one: write its formula and its layer (or its penalty) in a file of its own here, export it in `__init__.py`,
and describe it in `configs/regularizer/<name>.yaml`: training and rows find it there. To see it in Table 1, name it in
`configs/experiment/table1.yaml` and in `reports/methods.py`.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from regbench.errors import UserError


class Regularizer:
    """Nothing: the unregularized baseline, and the interface of all others.

    Whatever a regularizer remembers is in buffers or parameters of layers that it placed in the model, so that the
    model's `state_dict` holds all of it.
    """

    #: evaluation modes; every regularizer has "full", the network as it stands
    modes: tuple[str, ...] = ("full",)
    #: of the penalty; whoever has a `unit_penalty` sets it
    strength: float = 0.0

    def attach(self, model: nn.Module, input_shape: tuple[int, int, int]) -> None:
        """Place layers in the model; `input_shape` is (C, H, W) of one input."""

    def unit_penalty(self, model: nn.Module) -> Tensor | None:
        """The penalty at strength 1, a function of the model's parameters alone; None for none."""
        return None

    def penalty(self, model: nn.Module) -> Tensor | None:
        """What is added to the loss of a step: strength times the unit penalty; None for nothing."""
        unit = self.unit_penalty(model)
        return None if unit is None else self.strength * unit

    def penalty_measurements(self, model: nn.Module) -> dict[str, float]:
        """The penalty as it stands, the norm of its gradient, and what it is made of: read once an epoch."""
        return {}

    def has_no_gradient(self, steps: dict[str, float]) -> bool:
        """Whether the penalty's gradient is exactly zero in float32 at all steps of which these are the measures.

        A training without the penalty is then this one too, but for the penalty's value.
        """
        return False

    def adapt(self, losses: Callable[[], Mapping[str, Tensor]]) -> None:
        """Learn from a finished step: called after each.

        `losses()` computes the minimised losses, each a (), of that step's images with the updated network and fresh
        noise: one by the name `loss`, or a GAN's `generator` and `discriminator`. What does not call it costs nothing.
        """

    def adapts(self) -> bool:
        """Whether it learns from steps: every one then has to be the network's own."""
        return type(self).adapt is not Regularizer.adapt

    def own_parameters(self) -> list[nn.Parameter]:
        """Parameters that it put into the model and moves by itself: no optimizer of the network's may hold them."""
        return []

    def traced(self) -> dict[str, Tensor]:
        """What is worth following over the steps, each a (), without a gradient."""
        return {}

    def set_mode(self, mode: str) -> None:
        """Choose the evaluation mode, one of `modes`."""
        if mode not in self.modes:
            raise UserError(f"mode={mode} is not allowed: allowed is {', '.join(self.modes)}")

    def measurements(self) -> dict[str, float]:
        """What was counted since the last call, as `<site>/<name>`: read once an epoch, not once a step."""
        return {}

    def artifacts(self) -> dict[str, Tensor]:
        """Arrays worth keeping with the finished row, as `<site>/<name>`: (rows, height, width), in [0, 1]."""
        return {}


def check_strength(strength: float) -> float:
    """The strength of a penalty: a finite number."""
    if not math.isfinite(strength):
        raise UserError(f"strength={strength} is not allowed: a finite number")
    return strength


class SiteLayers(Regularizer):
    """One layer at each named site of the model.

    Args:
        placement: names of sites, such as ["conv1"], or "all", or "last".
        layer: makes a layer. It is given those of `channels` and `map_size` that its signature asks for, so a layer
            such as torch.nn.Dropout needs no wrapping. One that asks for `map_size`, or has `maps_only`, stands at
            maps only.

    A layer may offer `mode` (a property, with "full" and "mask"), `measurements()`, and masks that it averages:
    `ema` (channels, patches), `inference_mask()` and `patch_size`.
    """

    def __init__(self, placement: str | list[str], layer: Callable[..., nn.Module]):
        if not placement:
            raise UserError("regularizer.method.placement=[] names no site: use regularizer=none for none")
        self.placement = [placement] if isinstance(placement, str) else list(placement)
        self.make_layer = layer
        self.layers: dict[str, nn.Module] = {}
        self.maps: dict[str, tuple[int, ...]] = {}

    def attach(self, model: nn.Module, input_shape: tuple[int, int, int]) -> None:
        sites = model.sites
        words = {"all": list(sites), "last": list(sites)[-1:]}
        if len(self.placement) == 1 and self.placement[0] in words:
            self.placement = words[self.placement[0]]
        for name in self.placement:
            if name not in sites:
                allowed = ", ".join([*words, *sites])
                raise UserError(f"placement={name} is not a site of this model: allowed are {allowed}")
        if len(set(self.placement)) < len(self.placement):
            raise UserError(f"placement={self.placement} names a site twice")
        shapes = site_shapes(model, input_shape)
        for name in self.placement:
            channels, *map_size = shapes[name]
            if not map_size and _needs_map(self.make_layer):
                maps = ", ".join(site for site, shape in shapes.items() if len(shape) == 3) or "none of this model"
                raise UserError(f"placement={name} has no map (H, W), which this layer needs: allowed are {maps}")
            layer = _call_with_known(self.make_layer, {"channels": channels, "map_size": tuple(map_size)})
            self.layers[name] = layer
            taken = not isinstance(sites[name], nn.Identity)
            sites[name] = nn.Sequential(sites[name], layer) if taken else layer
            self.maps[name] = shapes[name]
        if any(hasattr(layer, "mode") for layer in self.layers.values()):
            self.modes = ("full", "mask")

    def set_mode(self, mode: str) -> None:
        super().set_mode(mode)
        for layer in self.layers.values():
            if hasattr(layer, "mode"):
                layer.mode = mode

    def measurements(self) -> dict[str, float]:
        return {
            f"{site}/{name}": value
            for site, layer in self._with("measurements")
            for name, value in layer.measurements().items()
        }

    def artifacts(self) -> dict[str, Tensor]:
        """Of layers that average their masks: `<site>/ema` and `<site>/mask`, what MASK mode applies."""
        found = {}
        for site, layer in self._with("ema"):
            channels, height, width = self.maps[site]
            grid = (channels, height // layer.patch_size, width // layer.patch_size)
            found[f"{site}/ema"] = layer.ema.detach().float().cpu().view(grid)
            found[f"{site}/mask"] = layer.inference_mask().float().cpu().view(grid)
        return found

    def _with(self, attribute: str) -> Iterator[tuple[str, nn.Module]]:
        return ((site, layer) for site, layer in self.layers.items() if hasattr(layer, attribute))


def _call_with_known(make: Callable[..., nn.Module], known: dict[str, object]) -> nn.Module:
    """Call `make` with those of the known values that its signature asks for; unknown settings are named."""
    target, asked = _target(make), _asked(make)
    settings = getattr(make, "keywords", {})
    for key in settings:
        if key not in asked:
            raise UserError(
                f"regularizer.method.layer.{key} is no setting of {target.__name__}: allowed are {', '.join(asked)}"
            )
    try:
        return make(**{key: value for key, value in known.items() if key in asked})
    except (TypeError, ValueError, RuntimeError) as error:
        given = ", ".join(f"{key}={value}" for key, value in settings.items()) or "none"
        reason = str(error).splitlines()[0]
        raise UserError(f"regularizer.method.layer: {target.__name__} does not take {given} ({reason})") from error


def _target(make: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """What is called in the end: functools.partial holds the settings of the config."""
    return getattr(make, "func", make)


def _needs_map(make: Callable[..., nn.Module]) -> bool:
    return "map_size" in _asked(make) or getattr(_target(make), "maps_only", False)


def _asked(make: Callable[..., nn.Module]) -> Mapping[str, inspect.Parameter]:
    """The settings that a layer takes."""
    return inspect.signature(_target(make)).parameters


def site_shapes(model: nn.Module, input_shape: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
    """Shape of one sample's activation at each site: (C, H, W), or (features,) behind a dense layer."""
    return input_shapes(model, dict(model.sites.items()), input_shape)


@torch.no_grad()
def input_shapes(
    model: nn.Module, modules: Mapping[str, nn.Module], input_shape: tuple[int, int, int]
) -> dict[str, tuple[int, ...]]:
    """Shape of what enters each of these modules of the model for one sample, in the order in which they are called."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Callable:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            shapes[name] = tuple(inputs[0].shape[1:])

        return hook

    handles = [module.register_forward_pre_hook(note(name)) for name, module in modules.items()]
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    model(torch.zeros(1, *input_shape, device=device))
    model.train(training)
    for handle in handles:
        handle.remove()
    return shapes
