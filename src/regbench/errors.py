"""The exceptions of which the command line shows the message alone, and that message."""


class UserError(ValueError):
    """Wrong input. The message is one line: the key, the value and what is allowed."""


class JobsFailed(Exception):
    """Jobs of a cluster failed. The message has a line for each; `wrong_input`: all of them for a UserError."""

    def __init__(self, message: str, wrong_input: bool = False):
        super().__init__(message)
        self.wrong_input = wrong_input


def one_line(error: Exception) -> str:
    """An error's message in one line; that of a choice that a config group does not have is in our words."""
    from hydra.errors import MissingConfigException  # here: reports load without Hydra

    if isinstance(error, MissingConfigException) and error.options and "/" in (error.missing_cfg_file or ""):
        group, _, choice = error.missing_cfg_file.rpartition("/")
        return f"{group}={choice} is not known: allowed are {', '.join(error.options)}"
    return " ".join(str(error).split()) or type(error).__name__
