"""The linearity essay: additivity gap by strength, trends, polynomials."""
