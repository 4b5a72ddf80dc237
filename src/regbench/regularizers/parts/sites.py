"""Layers in a network: at its named sites, or behind any module of a network that names none."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regbench.errors import UserError
from regbench.regularizers.parts.base import Regularizer

CONTAINERS = (nn.ModuleList, nn.ModuleDict)


class SiteLayers(Regularizer):
    """One layer at each named place of a model.

    Args:
        placement: names of sites, such as ["conv1"], or "all", or "last". Of a model without `sites`, such as
            torchvision's: names of modules, such as ["layer1.0.relu"], behind which the layers stand.
        layer: makes a layer. It is given those of `channels` and `map_size` that its signature asks for, so a layer
            such as torch.nn.Dropout needs no wrapping. One that asks for `map_size`, or has `maps_only`, stands at
            maps only.

    A layer may offer `mode` (a property, with "full" and "mask"), `measurements()`, and `pictures()`: arrays worth
    keeping with a finished row, by name, each (rows, height, width) in [0, 1].
    """

    def __init__(self, placement: str | list[str], layer: Callable[..., nn.Module]):
        names = [placement] if isinstance(placement, str) else placement
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise UserError(f"regularizer.method.placement={placement} is not allowed: a name or a list of names")
        if not names:
            raise UserError("regularizer.method.placement=[] names no site: use regularizer=none for none")
        self.placement = list(names)
        self.make_layer = layer
        self.layers: dict[str, nn.Module] = {}

    def attach(self, model: nn.Module, input_shape: tuple[int, int, int]) -> None:
        if len(set(self.placement)) < len(self.placement):
            raise UserError(f"placement={self.placement} names a site twice")
        if hasattr(model, "sites"):
            self._stand_at_sites(model, input_shape)
        else:
            self.layers = {
                name: place_behind(model, name, self.make_layer, input_shape).layer for name in self.placement
            }
        if any(hasattr(layer, "mode") for layer in self.layers.values()):
            self.modes = ("full", "mask")

    def _stand_at_sites(self, model: nn.Module, input_shape: tuple[int, int, int]) -> None:
        sites = model.sites
        words = {"all": list(sites), "last": list(sites)[-1:]}
        if len(self.placement) == 1 and self.placement[0] in words:
            self.placement = words[self.placement[0]]
        for name in self.placement:
            if name not in sites:
                allowed = ", ".join([*words, *sites])
                raise UserError(f"placement={name} is not a site of this model: allowed are {allowed}")
        shapes = site_shapes(model, input_shape)
        for name in self.placement:
            layer = _made_for(self.make_layer, name, shapes)
            self.layers[name] = layer
            taken = not isinstance(sites[name], nn.Identity)
            sites[name] = nn.Sequential(sites[name], layer) if taken else layer

    def set_mode(self, mode: str) -> None:
        super().set_mode(mode)
        for layer in self.layers.values():
            if hasattr(layer, "mode"):
                layer.mode = mode

    def measurements(self) -> dict[str, float]:
        return self._collected("measurements")

    def artifacts(self) -> dict[str, Tensor]:
        """The pictures of layers that have some."""
        return self._collected("pictures")

    def _collected(self, what: str) -> dict:
        return {
            f"{site}/{name}": value
            for site, layer in self.layers.items()
            if hasattr(layer, what)
            for name, value in getattr(layer, what)().items()
        }


@dataclass(frozen=True)
class Placed:
    """A layer that stands behind a module of a network.

    shape: of one sample's activation there. calls: how often a forward goes through it.
    """

    name: str
    layer: nn.Module
    shape: tuple[int, ...]
    calls: int

    def __str__(self) -> str:
        often = "once" if self.calls == 1 else f"{self.calls} times"
        return f"{self.layer} behind {self.name}: {self.shape} of each sample, {often} a forward"


def place_behind(
    model: nn.Module, name: str, make_layer: Callable[..., nn.Module], input_shape: tuple[int, ...]
) -> Placed:
    """Put a layer behind a module of any network, in place: what the module returns goes through it.

    Names and values of what the network's `state_dict` holds stay. Returns what was done, to print.

    Args:
        name: of a module, as in `model.named_modules()`.
        make_layer: makes the layer, given those of `channels` and `map_size` that its signature asks for.
        input_shape: of one input of the network, such as (C, H, W).

    Raises:
        UserError: no such module, one that a forward does not call, or that returns tensors of several shapes or none.
    """
    modules = {key: module for key, module in model.named_modules() if key}
    if name not in modules:
        raise UserError(f"placement={name} is no module of this model: allowed are {', '.join(modules) or 'none'}")
    module = modules[name]
    custom = isinstance(module, nn.Sequential) and type(module).forward is not nn.Sequential.forward
    if custom or isinstance(module, CONTAINERS):
        raise UserError(f"placement={name} is a {type(module).__name__}, which holds modules: name one of these")
    found = outputs(model, {name: module}, input_shape).get(name, [])
    if not found:
        raise UserError(f"placement={name}: a forward of this model does not call it")
    if len(set(found)) > 1:
        shapes = " and ".join(str(shape) for shape in dict.fromkeys(found))
        raise UserError(f"placement={name} returns tensors of several shapes in one forward, {shapes}: allowed is one")
    layer = _made_for(make_layer, name, {name: found[0]})
    place = next(model.parameters(), torch.empty(0))
    layer.to(place.device, place.dtype if place.is_floating_point() else None)
    layer.train(module.training)
    if isinstance(module, nn.Sequential):
        module.append(layer)
    else:
        key = f"behind{sum(child.startswith('behind') for child in dict(module.named_children()))}"
        module.add_module(key, layer)
        module.register_forward_hook(functools.partial(_through, key))
    return Placed(name, layer, found[0], len(found))


def _through(key: str, module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
    """A forward hook: of a copied network it calls the copy's own layer."""
    return getattr(module, key)(output)


def _made_for(make: Callable[..., nn.Module], name: str, shapes: Mapping[str, tuple[int, ...]]) -> nn.Module:
    """A layer for the activations at this place of those known."""
    channels, *map_size = shapes[name]
    if len(map_size) != 2 and _needs_map(make):
        maps = ", ".join(site for site, shape in shapes.items() if len(shape) == 3) or "none of this model"
        raise UserError(f"placement={name} has no map (H, W), which this layer needs: allowed are {maps}")
    return _call_with_known(make, {"channels": channels, "map_size": tuple(map_size)})


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
    except UserError:
        raise
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
    return {name: found[0] for name, found in outputs(model, dict(model.sites.items()), input_shape).items()}


@torch.no_grad()
def outputs(
    model: nn.Module, modules: Mapping[str, nn.Module], input_shape: tuple[int, ...]
) -> dict[str, list[tuple[int, ...]]]:
    """Shapes of what each of these modules returns for one sample, a shape a call, in the order of first calls."""
    shapes: dict[str, list[tuple[int, ...]]] = {}

    def note(name: str) -> Callable:
        def hook(module: nn.Module, inputs: tuple, output: object) -> None:
            if not torch.is_tensor(output) or output.dim() < 2:
                raise UserError(f"placement={name} returns no activations (N, ...), but {type(output).__name__}")
            shapes.setdefault(name, []).append(tuple(output.shape[1:]))

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in modules.items()]
    modes = {module: module.training for module in model.modules()}
    place = next(model.parameters(), torch.empty(0))
    try:
        model.eval()(torch.zeros(1, *input_shape, device=place.device, dtype=place.dtype))
    finally:
        for module, training in modes.items():
            module.training = training
        for handle in handles:
            handle.remove()
    return shapes
