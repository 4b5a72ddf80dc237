"""What the methods are made of: what a regularizer is, layers at sites, penalties on weights, patches of maps."""
