"""The data sets of the classification experiments, as they are printed."""

DATASETS = {"digits": "digits", "mnist": "MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
