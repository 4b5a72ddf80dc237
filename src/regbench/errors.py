"""The exceptions of which the command line shows the message alone."""


class UserError(Exception):
    """Wrong input. The message is one line: the key, the value and what is allowed."""


class JobsFailed(Exception):
    """Jobs of a cluster failed. The message has a line for each; `wrong_input`: all of them for a UserError."""

    def __init__(self, message: str, wrong_input: bool = False):
        super().__init__(message)
        self.wrong_input = wrong_input
