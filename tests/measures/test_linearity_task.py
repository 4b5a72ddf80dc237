"""The linearity task: what it measures on a network, by hand and as a training stores it."""

import pytest
import torch
from torch import nn

from regbench.data import Batches, Splits, load_splits
from regbench.data.sources import digits
from regbench.errors import MembersFailed, UserError
from regbench.measures import additivity_gap
from regbench.models import CNN5
from regbench.plan.jobs import members
from regbench.regularizers import Dropout, SiteLayers
from regbench.rows.store import Store
from regbench.train import train
from regbench.training.build import build, make_schedule
from regbench.training.linearity import ClassifyLinearity, is_dropout, subnetworks, weight_measures
from regbench.training.loop import fit
from tests.test_train import config, run
from tests.training.test_stacked import Job, assert_close

CPU = torch.device("cpu")
TASK = ("task=linearity", "task.pairs=40")
MEASURED = {"additivity_gap", "sparsity", "weight_norm"}


@pytest.fixture(scope="module")
def data():
    return load_splits(digits(), 300, 60, 0, CPU)


def images(numbers):
    """A split of one-pixel images with mean 0 and deviation 1."""
    pixels = torch.tensor(numbers, dtype=torch.uint8).view(-1, 1, 1, 1)
    return Batches(pixels, torch.zeros(len(numbers), dtype=torch.int64), torch.zeros(1), torch.ones(1))


def test_z_is_that_of_the_network_on_the_pairs_whatever_its_order_of_rows():
    seen = []

    def square(x):
        seen.append(x.flatten().tolist())
        return x.flatten(1).square()

    class Square(nn.Module):
        def forward(self, x):
            return square(x)

    found = ClassifyLinearity(pairs=2).gaps(Square(), images([1, 2, 3, 4, 5]))
    origin, first, second, both = seen
    assert origin == [0.0, 0.0] and both == [a + b for a, b in zip(first, second, strict=True)]
    assert len({*first, *second}) == 4  # no image is paired twice, or with itself
    products, squares = [2 * a * b for a, b in zip(first, second, strict=True)], [x * x for x in first + second]
    assert found == {"additivity_gap": pytest.approx(sum(products) / sum(squares))}


def test_pairs_are_the_same_in_all_trainings_and_at_most_half_the_split():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))
    split = images(range(1, 12))
    first = ClassifyLinearity(pairs=500).gaps(network, split)
    torch.manual_seed(2)
    assert ClassifyLinearity(pairs=5).gaps(network, split) == first
    assert ClassifyLinearity(pairs=3).gaps(network, split) != first


def test_a_network_with_dropout_has_z_of_its_subnetworks_beside_its_own(data):
    model = CNN5((1, 16, 16), 10)
    task = ClassifyLinearity(pairs=20)
    assert set(task.gaps(model.eval(), data.test)) == {"additivity_gap"}
    SiteLayers("all", lambda: Dropout(0.5)).attach(model, (1, 16, 16))
    found = task.gaps(model.eval(), data.test)
    assert set(found) == {"additivity_gap", "subnetwork_gap"}
    assert found["subnetwork_gap"] != pytest.approx(found["additivity_gap"], rel=1e-3)


def test_subnetworks_of_a_linear_network_are_linear():
    """Each sample's mask is the same for x1, x2 and their sum: with fresh masks, Z would be far from 0."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 30), Dropout(0.5), nn.Linear(30, 3)).eval()
    x1, x2 = torch.randn(50, 6), torch.randn(50, 6)
    assert additivity_gap(subnetworks(model), x1, x2) < 1e-5
    fresh = additivity_gap(lambda x: model.train()(x), x1, x2)
    assert fresh > 0.1


@pytest.mark.parametrize("kind", [Dropout, nn.Dropout, nn.Dropout2d])
def test_masks_repeat_and_differ_between_samples(kind):
    model = nn.Sequential(kind(0.5)).eval()
    x = torch.ones(20, 8, 2, 2)
    call = subnetworks(model)
    first = call(x)
    torch.manual_seed(7)  # wherever the global generator stands
    assert torch.equal(call(x), first) and set(first.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(first[0], first[1])
    assert torch.equal(call(3 * x), 3 * first)


def test_dropout_is_off_again_and_the_global_generator_is_where_it_was(data):
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 8), Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 10)).eval()
    norm = model[3]
    norm.running_mean += 1.0
    before = torch.get_rng_state()
    statistics = {name: value.clone() for name, value in norm.state_dict().items()}
    ClassifyLinearity(pairs=20).gaps(model, data.test)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(value, statistics[name]) for name, value in norm.state_dict().items())


def test_dropout_is_off_again_after_an_error():
    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError("broken")

    model = nn.Sequential(Dropout(0.5), Broken()).eval()
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="broken"):
        subnetworks(model)(torch.ones(2, 2))
    assert not model[0].training and torch.equal(torch.get_rng_state(), before)


def test_what_counts_as_dropout():
    assert all(is_dropout(layer) for layer in (Dropout(0.1), nn.Dropout(0.1), nn.Dropout2d(0.1)))
    assert not any(is_dropout(layer) for layer in (nn.ReLU(), nn.BatchNorm1d(2), nn.Linear(2, 2)))


def test_sparsity_and_norm_by_hand_leave_biases_out():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Conv2d(1, 2, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[3.0, -0.0009], [0.0011, 0.0]]))
        model[2].weight.copy_(torch.tensor([-4.0, 0.0005]).view(2, 1, 1, 1))
        model[0].bias.fill_(100.0)
        model[2].bias.zero_()
    found = weight_measures(model)
    assert found["sparsity"] == pytest.approx(3 / 6)
    assert found["weight_norm"] == pytest.approx(5.0, abs=1e-5)


@pytest.mark.parametrize("pairs", [0, -1, 2.5, True, "10"])
def test_pairs_that_are_no_count_are_refused(pairs):
    with pytest.raises(UserError, match=f"task.pairs={pairs} is not allowed: an integer of 1 or more"):
        ClassifyLinearity(pairs=pairs)


def test_evaluation_adds_to_the_test_split_alone(data):
    model = CNN5((1, 16, 16), 10).eval()
    found = ClassifyLinearity(pairs=20).evaluate(model, Splits(data.train, data.heldout, data.test, 10))
    assert set(found["heldout"]) == {"loss", "accuracy"}
    assert set(found["test"]) == {"loss", "accuracy", *MEASURED}


def test_a_trained_networks_z_is_in_its_row(data, tmp_path):
    cfg = config(tmp_path, *TASK, "regularizer=dropout", "regularizer.method.placement=all", "budget.epochs=1")
    train(cfg)
    (row,) = Store(tmp_path / "results").rows()
    found = row["epochs"][-1]["test"]["full"]
    assert set(found) == {"loss", "accuracy", "subnetwork_gap", *MEASURED}
    # the same training again, its network measured from outside
    (member,) = members(cfg)
    settings = row["config"]["dataset"]
    splits = load_splits(digits(), settings["train_images"], settings["heldout_images"], settings["split_seed"], CPU)
    training = build(member, splits, CPU)
    fit(training, splits, make_schedule(member, training.model))
    model = training.model.eval()
    again = ClassifyLinearity(pairs=40).gaps(model, splits.test) | weight_measures(model)
    assert again == {name: pytest.approx(found[name], rel=1e-4) for name in again}
    assert 0 < found["additivity_gap"] != found["subnetwork_gap"]


def test_a_diverged_network_is_a_failed_row_and_the_next_member_is_trained(tmp_path):
    cfg = config(tmp_path, *TASK, "task.optimizer.lr=1e30", "seeds=[0,1]", "stack=off")
    with pytest.raises(MembersFailed, match=r"2 of 2 members failed: seed 0: .* became nan in epoch 1"):
        train(cfg)
    assert [row["status"] for row in Store(tmp_path / "results").rows()] == ["failed"] * 2


def test_the_experiments_command_writes_a_row(tmp_path):
    done = run(tmp_path, "experiment=linearity", "dataset=digits", "seeds=[0]", "budget.epochs=1")
    assert done.returncode == 0, done.stderr
    (row,) = Store(tmp_path / "results").rows()
    assert row["experiment"] == "linearity" and row["config"]["task"]["pairs"] == 500
    assert row["epochs"][-1]["test"]["full"].keys() >= MEASURED


def test_members_trained_at_once_have_the_measures_of_the_plain_loop(data, tmp_path):
    overrides = (*TASK, "model=cnn_blocks", "model.widths=[4,4]", "regularizer=dropout", "seeds=[0,1]")
    job = Job(data, tmp_path, (*overrides, "strengths=[0.2,0.6]"))
    together, alone = job.stacked(), job.alone()
    for ours, theirs in zip(together, alone, strict=True):
        assert_close(ours.records, theirs.records)
        assert {"additivity_gap", "subnetwork_gap"} <= ours.records[-1]["test"]["full"].keys()
    gaps = [training.records[-1]["test"]["full"]["additivity_gap"] for training in together]
    assert len(set(gaps)) == len(gaps)
