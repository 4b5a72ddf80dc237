"""Several regularizers at once, such as dropout and batch norm."""

from torch import Tensor, nn

from regbench.errors import UserError
from regbench.regularizers.parts.base import Regularizer


class Combined(Regularizer):
    """All of `parts`, attached in their order: of two layers at one site the earlier part's comes first.

    Args:
        parts: regularizers, two or more; only one of them may have evaluation modes beside "full".
    """

    def __init__(self, parts: list[Regularizer]):
        if len(parts) < 2:
            raise UserError(f"regularizer.method.parts has {len(parts)} entries: allowed are two or more")
        self.parts = list(parts)

    def attach(self, model: nn.Module, input_shape: tuple[int, int, int]) -> None:
        for part in self.parts:
            part.attach(model, input_shape)
        several = [part.modes for part in self.parts if len(part.modes) > 1]
        if len(several) > 1:
            raise UserError("regularizer.method.parts: two of them have evaluation modes of their own; allowed is one")
        self.modes = several[0] if several else ("full",)

    def penalty(self, model: nn.Module) -> Tensor | None:
        found = [each for part in self.parts if (each := part.penalty(model)) is not None]
        return sum(found) if found else None

    def penalty_measurements(self, model: nn.Module) -> dict[str, float]:
        return _merged([part.penalty_measurements(model) for part in self.parts])

    def has_no_gradient(self, steps: dict[str, float]) -> bool:
        return False

    def set_mode(self, mode: str) -> None:
        super().set_mode(mode)
        for part in self.parts:
            part.set_mode(mode if mode in part.modes else "full")

    def adapt(self, losses) -> None:
        for part in self.parts:
            part.adapt(losses)

    def adapts(self) -> bool:
        return any(part.adapts() for part in self.parts)

    def own_parameters(self) -> list[nn.Parameter]:
        return [parameter for part in self.parts for parameter in part.own_parameters()]

    def traced(self) -> dict[str, Tensor]:
        return _merged([part.traced() for part in self.parts])

    def measurements(self) -> dict[str, float]:
        return _merged([part.measurements() for part in self.parts])

    def artifacts(self) -> dict[str, Tensor]:
        return _merged([part.artifacts() for part in self.parts])


def _merged(found: list[dict]) -> dict:
    """One dict; a name that several parts use gets the part's number, from 1."""
    names = [name for each in found for name in each]
    return {
        (f"part{place}/{name}" if names.count(name) > 1 else name): value
        for place, each in enumerate(found, start=1)
        for name, value in each.items()
    }
