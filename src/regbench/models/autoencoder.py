"""The dense autoencoder of the entropy paper: one hidden layer.

The paper (section 5.2) says "an input layer, one dense hidden layer, and an output layer", with "sigmoid activation",
and leaves the output's activation open. Here it is a sigmoid too, as pixels lie in [0, 1]; `output=linear` has none.
"""

import torch
from torch import Tensor, nn

from regbench.errors import UserError

OUTPUTS = ("sigmoid", "linear")


class Autoencoder(nn.Module):
    """Images to a latent vector and back: (N, C, H, W) -> (N, C, H, W).

    Pixels enter in the order rows, columns, channels. Site `latent` stands after the hidden layer's sigmoid.

    Args:
        input_shape: (C, H, W). classes: of the dataset; not read.
        width: latent dimensions. output: "sigmoid" or "linear".
    """

    def __init__(self, input_shape: tuple[int, int, int], classes: int, width: int = 100, output: str = "sigmoid"):
        super().__init__()
        if not isinstance(width, int) or width < 1:
            raise UserError(f"model.width={width} is not allowed: an integer of 1 or more")
        if output not in OUTPUTS:
            raise UserError(f"model.output={output} is not allowed: allowed are {', '.join(OUTPUTS)}")
        channels, height, width_of_image = input_shape
        self.map = (height, width_of_image, channels)
        pixels = channels * height * width_of_image
        self.encoder = nn.Linear(pixels, width)
        self.sites = nn.ModuleDict({"latent": nn.Identity()})
        self.decoder = nn.Linear(width, pixels)
        self.output = output

    def forward(self, x: Tensor) -> Tensor:
        latent = self.sites["latent"](torch.sigmoid(self.encoder(x.permute(0, 2, 3, 1).flatten(1))))
        out = self.decoder(latent)
        out = torch.sigmoid(out) if self.output == "sigmoid" else out
        return out.view(-1, *self.map).permute(0, 3, 1, 2)
