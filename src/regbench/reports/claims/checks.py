"""Consistency checks: what a document's own numbers and formulas add up to, whatever any training says.

A check answers `consistent` where they bear the claim out and `inconsistent` where they do not, with what was computed
in the sentence and what it goes by in the reason; `not testable` where the document leaves out what would decide. The
ledger names checks, and sentences on chance, by the names of their functions.
"""

from __future__ import annotations

from collections.abc import Callable

from regbench.reports.claims import chances as claim_chances
from regbench.reports.claims import check_formulas, check_gains, check_signs, check_tables
from regbench.reports.claims.answers import Answer

CHECKS: dict[str, Callable[..., Answer]] = {
    function.__name__: function
    for function in (
        check_tables.ranks_first,
        check_tables.masked_patches,
        check_gains.gaps_against_images,
        check_gains.gains_larger,
        check_tables.speedups_agree,
        check_tables.difference_of_order,
        check_tables.all_positive,
        check_tables.bold_is_highest,
        check_tables.count_with_loss,
        check_tables.count_beyond_chance,
        check_tables.best_strengths,
        check_tables.gains_between,
        check_tables.base_spread,
        check_tables.resolution,
        check_tables.rows_above,
        check_tables.highest_row,
        check_tables.better_than_first,
        check_tables.faster_by,
        check_tables.same_order,
        check_tables.scores_compare,
        check_signs.signs_agree,
        check_signs.signs_inverse,
        check_signs.signs_below,
        check_signs.widths_on_grid,
        check_formulas.crossover,
        check_formulas.determinant_of_example,
        check_formulas.completion_is_unique,
        check_formulas.determinant_is_positive,
        check_formulas.log_loss_direction,
        check_formulas.dropout_example,
        check_formulas.dropout_expectation,
        check_formulas.batchnorm_example,
        check_formulas.polynomial_degrees,
        check_formulas.u_shape_before_training,
    )
}
CHANCES: dict[str, Callable[..., str]] = {
    function.__name__: function for function in (claim_chances.best_of_equals, claim_chances.best_of_strengths)
}
