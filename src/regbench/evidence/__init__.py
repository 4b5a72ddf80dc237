"""Rows to estimates to tables, figures and verdicts. No torch; knows no paper: a paper is a folder of data."""
