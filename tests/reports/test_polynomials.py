"""The essay's polynomials: Z is the networks' Z, exact cases, what comes out, and the picture."""

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from numpy.polynomial import Polynomial

from regbench import measures
from regbench.evidence.pages import CSV_FIELDS
from regbench.papers.linearity_essay.polynomials import extra
from regbench.papers.linearity_essay.polynomials.extra import (
    DEGREES,
    RANGES,
    SEEDS,
    additivity_gap,
    distance,
    finding,
    fit,
    gaps,
    linearity_polynomials,
    points,
    polynomials,
    samples,
    smooth,
)


@pytest.mark.parametrize("seed", range(5))
def test_z_is_that_of_the_measures(seed):
    rng = np.random.default_rng(seed)
    x1, x2 = rng.normal(size=(2, 40))
    function = Polynomial(rng.normal(size=seed + 2))
    expected = measures.additivity_gap(lambda x: torch.as_tensor(function(x.numpy())), *map(torch.as_tensor, (x1, x2)))
    assert additivity_gap(function, x1, x2) == pytest.approx(expected, rel=1e-12)
    assert additivity_gap(lambda x: 5 * function(x) - 3, x1, x2) == pytest.approx(expected, rel=1e-9)


def test_a_square_by_hand():
    # f(x1 + x2) - f(x1) - f(x2) = 2 x1 x2
    assert additivity_gap(np.square, np.array([1.0, 2.0]), np.array([3.0, -1.0])) == pytest.approx((6 + 4) / (10 + 5))


def test_a_fit_is_the_least_squares_polynomial_of_its_degree():
    x, y = samples(3)
    for degree in (1, 4, 10):
        np.testing.assert_allclose(fit(degree, 3)(x), Polynomial.fit(x, y, degree)(x), atol=1e-8)
        assert fit(degree, 3).degree() == degree
    assert not np.array_equal(y, samples(4)[1])
    assert distance(10, 3) > distance(3, 3)  # overfitted: ten degrees follow the noise


def test_points_stay_where_they_are_said_to():
    for reach in RANGES:
        x1, x2 = points(reach)
        assert max(abs(x1).max(), abs(x2).max()) < reach < 1.1 * max(abs(x1).max(), abs(x2).max())
        assert 1.6 * reach < abs(x1 + x2).max() < 2 * reach
        assert np.array_equal(points(reach)[0], x1)


def test_the_essay_holds_outside_the_samples_and_only_up_to_the_function_itself_within():
    within, outside = RANGES
    means = {reach: [np.mean([gaps(reach)[seed][degree] for seed in SEEDS]) for degree in DEGREES] for reach in RANGES}
    assert means[within][0] == means[outside][0] == 0.0
    assert means[outside][-1] > 100 > 1 > max(means[within])
    own = additivity_gap(smooth, *points(within))
    assert means[within][-1] == pytest.approx(own, rel=0.3)


def test_the_table_has_a_line_a_degree_and_says_where_the_mean_falls():
    table = polynomials()
    assert [row[0].text for row in table.rows] == [*map(str, DEGREES), "sin(3x) itself"]
    assert table.rows[0][2].text.startswith("0.000") and "n = 20 noise seeds" in table.title
    assert len(table.records) == 3 * len(DEGREES)
    assert {record["n"] for record in table.records} == {len(SEEDS)} and set(table.records[0]) == set(CSV_FIELDS)
    assert "the mean falls at degree 4, 5;" in table.notes[2] and "in 1 of 20 fits" in table.notes[2]


def test_the_finding_is_computed(monkeypatch):
    rising = {seed: {degree: degree + 0.1 * seed for degree in DEGREES} for seed in (0, 1)}
    monkeypatch.setattr(extra, "gaps", lambda reach: rising)
    text = finding(0.5)
    assert "the mean rises with every degree; Z rises at every step in 2 of 2 fits." in text and "+1.000" in text
    rising[1][7] = 0.0
    text = finding(0.5)
    assert "the mean falls at degree 7;" in text and "in 1 of 2 fits" in text and "degree +0.873" in text


def test_the_picture_has_the_fits_and_z_by_degree_and_always_the_same_bytes(tmp_path, monkeypatch):
    (first,) = linearity_polynomials(None, tmp_path / "a")
    (again,) = linearity_polynomials(None, tmp_path / "b")
    assert again.read_bytes() == first.read_bytes() and b"Software" not in first.read_bytes()
    assert imread(first).std() > 0
    monkeypatch.setattr(extra, "save", lambda figure, path: figure)
    fits, measure = linearity_polynomials(None, tmp_path)[0].axes
    assert fits.get_legend_handles_labels()[1][:4] == ["sin(3x)", "degree 1", "degree 3", "degree 10"]
    for reach in RANGES:
        (line,) = [line for line in measure.lines if str(line.get_label()).startswith(f"|x| < {reach:g}:")]
        expected = [np.mean([gaps(reach)[seed][degree] for seed in SEEDS]) for degree in DEGREES]
        assert list(line.get_xdata()) == list(DEGREES) and list(line.get_ydata()) == pytest.approx(expected)
