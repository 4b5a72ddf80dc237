"""What a claim may be about: the engine's metrics, and those of the autoencoders beside them."""

from __future__ import annotations

from regbench.evidence.documents import load_documents
from regbench.evidence.metrics import METRICS, Metric, metric
from regbench.reports.entropy.autoencoder_findings import TARGET
from regbench.reports.entropy.autoencoders import epochs_to as epochs_to_error
from regbench.reports.entropy.autoencoders import mse


@metric("mse_at_stop", "1e-3", "test MSE at the stop")
def mse_at_stop(row, protocol, mode):
    return 1e3 * mse(row, protocol)


@metric(
    "epochs_to_target",
    "epochs",
    f"epochs to a test MSE of {TARGET:g}",
    bound=lambda row, protocol: epochs_to_error(row, TARGET) is None,
)
def epochs_to_target(row, protocol, mode):
    return float(epochs_to_error(row, TARGET) or len(row["epochs"]))


def readings() -> dict[str, Metric]:
    """All metrics by name, those of the papers among them."""
    load_documents()
    return METRICS


def is_bound(reading: Metric, row: dict, protocol: str) -> bool:
    """Whether the row's value is a lower bound only."""
    return reading.bound is not None and reading.bound(row, protocol)
