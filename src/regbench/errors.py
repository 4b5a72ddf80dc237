"""What goes wrong, in words: exceptions of which the command line shows the message alone, and how it shows them."""

import errno
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from regbench.paths import ROOT


class UserError(ValueError):
    """Wrong input. The message is one line: the key, the value and what is allowed."""


class MembersFailed(Exception):
    """Some members of a job failed; their rows say why."""


class JobsFailed(Exception):
    """Jobs of a sweep failed. The message has a line for each; `wrong_input`: all of them for a UserError."""

    def __init__(self, message: str, wrong_input: bool = False):
        super().__init__(message)
        self.wrong_input = wrong_input


@dataclass(frozen=True)
class Failure:
    """How a job failed, fit to go from one process to another: what to say, and the exit status."""

    text: str
    status: int


WRONG_INPUT, FAILED, INTERRUPTED = 2, 1, 130
NO_READER = 141  # what a shell says of a command whose output nobody reads any more
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def answered(run: Callable[[], int], interrupted: str = "run the same command again") -> int:
    """A command's exit status: of `run`, or of the error that ended it, which is said in one line.

    Args:
        interrupted: what to do after Ctrl-C.
    """
    try:
        status = run()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print(f"interrupted: {interrupted}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # such as `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return NO_READER
    except Exception as error:
        failure = failure_of(error)
        say(failure)
        return failure.status


def say(failure: Failure) -> None:
    """Print a failure, each line as an error."""
    print("\n".join(f"error: {line}" for line in failure.text.splitlines()), file=sys.stderr)


def failure_of(error: Exception) -> Failure:
    """What to say of an exception, and the exit status that it has."""
    import yaml
    from hydra.errors import HydraException  # here: reports load without Hydra
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, JobsFailed):
        return Failure(str(error), WRONG_INPUT if error.wrong_input else FAILED)
    if isinstance(error, MembersFailed):
        return Failure(str(error), FAILED)
    if isinstance(error, UserError | HydraException | OmegaConfBaseException):
        return Failure(one_line(error), WRONG_INPUT)
    if isinstance(error, yaml.YAMLError):
        return Failure(f"a config is no YAML: {' '.join(str(error).split())}", WRONG_INPUT)
    if isinstance(error, OSError) and error.filename is not None:  # a folder that cannot be made, a file that is none
        return Failure(f"{error.filename}: {error.strerror}", WRONG_INPUT)
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return Failure(str(error.strerror), WRONG_INPUT)
    return Failure(own_traceback(error), FAILED)


def one_line(error: Exception) -> str:
    """An error's message in one line; that of a choice that a config group does not have is in our words."""
    from hydra.errors import MissingConfigException

    if isinstance(error, MissingConfigException) and error.options and "/" in (error.missing_cfg_file or ""):
        group, _, choice = error.missing_cfg_file.rpartition("/")
        return f"{group}={choice} is not known: allowed are {', '.join(error.options)}"
    return " ".join(str(error).split()) or type(error).__name__


def reason(error: Exception) -> str:
    """Why a file could not be read, in a line; torch's advice to unpickle whatever it names is not repeated."""
    text = (str(error).splitlines() or [""])[0].strip()
    return "it holds more than weights" if "Weights only load failed" in text else text or type(error).__name__


def own_traceback(error: Exception) -> str:
    """The traceback of an error in a layer or a task of the user's, from there on; of any other the whole."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [place for place, frame in enumerate(frames) if _is_users(Path(frame.filename))]
    shown = frames[own[0] :] if own else frames
    said = "".join(traceback.format_exception_only(error)).strip()
    return f"{said}\n{''.join(traceback.format_list(shown)).rstrip()}\n{said}"


def _is_users(file: Path) -> bool:
    """Whether a source file is neither this repository's nor an installed library's."""
    folders = {Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")} | {ROOT / "src"}
    return file.is_file() and not any(file.is_relative_to(folder) for folder in folders)
