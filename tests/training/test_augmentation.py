"""Augmentation: what each kind of map does to images and masks, and what is drawn."""

import math

import pytest
import torch
import torch.nn.functional as F

from regbench.errors import UserError
from regbench.training.augmentation import Augmentation, move

NONE = Augmentation(flip=False, rotation=0.0, zoom=0.0)
#: bilinear weights of pixel centres, in units of a pixel: float32 coordinates of 16 pixels are good to 1e-6
CLOSE = {"rtol": 0, "atol": 2e-5}


@pytest.fixture
def pair():
    """Images with no symmetry, and masks of them."""
    torch.manual_seed(0)
    images = torch.rand(3, 2, 16, 16).contiguous(memory_format=torch.channels_last)
    return images, (images[:, 0] > 0.5).to(torch.uint8)


def maps(matrix, count=3):
    return torch.tensor(matrix, dtype=torch.float32).expand(count, 2, 3)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(count=4000, seed=0, **settings):
    """The determinant's sign, the angle in turns and the factor of size of many maps."""
    found = Augmentation(**{"flip": False, "rotation": 0.0, "zoom": 0.0, **settings}).draw(count, generator(seed))
    assert found.shape == (count, 2, 3) and not found[:, :, 2].any()  # nothing is shifted
    mirrored = torch.linalg.det(found[:, :, :2].double()).sign()
    factor = 1 / found[:, :, 1].double().norm(dim=1)
    angle = torch.atan2(-found[:, 0, 1], found[:, 1, 1]).double() / (2 * math.pi)
    return mirrored, angle, factor


def test_nothing_to_do_leaves_images_and_masks_alone(pair):
    images, masks = pair
    moved, masked = move(images, NONE.draw(3, generator()), masks)
    torch.testing.assert_close(moved, images, **CLOSE)
    assert torch.equal(masked, masks)


def test_a_flip_is_torchs(pair):
    images, masks = pair
    moved, masked = move(images, maps([[-1, 0, 0], [0, 1, 0]]), masks)
    torch.testing.assert_close(moved, images.flip(3), **CLOSE)
    assert torch.equal(masked, masks.flip(2)) and not torch.equal(masked, masks)


def test_flips_alone_give_each_image_or_its_mirror_image(pair):
    images, masks = pair
    found = Augmentation(flip=True, rotation=0.0, zoom=0.0).draw(3, generator(1))
    assert set(found[:, 0, 0].tolist()) == {-1.0, 1.0}
    moved, masked = move(images, found, masks)
    for place, mirror in enumerate(found[:, 0, 0] < 0):
        torch.testing.assert_close(moved[place], images[place].flip(2) if mirror else images[place], **CLOSE)
        assert torch.equal(masked[place], masks[place].flip(1) if mirror else masks[place])


@pytest.mark.parametrize("matrix,turns", [([[0, -1, 0], [1, 0, 0]], 1), ([[0, 1, 0], [-1, 0, 0]], -1)])
def test_a_quarter_turn_is_torchs(pair, matrix, turns):
    images, masks = pair
    moved, masked = move(images, maps(matrix), masks)
    torch.testing.assert_close(moved, images.rot90(turns, (2, 3)), **CLOSE)
    assert torch.equal(masked, masks.rot90(turns, (1, 2))) and not torch.equal(masked, masks)


def test_a_drawn_half_turn_is_a_half_turn(pair, monkeypatch):
    """The ends of the range: a draw of 0 or 1 at 0.5 full turns."""
    images, masks = pair
    for share in (0.0, 1.0):
        monkeypatch.setattr(torch, "rand", lambda *shape, share=share, **kwargs: torch.full(shape, share))
        found = Augmentation(flip=False, rotation=0.5, zoom=0.0).draw(3, generator())
        moved, masked = move(images, found, masks)
        torch.testing.assert_close(moved, images.rot90(2, (2, 3)), **CLOSE)
        assert torch.equal(masked, masks.rot90(2, (1, 2)))


@pytest.mark.parametrize("share,factor", [(0.0, 0.75), (1.0, 1.25), (0.5, 1.0)])
def test_zoom_makes_what_is_in_the_middle_larger_or_smaller(monkeypatch, share, factor):
    monkeypatch.setattr(torch, "rand", lambda *shape, **kwargs: torch.full(shape, share))
    found = Augmentation(flip=False, rotation=0.0, zoom=0.25).draw(1, generator())
    image = torch.zeros(1, 1, 64, 64)
    image[:, :, 24:40, 24:40] = 1  # 16 pixels wide
    moved, masked = move(image, found, image[:, 0].to(torch.uint8))
    assert masked.sum().item() == pytest.approx((16 * factor) ** 2, rel=0.05)
    assert moved.sum().item() == pytest.approx((16 * factor) ** 2, rel=0.05)


def test_what_comes_into_view_is_the_image_reflected_at_its_edge():
    image = torch.zeros(1, 1, 16, 16)
    image[..., 0] = image[..., -1] = 1  # bright edges left and right
    moved, _ = move(image, maps([[2, 0, 0], [0, 2, 0]], 1))  # half as large
    # Each pixel lies between two of the original's: the bright ones between an edge pixel and the one inside of it.
    torch.testing.assert_close(moved[0, 0, 8].nonzero().flatten(), torch.tensor([3, 4, 11, 12]))
    torch.testing.assert_close(moved[0, 0, 8, [3, 4, 11, 12]], torch.full((4,), 0.5), **CLOSE)
    assert moved[0, 0].std(0).max() < 1e-5  # the same in all rows, reflected ones too


def test_masks_move_with_their_images_and_stay_0_or_1():
    """Images that are their masks: at half grey both agree but for the pixels that an edge crosses."""
    torch.manual_seed(0)
    blobs = F.interpolate(torch.rand(40, 1, 4, 4), size=(48, 48), mode="bicubic")
    masks = (blobs[:, 0] > 0.5).to(torch.uint8)
    found = Augmentation().draw(40, generator())
    moved, masked = move(masks[:, None].float(), found, masks)
    assert masked.dtype == torch.uint8 and set(masked.unique().tolist()) == {0, 1}
    clear = (moved[:, 0] < 0.01) | (moved[:, 0] > 0.99)
    assert clear.float().mean() > 0.7
    assert torch.equal(masked[clear], moved[:, 0][clear].round().to(torch.uint8))
    assert (masked != masks).float().mean() > 0.2


def test_each_image_has_its_own_draw():
    found = Augmentation().draw(50, generator())
    assert len(found.flatten(1).unique(dim=0)) == 50


def test_moved_images_lie_in_channels_last_memory(pair):
    moved, masked = move(pair[0], Augmentation().draw(3, generator()))
    assert moved.is_contiguous(memory_format=torch.channels_last) and masked is None


def test_half_of_the_images_are_mirrored():
    assert 0.47 < (drawn(flip=True)[0] < 0).double().mean() < 0.53
    assert (drawn(flip=False, rotation=0.2, zoom=0.2)[0] > 0).all()


@pytest.mark.parametrize("rotation", [0.1, 0.2])
def test_angles_are_uniform_up_to_the_share_of_a_turn_either_way(rotation):
    angles = drawn(rotation=rotation)[1]
    assert -rotation <= angles.min() < -0.99 * rotation and 0.99 * rotation < angles.max() <= rotation + 1e-6
    assert abs(angles.mean()) < 0.05 * rotation
    assert angles.std().item() == pytest.approx(rotation / 3**0.5, rel=0.03)


def test_the_papers_72_degrees():
    assert drawn(rotation=0.2)[1].abs().max().item() * 360 == pytest.approx(72, abs=0.2)


def test_sizes_are_uniform_around_1():
    factors = drawn(zoom=0.2)[2]
    assert factors.min() == pytest.approx(0.8, abs=1e-3) and factors.max() == pytest.approx(1.2, abs=1e-3)
    assert factors.mean() == pytest.approx(1.0, abs=0.01)
    assert factors.std().item() == pytest.approx(0.2 / 3**0.5, rel=0.03)


def test_flip_angle_and_size_are_drawn_apart():
    mirrored, angle, factor = drawn(flip=True, rotation=0.2, zoom=0.2)
    correlations = torch.corrcoef(torch.stack([mirrored, angle, factor])).abs() - torch.eye(3)
    assert correlations.abs().max() < 0.06


def test_a_map_is_a_rotation_of_the_mirrored_image(pair):
    """Whatever is drawn, nothing is sheared or stretched."""
    found = Augmentation().draw(20, generator())[:, :, :2].double()
    for matrix in found:
        square = matrix @ matrix.T
        assert square[0, 0] == pytest.approx(square[1, 1].item()) and abs(square[0, 1]) < 1e-6


def test_draws_are_the_generators():
    first, again, other = (Augmentation().draw(5, generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    Augmentation().draw(5, generator())
    assert torch.equal(torch.get_rng_state(), before)
    shared = generator(3)
    assert not torch.equal(Augmentation().draw(5, shared), Augmentation().draw(5, shared))


@pytest.mark.parametrize(
    "settings,words",
    [
        ({"rotation": -0.1}, r"task\.augment\.rotation=-0\.1 is not allowed: full turns, 0 to 0\.5"),
        ({"rotation": 72}, r"task\.augment\.rotation=72 is not allowed"),
        ({"rotation": float("nan")}, r"task\.augment\.rotation=nan"),
        ({"zoom": 1.0}, r"task\.augment\.zoom=1\.0 is not allowed: a share of the size, in \[0, 1\)"),
        ({"zoom": -0.2}, r"task\.augment\.zoom=-0\.2"),
    ],
)
def test_wrong_settings_are_refused(settings, words):
    with pytest.raises(UserError, match=words):
        Augmentation(**settings)
