"""Tables, figures and tests over finished rows. Nothing in here imports torch."""
