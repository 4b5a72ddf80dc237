"""Functions that specs call by name: metrics, notes, checks, tables and pictures, a paper's own among them."""

from __future__ import annotations

from collections.abc import Callable

from regbench.errors import UserError


class Registry(dict):
    """What is registered, by name; `what` it is stands in errors."""

    def __init__(self, what: str):
        super().__init__()
        self.what = what
        self._files: dict[str, str] = {}

    def register(self, function: Callable) -> Callable:
        """A decorator: the function under its own name."""
        return self.put(function.__name__, function, function)

    def put(self, name: str, value: object, function: Callable) -> Callable:
        """Register what was made of a function. Raises UserError for a name that a function of another file has."""
        file = function.__code__.co_filename
        if self._files.setdefault(name, file) != file:
            raise UserError(f"{self.what} {name!r} is registered twice")
        self[name] = value
        return function
