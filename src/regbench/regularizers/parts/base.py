"""What a regularizer is: something that stands in a network, or adds to its loss, while it trains.

To add one: write its formula and its layer (or its penalty) in a file of its own in the folder above, export it in that
folder's `__init__.py`, and describe it in `configs/regularizer/<name>.yaml`: training and rows find it there. To see it
in Table 1, name it in `configs/experiment/table1.yaml` and give it a line in `papers/pb_edropout/table1/table.yaml`.
"""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from regbench.errors import UserError
from regbench.regularizers.parts.settings import choice


class Regularizer:
    """Nothing: the unregularized baseline, and the interface of all others.

    Whatever a regularizer remembers is in buffers or parameters of layers that it placed in the model: in the model's
    `state_dict` where inference needs it, else in its `training_state`.
    """

    #: evaluation modes; every regularizer has "full", the network as it stands
    modes: tuple[str, ...] = ("full",)
    #: of the penalty; whoever has a `unit_penalty` sets it
    strength: float = 0.0

    def attach(self, model: nn.Module, input_shape: tuple[int, int, int]) -> None:
        """Place layers in the model; `input_shape` is (C, H, W) of one input."""

    def unit_penalty(self, model: nn.Module) -> Tensor | None:
        """The penalty at strength 1, a () of the parameters of the model that is given; None for none."""
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
        """Learn from a finished step: called after each, of a GAN after each of the generator's.

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
        choice("mode", mode, self.modes)

    def measurements(self) -> dict[str, float]:
        """What was counted since the last call, as `<site>/<name>`: read once an epoch, not once a step."""
        return {}

    def artifacts(self) -> dict[str, Tensor]:
        """Arrays worth keeping with the finished row, as `<site>/<name>`: (rows, height, width), in [0, 1]."""
        return {}


def training_state(model: nn.Module) -> dict[str, Tensor]:
    """What training needs and `model.state_dict()` leaves out: buffers by name, such as PB-EDropout's t and G."""
    saved = model.state_dict()
    return {name: buffer for name, buffer in model.named_buffers() if name not in saved and buffer.numel()}


def load_training_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Restore what `training_state` gave, beside `model.load_state_dict`.

    Raises:
        UserError: a model that has other such buffers.
    """
    buffers = training_state(model)
    if buffers.keys() != dict(state).keys():
        different = ", ".join(sorted(buffers.keys() ^ state.keys()))
        raise UserError(f"this state is of a model with other layers: they differ in {different}")
    for name, buffer in buffers.items():
        buffer.copy_(state[name])
