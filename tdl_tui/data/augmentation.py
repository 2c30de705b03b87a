"""Pictures changed a little, anew in each epoch: what is done to an example depends on (seed, epoch, example) alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tdl_tui.torchvision_import import transforms

from .randomness import generator

DRAWS = 5  # numbers an example: flip, vertical and horizontal shift, brightness, contrast
SHIFT = 8  # a crop moves by up to this part of the side, as 4 pixels of 32
COLOUR = 0.3  # brightness and contrast change by up to this part


@dataclass(frozen=True)
class Augmentation:
    """Mirrors left and right with probability 1/2; moves by up to 1/SHIFT of the side, black coming in, which is a crop
    of the padded picture (He et al. 2015, section 4.2); changes brightness and contrast by factors of 1 ± COLOUR."""

    flip: bool = False
    crop: bool = False
    colour: bool = False

    @classmethod
    def named(cls, name: str) -> Augmentation | None:
        """What an option says: "flip_crop", …; None for "none"."""
        words = {} if name == "none" else dict.fromkeys(name.split("_"), True)
        return cls(**words) if words else None

    def draws(self, examples: int, seed: int, epoch: int) -> Tensor:
        """The chance of each example in an epoch, (examples, DRAWS) float32 in [0, 1), on the CPU."""
        return torch.rand(examples, DRAWS, generator=generator("augmentation", seed, epoch))

    def __call__(self, pictures: Tensor, draws: Tensor) -> Tensor:
        """Pictures (B, C, H, W) uint8, changed as their rows of `draws` say, in a new tensor."""
        if self.flip:
            mirrored = (draws[:, 0] < 0.5)[:, None, None, None]
            pictures = torch.where(mirrored, pictures.flip(-1), pictures)
        if self.crop:
            pictures = _cropped(pictures, draws[:, 1], draws[:, 2])
        if self.colour:
            pictures = _coloured(pictures, draws[:, 3:])
        return pictures


def _cropped(pictures: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Windows of the pictures' own size into the pictures with a black border."""
    count, channels, height, width = pictures.shape
    border = max(1, height // SHIFT), max(1, width // SHIFT)
    padded = torch.nn.functional.pad(pictures, (border[1], border[1], border[0], border[0]))
    device = pictures.device
    top, left = ((draw * (2 * most + 1)).long() for draw, most in ((down, border[0]), (across, border[1])))
    rows = top[:, None] + torch.arange(height, device=device)
    columns = left[:, None] + torch.arange(width, device=device)
    examples = torch.arange(count, device=device)[:, None, None, None]
    every = torch.arange(channels, device=device)[None, :, None, None]
    return padded[examples, every, rows[:, None, :, None], columns[:, None, None, :]]


def _coloured(pictures: Tensor, draws: Tensor) -> Tensor:
    change = transforms()
    factors = (1 + COLOUR * (2 * draws - 1)).tolist()
    return torch.stack(
        [
            change.adjust_contrast(change.adjust_brightness(picture, brightness), contrast)
            for picture, (brightness, contrast) in zip(pictures, factors, strict=True)
        ]
    )
