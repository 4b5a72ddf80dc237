"""W&B mirrors a run and is never read: rows do not depend on it, and nothing that it does ends a training.

What decides, the first that says something: the config's group `tracking` (`offline`, `online`, `off`, and
`tracking.project`); W&B's own environment (WANDB_DISABLED, WANDB_MODE, WANDB_PROJECT, WANDB_DIR, WANDB_NAME and all
others) and its settings file (`wandb offline`); with `tracking=auto` whether there is a key: online with, offline
without one. An online run that cannot be started is an offline one, which `wandb sync` uploads later.
"""

import contextlib
import functools
import logging
import os
import queue
import ssl
import threading
import urllib.request
from collections.abc import Callable, Mapping
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import numpy as np
from torch import Tensor

from regbench.errors import UserError, one_line

log = logging.getLogger("regbench")

MODES = ("auto", "online", "offline", "off")
#: what WANDB_MODE may say, in our words
ENVIRONMENT_MODES = {
    "online": "online",
    "run": "online",
    "shared": "shared",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "off",
}
NO = ("", "0", "f", "false", "n", "no", "off")
PROJECT = "regbench"
#: the public server by its first name, under which a netrc may have its key
FIRST_NAMES = {"api.forge.coreweave.com": "api.wandb.ai"}
REACH_SECONDS = 3.0  # for a first answer of the server
INIT_SECONDS = 10.0  # for an online run to start; W&B waits 90
UPLOAD_SECONDS = 30.0  # for what is not uploaded when the job ends; W&B waits for ever
HANG_SECONDS = 60.0  # after which W&B is taken for dead at the start and at the end of a job


class Tracker:
    """One W&B run for a job, its members' curves side by side.

    A thread of its own speaks to W&B: a service that hangs holds no training up. The first error ends the mirror, and
    is said in one line.

    Args:
        mode: "auto": see above; "off" does nothing. project: None: WANDB_PROJECT, else "regbench".
        folder: where runs are written, unless WANDB_DIR says so. group, job, config: of the run.

    Attributes:
        place: the run's folder; None where nothing is mirrored.

    Raises:
        UserError: a mode or a project that is none.
    """

    def __init__(self, mode: str, project: str | None, folder: Path, group: str, job: str, config: dict[str, Any]):
        mode = chosen_mode(mode, os.environ)
        if project is not None and (not isinstance(project, str) or not project):
            raise UserError(f"tracking.project={project} is not allowed: a name, or null for WANDB_PROJECT")
        self.run, self.place = None, None
        self.logged: dict[str, int] = {}  # epochs by member
        self.on = mode != "off"
        if not self.on:
            return
        given = {"run_group": group, "run_name": job, "root_dir": str(folder.absolute())}
        self.started = threading.Event()
        self.calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.calls.put(lambda: self._start(mode, project, given, config))
        self.thread = threading.Thread(target=self._work, name="wandb", daemon=True)
        self.thread.start()
        if not self.started.wait(HANG_SECONDS):
            self._give_up(f"it has not started after {HANG_SECONDS:g} s")

    def log_epochs(self, member: str, records: list[dict[str, Any]]) -> None:
        """A member's epochs that are not logged yet, as `<member>/<split>/<mode>/<metric>` over `<member>/epoch`.

        Args:
            records: of all its epochs: a training that goes on from a checkpoint logs those before as well.
        """
        if not self.on:
            return
        if member not in self.logged:
            self.calls.put(lambda: self.run.define_metric(f"{member}/*", step_metric=f"{member}/epoch"))
        for record in records[self.logged.get(member, 0) :]:
            self.calls.put(functools.partial(self._log, dict(_flatten(member, record))))
        self.logged[member] = len(records)

    def log_pictures(self, member: str, artifacts: dict[str, Tensor]) -> None:
        """Each artifact as one picture, see `side_by_side`."""
        for name, array in artifacts.items() if self.on else ():
            self.calls.put(functools.partial(self._picture, f"{member}/{name}", side_by_side(array.numpy())))

    def finish(self, rows: list[dict[str, Any]]) -> None:
        """Close the run with a table of the members' rows, within about a minute whatever happens."""
        if not self.on:
            return
        columns = ["id", "seed", "strength", "status", "reason"]
        self.calls.put(lambda data=[[row[column] for column in columns] for row in rows]: self._table(columns, data))
        self.calls.put(lambda: self.run.finish())
        self.calls.put(None)
        self.thread.join(HANG_SECONDS)
        if self.thread.is_alive():
            self._give_up(f"it has not ended after {HANG_SECONDS:g} s")
        self.on = False

    def _work(self) -> None:
        """Make the calls in their order, until one fails or the mirror is off."""
        for call in iter(self.calls.get, None):
            try:
                call()
            except BaseException as error:  # whatever W&B raises, SystemExit included: it is a mirror
                self._give_up(one_line(error))
            self.started.set()
            if not self.on:
                return

    def _give_up(self, reason: str) -> None:
        """End the mirror: one line, and nothing of W&B's is left to do when the process ends."""
        if not self.on:
            return
        self.on, self.place = False, None
        log.warning("W&B mirrors this job no more (%s); rows do not depend on it", reason)
        closing = threading.Thread(target=_tear_down, daemon=True)
        closing.start()
        closing.join(REACH_SECONDS)

    def _start(self, mode: str, project: str | None, given: dict[str, Any], config: dict[str, Any]) -> None:
        import wandb

        Path(given["root_dir"]).mkdir(parents=True, exist_ok=True)
        settings = settings_beside(os.environ, project, given)
        quiet = {key: settings[key] for key in ("silent",) if key in settings}
        known = wandb.setup(wandb.Settings(**quiet)).settings
        if mode == "auto":
            mode = known.mode if known.mode in ("offline", "dryrun", "disabled") else "auto"
            mode = ENVIRONMENT_MODES.get(mode) or ("online" if has_key(known) else "offline")
        if mode == "off":
            self.on = False
            return
        if mode != "offline":
            reason = why_not_online(known)
            try:
                if reason is None:
                    self.run = wandb.init(config=config, settings=wandb.Settings(mode=mode, **settings))
            except Exception as error:  # a wrong key, project or entity, a server that is ill
                reason = one_line(error)
                if not isinstance(error, wandb.Error):  # its service has died, and is started anew
                    _tear_down()
            if reason is not None:
                log.warning("W&B is offline for this job (%s): `wandb sync` uploads its run later", reason)
        if self.run is None:
            self.run = wandb.init(config=config, settings=wandb.Settings(mode="offline", **settings))
        _leave_imports_alone()
        self.place = str(Path(self.run.dir).parent)

    def _log(self, values: dict[str, Any]) -> None:
        self.run.log(values)

    def _picture(self, name: str, picture: np.ndarray) -> None:
        import wandb

        self.run.log({name: wandb.Image(picture)})

    def _table(self, columns: list[str], data: list[list[Any]]) -> None:
        import wandb

        self.run.log({"members": wandb.Table(columns=columns, data=data)})


def chosen_mode(mode: str, environment: Mapping[str, str]) -> str:
    """The mode that config and environment ask for; "auto" where neither says one.

    Raises:
        UserError: a mode that is none.
    """
    if mode not in MODES:
        raise UserError(f"tracking.mode={mode} is not allowed: allowed are {', '.join(MODES)}")
    if mode != "auto":
        return mode
    if environment.get("WANDB_DISABLED", "").strip().lower() not in NO:
        return "off"
    asked = environment.get("WANDB_MODE", "").strip()
    if asked and asked not in ENVIRONMENT_MODES:
        raise UserError(f"WANDB_MODE={asked} is not allowed: allowed are {', '.join(ENVIRONMENT_MODES)}")
    return ENVIRONMENT_MODES.get(asked, "auto")


def settings_beside(environment: Mapping[str, str], project: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """Our settings of a run, without those that W&B's environment sets."""
    other_names = {"run_name": "WANDB_NAME", "root_dir": "WANDB_DIR"}
    ours = {
        "project": PROJECT,
        "silent": True,
        "console": "off",
        "init_timeout": INIT_SECONDS,
        "finish_timeout": UPLOAD_SECONDS,
        **given,
    }
    variable = {key: other_names.get(key, f"WANDB_{key.upper()}") for key in ours}
    left = {key: value for key, value in ours.items() if not environment.get(variable[key])}
    return left if project is None else {**left, "project": project}


def has_key(settings: Any) -> bool:
    """Whether W&B would find a key for its server: in its settings or in the user's netrc."""
    if settings.api_key or settings.identity_token_file:
        return True
    try:
        known, server = netrc(os.environ.get("NETRC")), urlsplit(settings.base_url).netloc
        return any(known.authenticators(name) for name in (server, FIRST_NAMES.get(server, server)))
    except (OSError, NetrcParseError):
        return False


def why_not_online(settings: Any) -> str | None:
    """Why an online run cannot be: no key, or no answer of the server within seconds; None: it may."""
    if not has_key(settings):
        return "there is no key, `wandb login` stores one"
    if settings.http_proxy or settings.https_proxy:  # W&B's own, which only it knows how to use
        return None
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    # A thread, as looking a name up has no time limit.
    threading.Thread(target=lambda: answers.put(_unreachable(settings.base_url)), daemon=True).start()
    try:
        return answers.get(timeout=2 * REACH_SECONDS)
    except queue.Empty:
        return f"{settings.base_url} does not answer"


def _unreachable(url: str) -> str | None:
    """Why a server gives no answer at all; None: it gives one, be it an error."""
    try:
        with urllib.request.urlopen(url, timeout=REACH_SECONDS):
            return None
    except HTTPError:
        return None
    except URLError as error:
        return None if isinstance(error.reason, ssl.SSLError) else f"{url} cannot be reached: {error.reason}"
    except (OSError, ValueError) as error:
        return f"{url} cannot be reached: {error}"


def _leave_imports_alone() -> None:
    """Take back that W&B is told of imports: with a dead service, an import that we make would raise its error."""
    with contextlib.suppress(ImportError, AttributeError):
        from wandb.sdk.lib import import_hooks

        import_hooks.unregister_all_post_import_hooks()


def _tear_down() -> None:
    """End W&B's service, and what it would do at exit: with a dead one that is a traceback, or a wait for ever."""
    with contextlib.suppress(BaseException):
        import wandb

        wandb.teardown(exit_code=1)


def side_by_side(array: np.ndarray) -> np.ndarray:
    """Maps (n, rows, columns), or images (n, 1 or 3, rows, columns), in [0, 1] as one uint8 picture, n in a row."""
    images = array[:, None] if array.ndim == 3 else array
    padded = np.pad(images, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=1.0)
    picture = np.concatenate(list(padded.transpose(0, 2, 3, 1)), axis=1)
    return (255 * picture.squeeze()).astype(np.uint8)


def _flatten(prefix: str, value: Any):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flatten(f"{prefix}/{key}", item)
    elif isinstance(value, list):  # points within the epoch: its last is what a curve over epochs shows
        yield prefix, value[-1]
    else:
        yield prefix, value
