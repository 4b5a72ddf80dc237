"""VGG16 and ResNet-50 as torchvision builds them, narrowed where asked, with named sites and layer lists.

The entropy paper (section 5.4) says "variations of VGG-16" and "ResNet-50" and "Dropout rate 0.5 is used between the
dense layers in the heads". It leaves open the size of the images, the widths of the heads, and where ResNet-50, whose
head is one dense layer, has its dropout: here before that layer. VGG16 has no batch norm, as Simonyan and Zisserman
have it.

Layer lists of Table 2: [1] is `first`; [1,2] of VGG16 and [1,5] of ResNet-50, in the text "the first two convolutional
layer", are `first_two`. `pre_skip` are the convolutions whose output, after the addition, a skip connection carries on:
the last of each bottleneck but the network's last. "Empirical" is read from a map of trained weights
(`scripts/entropy_maps.py`) and given as a list of names.
"""

import torch
from torch import Tensor, nn

from regbench.errors import UserError


class VGG16(nn.Module):
    """13 convolutions of 3x3 in five blocks, then three dense layers: (N, C, H, W) -> (N, classes) logits.

    Sites `conv1_1` ... `conv5_3`, `fc1` and `fc2` stand after each ReLU and before pooling and dropout.

    Args:
        input_shape: (C, H, W), 32x32 or more. classes: number of logits.
        width: factor of all widths, above 0; 1 is the original with 64 to 512 filters and 4096 units.
        dropout: rate behind the first two dense layers, in [0, 1); 0 for none.
        pooled: side of the map that the last convolution's is averaged to; None: its own, at most the original's 7.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        width: float = 1.0,
        dropout: float = 0.0,
        pooled: int | None = None,
    ):
        super().__init__()
        _check("vgg16", input_shape, width, dropout)
        pooled = min(7, *(side // 32 for side in input_shape[1:])) if pooled is None else pooled
        if not isinstance(pooled, int) or isinstance(pooled, bool) or pooled < 1:
            raise UserError(f"model.pooled={pooled} is not allowed: an integer of 1 or more")
        import torchvision.models  # here: loading it takes longer than most trainings need it

        with torch.device("meta"):  # the original's weights are never made: those of its head take seconds
            vgg = torchvision.models.vgg16(num_classes=classes, dropout=dropout, init_weights=False)
            vgg.classifier[0] = nn.Linear(512 * pooled**2, 4096)
        _narrow(vgg, width, input_shape[0], last=vgg.classifier[-1])
        _fit_inputs(vgg.classifier[0], vgg.features[-3].out_channels * pooled**2)  # as rounded per channel
        self.features, self.classifier = vgg.features, vgg.classifier
        self.avgpool = nn.AdaptiveAvgPool2d(pooled)
        convs = [f"conv{block}_{n}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for n in range(1, count + 1)]
        self.sites = nn.ModuleDict({name: nn.Identity() for name in [*convs, "fc1", "fc2"]})
        self.placements = {"first_two": ["features.0", "features.2"]}
        _initialize(self, dense_std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        sites = iter(self.sites.values())
        for module in (*self.features, self.avgpool, nn.Flatten(), *self.classifier):
            x = module(x)
            if isinstance(module, nn.ReLU):
                x = next(sites)(x)
        return x


class ResNet50(nn.Module):
    """A convolution of 7x7, 16 bottlenecks of three convolutions, one dense layer: (N, C, H, W) -> (N, classes) logits.

    Site `conv1` stands after the first ReLU and before pooling, `layer1_0` ... `layer4_2` after each bottleneck.

    Args:
        input_shape: (C, H, W), 32x32 or more. classes: number of logits.
        width: factor of all widths, above 0; 1 is the original with 64 to 2048 channels.
        dropout: rate before the dense layer, in [0, 1); 0 for none.
    """

    def __init__(self, input_shape: tuple[int, int, int], classes: int, width: float = 1.0, dropout: float = 0.0):
        super().__init__()
        _check("resnet50", input_shape, width, dropout)
        import torchvision.models

        with torch.device("meta"):
            resnet = torchvision.models.resnet50(num_classes=classes)
        _narrow(resnet, width, input_shape[0], last=resnet.fc)
        self.conv1, self.bn1, self.relu, self.maxpool = resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4
        self.avgpool, self.dropout, self.fc = resnet.avgpool, nn.Dropout(dropout), resnet.fc
        blocks = [f"layer{n}.{place}" for n in range(1, 5) for place in range(len(getattr(self, f"layer{n}")))]
        self.sites = nn.ModuleDict({name.replace(".", "_"): nn.Identity() for name in ["conv1", *blocks]})
        self.placements = {
            "first_two": ["conv1", "layer1.0.conv1"],
            "pre_skip": [f"{block}.conv3" for block in blocks[:-1]],
        }
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.sites["conv1"](self.relu(self.bn1(self.conv1(x)))))
        for number, layer in enumerate((self.layer1, self.layer2, self.layer3, self.layer4), start=1):
            for place, block in enumerate(layer):
                x = self.sites[f"layer{number}_{place}"](block(x))
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))


def _check(name: str, input_shape: tuple[int, int, int], width: float, dropout: float) -> None:
    if min(input_shape[1:]) < 32:
        raise UserError(f"input of {input_shape[1]}x{input_shape[2]} is too small for {name}: allowed is 32x32 or more")
    if isinstance(width, bool) or not 0.0 < width <= 4.0:
        raise UserError(f"model.width={width} is not allowed: a factor above 0, at most 4")
    if not 0.0 <= dropout < 1.0:
        raise UserError(f"model.dropout={dropout} is not allowed: a drop rate lies in [0, 1)")


def _narrow(model: nn.Module, width: float, channels: int, last: nn.Linear) -> None:
    """Scale every layer's widths in place; the input's channels and the logits stay as they are."""
    seen_convolution = False
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            inputs = _scaled(module.in_channels, width) if seen_convolution else channels
            _resize(module, (_scaled(module.out_channels, width), inputs, *module.kernel_size))
            module.out_channels, module.in_channels = module.weight.shape[:2]
            seen_convolution = True
        elif isinstance(module, nn.BatchNorm2d):
            module.num_features = _scaled(module.num_features, width)
            for name in ("weight", "bias"):
                setattr(module, name, nn.Parameter(torch.empty(module.num_features)))
            for name in ("running_mean", "running_var"):
                setattr(module, name, torch.empty(module.num_features))
            module.num_batches_tracked = torch.tensor(0)
        elif isinstance(module, nn.Linear):
            outputs = module.out_features if module is last else _scaled(module.out_features, width)
            _resize(module, (outputs, _scaled(module.in_features, width)))
            module.out_features, module.in_features = module.weight.shape


def _fit_inputs(module: nn.Linear, inputs: int) -> None:
    _resize(module, (module.out_features, inputs))
    module.in_features = inputs


def _resize(module: nn.Conv2d | nn.Linear, shape: tuple[int, ...]) -> None:
    module.weight = nn.Parameter(torch.empty(shape))
    if module.bias is not None:
        module.bias = nn.Parameter(torch.empty(shape[0]))


def _scaled(size: int, width: float) -> int:
    return max(1, round(size * width))


def _initialize(model: nn.Module, dense_std: float | None = None) -> None:
    """The weights that torchvision's constructors would draw: dense ones normal, or torch's default."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d) or (isinstance(module, nn.Linear) and dense_std is None):
            module.reset_parameters()
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, dense_std)
            nn.init.zeros_(module.bias)
