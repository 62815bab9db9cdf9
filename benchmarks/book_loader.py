"""The book's DataLoader, apart from the other arms: it alone needs Pillow, which a machine may lack."""

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from benchmarks.arms import Images, Loader


class BookImages(Images):
    """Images that go through PIL: step by step what torchvision's data set, `Resize((28, 28))` and `ToTensor` do.

    `Resize` returns an image that has the size already.
    """

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = PIL.Image.fromarray(self._x[index])
        pixels = torch.from_numpy(np.array(image, np.uint8, copy=True)).view(28, 28, 1)
        return pixels.permute(2, 0, 1).contiguous().to(torch.float32).div(255), int(self._y[index])


class BookLoader(Loader):
    """The book's way, whose images go through PIL."""

    images = BookImages
