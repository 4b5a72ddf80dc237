"""Entropy guidance: autoencoders (Figures 2 to 6), small CNNs (Table 1), entropy maps."""
