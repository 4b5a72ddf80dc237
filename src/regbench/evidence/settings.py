"""What rows of one table share, in words: budget, device, epochs, training images, n."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from regbench.evidence.groups import Group, data_of, extractor_of


def title_settings(rows: Sequence[dict], groups: Iterable[Group], capped: bool = False) -> str:
    """`n = 5, budget quick, device cpu, 5 epochs, 55,000 training images`, for rows that share them.

    `capped`: early stopping may end a training before; the epochs are then `at most 5 epochs`.
    """
    config = rows[0]["config"]
    return ", ".join(
        [
            replicates(groups),
            f"budget {rows[0]['budget']}",
            f"device {' and '.join(devices(rows, 'device'))}",
            "at most " * capped + f"{config['epochs']} epoch" + "s" * (config["epochs"] != 1),
            f"{image_count(config['dataset'].get('train_images'))} training images",
        ]
    )


def not_drawn(groups: Iterable[tuple[str, Group]]) -> str:
    """The last line of a picture's title: `failed members, not drawn: Dropout (1 of 5)`; empty where none failed."""
    failed = [f"{name} ({len(g.failed)} of {len(g.failed) + len(g.done)})" for name, g in groups if g.failed]
    return f"\nfailed members, not drawn: {', '.join(failed)}" if failed else ""


def replicates(groups: Iterable[Group]) -> str:
    """`n = 5`, or `n = 3 to 5` where methods have different numbers of finished seeds."""
    counts = sorted({len(group.done) for group in groups}) or [0]
    return f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"


def devices(rows: Iterable[dict], key: str = "device_name") -> list[str]:
    """The different devices (`device`) or their names (`device_name`) that the rows ran on, sorted."""
    return sorted({str(row.get("provenance", {}).get(key, "not recorded")) for row in rows})


def image_count(count: int | None) -> str:
    """`55,000`; a set whose size is not limited says so."""
    return f"{count:,}" if isinstance(count, int) else "all remaining"


def step_words(rows: Iterable[dict]) -> str:
    """`1,565 steps`: where the curves over steps end."""
    last = [max(row["epochs"], key=lambda entry: entry["epoch"]) for row in rows]
    counts = sorted({entry["curves"]["step"][-1] for entry in last if entry.get("curves", {}).get("step")})
    return f"{' or '.join(f'{count:,}' for count in counts)} steps" if counts else "steps not recorded"


def extractor_words(rows: Iterable[dict]) -> str:
    """`extractor mnist-cnn5 (test accuracy 99.04 %, 128 features, sha256 9529021c)`."""
    found = next((extractor for row in rows if (extractor := extractor_of(row))), None)
    if not found:
        return "extractor not recorded"
    accuracy = found.get("accuracy")
    known = "" if accuracy is None else f"test accuracy {100 * accuracy:.2f} %, "
    return f"extractor {found['name']} ({known}{found['features']} features, sha256 {found['sha256'][:8]})"


def data_words(rows: Sequence[dict]) -> str:
    """`Images: <source>; 3,925 test images.`, and how many rows do not say; empty where none does."""
    known = [found for row in rows if (found := data_of(row))]
    if not known:
        return ""
    sources = " and ".join(sorted({found["source"] for found in known}))
    tested = " and ".join(f"{count:,}" for count in sorted({found["test_images"] for found in known}))
    older = len(rows) - len(known)
    unsaid = f" ({older} of {len(rows)} rows do not say)" if older else ""
    return f"Images: {sources}; {tested} test images{unsaid}."
