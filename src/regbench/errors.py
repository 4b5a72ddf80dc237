"""The one exception that means: the input is wrong, here is the line to show."""


class UserError(Exception):
    """Wrong input. The message is one line: the key, the value and what is allowed."""
