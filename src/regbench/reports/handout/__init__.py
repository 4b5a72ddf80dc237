"""The handout on dropout and batch norm: table, curves."""
