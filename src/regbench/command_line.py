"""The command line of `python -m regbench.train`: wrong words are answered before torch is loaded, every error is said.

Exit status: 0, all members have their rows; 1, some failed; 2, wrong input; 130, interrupted.
"""

import os
import signal
import sys
import threading
import time

import hydra
from omegaconf import DictConfig

from regbench.errors import INTERRUPTED, Failure, failure_of, say
from regbench.paths import CONFIGS
from regbench.plan.overrides import check_overrides

HELP = """\
Train dataset x model x regularizer: a row for each seed and strength, in results/runs/<experiment_name>/.

    python -m regbench.train dataset=mnist regularizer=pb_edropout 'seeds=[0,1,2]'
    python -m regbench.train regularizer=dropout 'strengths=[0.1,0.3]' budget=smoke tracking=off
    python -m regbench.train -m dataset=mnist,cifar10 regularizer=none,dropblock launch=joblib workers=4

-m (--multirun) runs every combination of comma-separated values, a job each. A member that has a row is not trained
again: `retrain=true` does, `retry_failed=true` those that failed. `--cfg job` prints the config that would be used,
`--hydra-help` Hydra's own options. Keys that a group's file has are set as group.key, as in task.optimizer.lr=0.01.
"""

#: Hydra's options that take the word behind them
VALUED = {"--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd"}
VALUED |= {"--info", "-i", "--experimental-rerun"}

FLAGS = {"-m", "--multirun", "-r", "--run"}  # which Hydra takes before or behind all overrides, not between them

_failures: list[Failure] = []  # of the job of this process


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")
def job(cfg: DictConfig) -> Failure | None:
    """One job, wherever a launcher runs it: an error is returned, not raised, so that the jobs beside it go on."""
    from regbench.train import train  # here: torch takes seconds to load

    try:
        train(cfg)
    except Exception as error:
        _failures.append(failure_of(error))
        return _failures[-1]
    return None


def main(arguments: list[str] | None = None) -> int:
    """Run it; returns the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help"} & set(words):
        print(help_text())
        return 0
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and what is said below is ours
    follow_parent()
    _failures.clear()
    try:
        check_overrides(_overrides(words))
        sys.argv[1:] = sorted(words, key=lambda word: word not in FLAGS)
        job()
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on from the last epoch", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        _failures[:] = [failure_of(error)]
    finally:
        _leave()
    for failure in _failures:
        say(failure)
    return max((failure.status for failure in _failures), default=0)


def follow_parent() -> None:
    """End with the process that REGBENCH_PARENT names, workers included, even where it was killed outright."""
    parent = os.environ.pop("REGBENCH_PARENT", None)
    if parent is None or int(parent) != os.getppid():
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1.0)
        os.killpg(os.getpgrp(), signal.SIGKILL)  # a group of its own: `scripts/reproduce.py` has started it so

    threading.Thread(target=watch, daemon=True).start()


def _overrides(words: list[str]) -> list[str]:
    """The words that set something: no options, nor their values."""
    before = ["", *words]
    return [word for word, last in zip(words, before, strict=False) if not word.startswith("-") and last not in VALUED]


def _leave() -> None:
    """Part from the other processes of a training, where there are some."""
    if "torch" in sys.modules:
        from regbench.training.ranks import leave

        leave()


def help_text() -> str:
    """What `--help` prints: examples, the choices of each group, and the root config with its comments."""
    groups = sorted(path for path in CONFIGS.iterdir() if path.is_dir())
    choices = [f"    {group.name}: {', '.join(sorted(file.stem for file in group.glob('*.yaml')))}" for group in groups]
    text = (CONFIGS / "train.yaml").read_text()
    return "\n".join([HELP, "Choices of each group:", *choices, "", "The config:", "", text.partition("\nhydra:")[0]])
