"""One thread a test process: the processes run side by side. The libraries' many objects are no garbage to look for."""

import gc

import torch

torch.set_num_threads(1)
gc.freeze()
gc.set_threshold(50_000, 20, 100)
