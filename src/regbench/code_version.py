"""Which code made a row: a hash of the sources that a member's numbers depend on."""

import functools
import hashlib

from regbench.paths import ROOT

#: what a member's numbers depend on, below src/regbench
SOURCES = ("regularizers", "models", "data", "training", "measures")
SOURCES += ("build.py", "jobs.py", "train.py", "run.py", "sharing.py", "stacks.py", "stopping.py")


@functools.cache
def code_version() -> str:
    """12 hexadecimal digits that change with any of the sources."""
    digest = hashlib.sha256()
    package = ROOT / "src" / "regbench"
    for part in SOURCES:
        path = package / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(str(file.relative_to(package)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
