"""What the made-up rows of all experiments share."""

from regbench.plan.jobs import member_id


def row_of(experiment, config, epochs, artifacts=None, **provenance):
    """A finished row of this config; `provenance` beside what all have."""
    return {
        "id": member_id(config),
        "experiment": experiment,
        "budget": config["budget"],
        "status": "done",
        "reason": "",
        "seed": config["seed"],
        "strength": config["regularizer"]["strength"],
        "config": config,
        "epochs": epochs,
        "artifacts": artifacts or {},
        "provenance": {"code": "abc", "dirty": False, "device": "cpu", "device_name": "a processor"} | provenance,
    }


def failed(row, reason="train loss became nan in epoch 1"):
    """The same member, failed before its first epoch was measured."""
    return {**row, "status": "failed", "reason": reason, "epochs": [], "artifacts": {}}
