"""Rows to estimates to tables, figures and verdicts. No torch; knows no paper: a paper is a folder of data.

Read from above: each file imports only files that stand before it.

What a row says        registry (of what specs name), groups, readings, stops, metrics, settings, arrays
Formulas               stats, ranks, looks, best_of_many
A paper as data        wording, numbers, spec, effects, verdicts (their rules), claims, findings
Estimates              sections, choices, estimates
Tables and figures     training_words, tables, cells, notes, best_notes, pages, paper_cells, style, figures, layer_maps
Papers                 printed (checks), documents
Verdicts               judging, answers, planning
What is published      publish, report, claims_figure, web, notebooks; comparison (one's own regularizer)
"""
