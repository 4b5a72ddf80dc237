"""One training for several members: where a penalty's gradient is exactly zero, only the watched loss differs.

A reciprocal penalty on a wide dense layer is such a constant: the determinant underflows. The unregularized training
with the same seed is then the member's own, number for number, up to the epoch at which the member stops.
"""

from typing import Any

from regbench.rows.stopping import Plateau
from regbench.training import Schedule, Training

#: what the numbers of a row depend on: those of a served row were computed where its baseline's were
COMPUTED_WITH = ("code", "commit", "dirty", "data", "device", "device_name", "threads", "processes", "python", "torch")
COMPUTED_WITH += ("resumed_from", "stacked")


def served_provenance(baseline: dict[str, Any], origin: dict[str, Any]) -> dict[str, Any]:
    """The provenance of a row whose numbers are its baseline's; the time is in the baseline's row.

    What a baseline's row does not say of its numbers, as one stored before it was kept, the served row does not either.
    """
    own = {key: value for key, value in origin.items() if key not in COMPUTED_WITH}
    made = {key: baseline["provenance"][key] for key in COMPUTED_WITH if key in baseline["provenance"]}
    return {**own, **made, "served_by": baseline["id"], "served_with": origin.get("code"), "seconds": 0.0}


def of_other_data(baseline: dict[str, Any], origin: dict[str, Any]) -> bool:
    """Whether the baseline's images are known to be others than those of this process."""
    digests = [each.get("data", {}).get("digest") for each in (baseline["provenance"], origin)]
    return all(digests) and digests[0] != digests[1]


def records_from(baseline: dict[str, Any], training: Training, schedule: Schedule) -> list[dict[str, Any]] | None:
    """A member's records, from the row of its baseline; None where it has to be trained.

    Args:
        baseline: the row of the unregularized member with the same seed.
        training: the member, before its first step.
    """
    if baseline["status"] != "done":
        return None
    constant = training.regularizer.penalty_measurements(training.model)
    records: list[dict[str, Any]] = []
    for record in baseline["epochs"]:
        steps = record["measures"].get("steps", {})
        if not training.regularizer.has_no_gradient(steps) or _learning_rate_differs(baseline, records, schedule):
            return None
        penalty = {name: steps.get(name, value) for name, value in constant.items()}
        measures = {**record["measures"], "train": {**record["measures"]["train"], **penalty}}
        records.append({**record, "measures": measures})
        if schedule.ended(records):
            return records
    return None


def _learning_rate_differs(baseline: dict[str, Any], records: list[dict[str, Any]], schedule: Schedule) -> bool:
    """Whether a plateau of the compound loss has come earlier with the penalty than the baseline's, by now."""
    if schedule.plateau is None:
        return False
    own = Plateau(**baseline["config"]["task"]["plateau"])
    return schedule.plateau.scale_after(records) != own.scale_after(baseline["epochs"][: len(records)])
