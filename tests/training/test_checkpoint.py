"""Checkpoints on disk: what is loaded is what was saved, to the bit."""

import hashlib
import io

import pytest
import torch
from torch import nn

from regbench.errors import UserError
from regbench.training.checkpoint import SEAL, Checkpoint, verified

EPOCHS = [{"epoch": 1, "test": {"full": {"loss": 0.5}}}]


def parts(seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(5, 6)).square().sum().backward()
    optimizer.step()
    return model, optimizer


def saved(path):
    checkpoint = Checkpoint(path, "a1")
    model, optimizer = parts()
    checkpoint.save(model, optimizer, EPOCHS)
    return model


def state_of(content):
    """All that a checkpoint of these bytes holds, as text; None: it is refused."""
    path = content["path"]
    path.write_bytes(content["bytes"])
    model, optimizer = parts(1)
    torch.manual_seed(5)
    try:
        epochs = Checkpoint(path, "a1").load(model, optimizer)
    except UserError as error:
        assert str(path) in str(error) and "\n" not in str(error)
        return None
    buffer = io.BytesIO()
    torch.save([model.state_dict(), optimizer.state_dict(), epochs, torch.get_rng_state()], buffer)
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def test_what_was_saved_is_loaded(tmp_path):
    path = tmp_path / "a1.pt"
    model = saved(path)
    other, optimizer = parts(1)
    assert Checkpoint(path, "a1").load(other, optimizer) == EPOCHS
    torch.testing.assert_close(other.state_dict(), model.state_dict(), rtol=0, atol=0)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a1.epoch", "a1.pt"]


@pytest.mark.parametrize("sealed", [True, False], ids=["today's", "the first ones'"])
def test_no_flipped_bit_is_trained_on(tmp_path, sealed):
    """250 places: each file is refused by name, or (in padding, where there is no seal) is what was saved."""
    path = tmp_path / "a1.pt"
    saved(path)
    content = path.read_bytes() if sealed else verified(path.read_bytes())
    whole = state_of({"path": path, "bytes": content})
    assert whole is not None
    places = torch.randint(8 * len(content), (250,), generator=torch.Generator().manual_seed(0)).tolist()
    found = []
    for place in places:
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        found.append(state_of({"path": path, "bytes": bytes(damaged)}))
    assert set(found) <= {None, whole}
    assert found.count(None) > 100
    if sealed:
        assert found.count(None) >= 249  # but for the seal's own mark, of 8 bytes


@pytest.mark.parametrize("length", [0, 1, 7, 72, 100, -200, -80, -72, -64, -1])
def test_a_truncated_checkpoint_is_refused(tmp_path, length):
    path = tmp_path / "a1.pt"
    saved(path)
    content = path.read_bytes()
    cut = content[:length]
    whole = state_of({"path": path, "bytes": content})
    # Without its seal, or with a part of it, it is one of the first checkpoints.
    assert state_of({"path": path, "bytes": cut}) == (whole if length in (-72, -64, -1) else None)


def test_bytes_after_the_seal_or_of_another_file_are_refused(tmp_path):
    path = tmp_path / "a1.pt"
    saved(path)
    content = path.read_bytes()
    assert state_of({"path": path, "bytes": content[:-64] + b"0" * 64}) is None
    assert state_of({"path": path, "bytes": b"\0" * len(content)}) is None
    assert state_of({"path": path, "bytes": content[-72:]}) is None
    assert content[-72:].startswith(SEAL)


def test_what_a_killed_process_left_of_a_member_goes_when_it_is_taken_up_again(tmp_path):
    path = tmp_path / "a1.pt"
    saved(path)
    for name in ("a1.4711.partial", "a1.x7.partial", "b2.4711.partial"):
        (tmp_path / name).write_bytes(b"half")
    Checkpoint(path, "a1").load(*parts())
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a1.epoch", "a1.pt", "b2.4711.partial"]
