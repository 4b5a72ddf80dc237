"""FID, IS, effective classes and diversity against direct computations and known values."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regbench.measures.fidelity import (
    SCORE_SPLITS,
    Reference,
    Unmeasurable,
    check_finite,
    effective_classes,
    inception_score,
    total_variance,
)


def features(count, size, seed, scale=1.0):
    """Correlated features (N, d) with a mean."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(size, size, generator=generator)
    return scale * (torch.randn(count, size, generator=generator) @ mixing + torch.randn(size, generator=generator))


def direct_distance(first, second):
    """|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)), the root by scipy."""
    first, second = (each.double().numpy() for each in (first, second))
    covariances = [np.cov(each, rowvar=False) for each in (first, second)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    shift = first.mean(0) - second.mean(0)
    return shift @ shift + np.trace(covariances[0] + covariances[1] - 2 * root.real)


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 12), st.integers(20, 200), st.integers(20, 200), st.floats(0.1, 3), st.integers(0, 10**6))
def test_the_distance_is_that_of_the_formula_whatever_the_sizes(size, count, other, scale, seed):
    real, fake = features(count, size, seed), features(other, size, seed + 1, scale)
    expected = direct_distance(real, fake)
    assert Reference(real).frechet_distance(fake) == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert Reference(fake).frechet_distance(real) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_equal_sets_are_0_apart_and_order_does_not_matter():
    real = features(100, 6, 0)
    reference = Reference(real)
    assert reference.frechet_distance(real) == pytest.approx(0, abs=1e-6)
    assert reference.frechet_distance(real.flip(0)) == pytest.approx(0, abs=1e-6)
    assert reference.diversity(real) == pytest.approx(1)


def test_a_shift_costs_its_length_squared_and_a_scale_its_share_of_the_variance():
    real = features(200, 5, 0)
    shift = torch.tensor([3.0, 0.0, -4.0, 0.0, 0.0])
    assert Reference(real).frechet_distance(real + shift) == pytest.approx(25, rel=1e-5)
    mean = real.mean(dim=0)
    stretched = mean + 1.5 * (real - mean)
    assert Reference(real).frechet_distance(stretched) == pytest.approx(0.25 * total_variance(real), rel=1e-4)
    assert Reference(real).diversity(stretched) == pytest.approx(1.5**2, rel=1e-5)


def test_gaussians_that_lie_apart_have_the_known_distance():
    """N(0, 1) and N(2, 9) in each of 3 dimensions: 3 (4 + (3 - 1)^2); 50,000 draws come within 2 %."""
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(50_000, 3, generator=generator) for _ in range(2))
    assert Reference(real).frechet_distance(2 + 3 * fake) == pytest.approx(24, rel=0.02)


def test_more_dimensions_than_images_have_a_distance():
    real, fake = features(8, 30, 0), features(5, 30, 1)
    distance = Reference(real).frechet_distance(fake)
    shift = (real.mean(dim=0) - fake.mean(dim=0)).double().square().sum().item()
    assert shift < distance < shift + total_variance(real) + total_variance(fake)


def test_repeated_calls_do_not_add_up():
    real, one, other = features(100, 4, 0), features(60, 4, 1), features(80, 4, 2, 0.3)
    reference = Reference(real)
    first = reference.frechet_distance(one)
    assert reference.frechet_distance(one) == first
    second = reference.frechet_distance(other)
    assert second == Reference(real).frechet_distance(other)
    assert reference.frechet_distance(one) == first and first != second


def test_features_that_are_no_numbers_do_not_spoil_the_next_distance():
    reference = Reference(features(50, 4, 0))
    expected = reference.frechet_distance(features(60, 4, 1))
    with pytest.raises(Unmeasurable, match=r"features of generated images are no finite numbers \(60 of 60 images\)"):
        reference.frechet_distance(torch.full((60, 4), float("nan")))
    assert math.isnan(reference.diversity(torch.full((60, 4), float("nan"))))
    assert reference.frechet_distance(features(60, 4, 1)) == expected


def test_large_features_far_from_0_keep_their_small_distance():
    """In float32 sums of squares of 1e3 would hide a variance of 1."""
    real = 1e3 + features(500, 3, 0).double()
    fake = 1e3 + features(500, 3, 1).double()
    assert Reference(real).frechet_distance(fake) == pytest.approx(direct_distance(real, fake), rel=1e-5)


def direct_score(logits, splits):
    """Mean over these parts of exp(mean KL(p(y|x) || p(y)))."""
    scores = []
    for part in logits.double().softmax(dim=1).chunk(splits):
        divergence = (part * (part.log() - part.mean(dim=0).log())).sum(dim=1)
        scores.append(divergence.mean().exp())
    return torch.stack(scores).mean().item()


def test_the_score_is_the_mean_of_those_of_shuffled_tenths():
    logits = 2 * torch.randn(230, 7, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        order = torch.randperm(230)
    assert SCORE_SPLITS == 10
    assert inception_score(logits) == pytest.approx(direct_score(logits[order], 10), rel=1e-9)
    assert inception_score(logits) != pytest.approx(direct_score(logits, 1), rel=1e-3)


def test_each_tenth_has_its_own_mean():
    """Ten images make tenths of one: nothing differs from its own mean, however sure and different they are."""
    assert inception_score(50 * torch.eye(10)) == pytest.approx(1)
    assert inception_score(50 * torch.eye(10).repeat_interleave(100, dim=0)) > 9.5


@pytest.mark.parametrize("classes", [2, 10])
def test_the_score_is_1_where_all_are_alike_and_k_where_classes_are_sure_and_even(classes):
    assert inception_score(torch.randn(1, classes).expand(400, -1)) == pytest.approx(1)
    assert inception_score(torch.zeros(400, classes)) == pytest.approx(1)
    sure = 60 * torch.eye(classes).repeat(2000 // classes, 1)
    assert classes * 0.95 < inception_score(sure) <= classes + 1e-9


def test_images_sorted_by_class_score_as_shuffled_ones():
    sorted_by_class = 60 * torch.eye(10).repeat_interleave(200, dim=0)
    assert inception_score(sorted_by_class) > 9.5


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 10), st.integers(2, 60), st.integers(0, 10**6))
def test_the_score_lies_between_1_and_k_however_few_images(classes, count, seed):
    logits = 5 * torch.randn(count, classes, generator=torch.Generator().manual_seed(seed))
    assert 1 - 1e-9 <= inception_score(logits) <= classes + 1e-9
    assert 1 - 1e-9 <= effective_classes(logits) <= classes + 1e-9


def test_effective_classes_are_the_exponential_of_the_means_entropy():
    logits = torch.randn(30, 6)
    mean = logits.double().softmax(dim=1).mean(dim=0)
    assert effective_classes(logits) == pytest.approx((-(mean * mean.log()).sum()).exp().item())
    assert effective_classes(torch.zeros(20, 6)) == pytest.approx(6)
    sure = 1e4 * torch.eye(6)
    assert effective_classes(sure) == pytest.approx(6) and effective_classes(sure[:2].repeat(5, 1)) == pytest.approx(2)
    assert effective_classes(sure[:1].expand(20, -1)) == pytest.approx(1)


def test_a_generator_that_collapsed_is_less_diverse():
    real = features(300, 5, 0)
    assert Reference(real).diversity(real[:1].expand(50, -1)) == 0
    assert Reference(real).diversity(real[:60]) == pytest.approx(total_variance(real[:60]) / total_variance(real))
    assert total_variance(real) == pytest.approx(np.trace(np.cov(real.numpy(), rowvar=False)), rel=1e-5)


def test_measuring_leaves_the_noise_of_training_alone_and_does_not_depend_on_it():
    logits, real, fake = torch.randn(100, 5), features(50, 3, 0), features(40, 3, 1)
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        reference = Reference(real)
        values = (inception_score(logits), effective_classes(logits), reference.frechet_distance(fake))
        found.append((*values, reference.diversity(fake)))
        assert torch.equal(torch.get_rng_state(), state)
    assert found[0] == found[1]


def test_measuring_warns_of_nothing(recwarn):
    Reference(features(50, 3, 0)).frechet_distance(features(40, 3, 1))
    inception_score(torch.randn(100, 5))
    assert not [str(warning.message) for warning in recwarn]


def broken(value, images=50, size=2048, dtype=torch.float32):
    found = torch.randn(images, size, generator=torch.Generator().manual_seed(3)).to(dtype)
    found[images // 2, size // 3] = value
    return found


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("size", [1, 64, 2048])
def test_no_number_that_is_none_comes_to_the_library(value, size):
    """With 2048 features of it, the eigenvalues of their covariances end the process."""
    good, bad = broken(0.0, size=size), broken(value, size=size)
    reference = Reference(good)
    for measure in (reference.frechet_distance, Reference, inception_score, effective_classes):
        with pytest.raises(Unmeasurable, match=r"are no finite numbers \(1 of 50 images\)"):
            measure(bad)


@pytest.mark.parametrize("size,dtype", [(16, torch.float32), (16, torch.float64)])
def test_the_largest_numbers_have_a_distance_or_are_refused(size, dtype):
    reference = Reference(broken(0.0, size=size))
    largest = torch.finfo(dtype).max
    if dtype == torch.float32:
        assert math.isfinite(reference.frechet_distance(broken(largest, size=size)))
    else:
        assert math.isfinite(reference.frechet_distance(broken(1e59, size=size, dtype=dtype)))
        with pytest.raises(Unmeasurable):  # its square is no number
            reference.frechet_distance(broken(largest, size=size, dtype=dtype))


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5])
def test_equal_generated_images_have_a_distance_and_no_diversity(value):
    real = features(100, 8, 0)
    reference = Reference(real)
    shift = (real.double().mean(0) - value).square().sum().item()
    distance = reference.frechet_distance(torch.full((40, 8), value))
    assert distance == pytest.approx(shift + total_variance(real), rel=1e-4)
    assert reference.diversity(torch.full((40, 8), value)) == 0
    assert inception_score(torch.full((40, 8), value)) == pytest.approx(1)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_have_no_distance(count):
    with pytest.raises(Unmeasurable, match=f"real images: {count} is too few, 2 are needed"):
        Reference(features(2, 4, 0)[:count])
    with pytest.raises(Unmeasurable, match=f"generated images: {count} is too few, 2 are needed"):
        Reference(features(9, 4, 0)).frechet_distance(features(2, 4, 0)[:count])


@pytest.mark.filterwarnings("ignore:std")
def test_no_image_has_no_score_and_one_has():
    for measure in (inception_score, effective_classes):
        with pytest.raises(Unmeasurable, match="0 is too few, 1 are needed"):
            measure(torch.zeros(0, 5))
        assert math.isfinite(measure(torch.zeros(1, 5)))


def test_real_images_that_are_all_the_same_measure_nothing():
    with pytest.raises(Unmeasurable, match="all 30 real images have the same features"):
        Reference(torch.full((30, 4), 2.0))


def test_images_of_any_shape_are_looked_at():
    images = torch.zeros(5, 3, 4, 4)
    check_finite("images", images)
    images[1, 2, 3, 3], images[4, 0, 0, 0] = math.nan, math.inf
    with pytest.raises(Unmeasurable, match=r"images are no finite numbers \(2 of 5 images\)"):
        check_finite("images", images)
