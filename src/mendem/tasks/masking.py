"""Which pixels are to be filled in: a mask from a layer or a file, or a proposal of what looks damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.image import Image


@dataclass(frozen=True, eq=False)
class Gapped:
    """An image's pixels as floats, NaN where ``gaps(plane)`` (height, width) is true; computes what is sliced."""

    data: Any
    gaps: Callable[[int], np.ndarray]
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, key: Any) -> np.ndarray:
        *index, rows, columns = key
        plane = int(np.ravel_multi_index(tuple(index), self.shape[:-2])) if index else 0
        pixels = np.asarray(self.data[key]).astype(self.dtype)
        pixels[self.gaps(plane)[rows, columns]] = np.nan
        return pixels


def masked(image: Image, choice: str, mask: Image | None) -> tuple[Image | None, tuple[str, ...]]:
    """The image with NaN in place of what is to be filled in, and what to say; None where nothing is.

    Parameters
    ----------
    choice
        "none" or "auto", which proposes what looks damaged; a ``mask`` goes before it.
    mask
        Not 0 where the image is to be filled in; one slice for all slices, or as many as the image has.

    Raises
    ------
    MendemError
        For a mask of another shape, one that marks nothing, and one that leaves nothing.
    """
    if mask is not None:
        gaps: Callable[[int], np.ndarray] = _given(image, mask)
        notes = tuple[str, ...]()
    elif choice == "auto":
        gaps, notes = _proposed(image)
    else:
        return None, ()
    several = len(notes) == 0 and mask is not None and mask.plane_count > 1
    planes = range(image.plane_count if several or mask is None else 1)
    marked = [float(gaps(p).mean()) for p in planes]
    share = sum(marked) / len(marked)
    if share == 0 and mask is not None:
        raise MendemError(f"{mask.source or 'the mask'} marks no pixel: paint what is to be filled in, or give another")
    if min(marked) == 1:
        if mask is not None:
            raise MendemError(f"{mask.source or 'the mask'} marks every pixel of a slice, which leaves nothing")
        raise MendemError(
            f"{image.source or 'the image'}: all of slice {marked.index(1)} looks damaged, which leaves nothing; "
            "give a mask"
        )
    # What float32 holds exactly stays small.
    exact = image.dtype.kind in "bui" and image.dtype.itemsize <= 2 or image.dtype in (np.float16, np.float32)
    data = Gapped(image.data, gaps, np.dtype(np.float32 if exact else np.float64))
    if share:
        notes = (*notes, f"{100 * share:.3g} % of the pixels are filled in.")
    return image.with_data(data), notes


class _Given:
    """The gaps of a mask, one slice for all slices or one for each; the slice that was asked for last is kept."""

    _last: tuple[int, np.ndarray] | None = None

    def __init__(self, mask: Image) -> None:
        self.mask = mask

    def __getstate__(self) -> dict[str, Any]:
        return {"mask": self.mask}

    def __call__(self, plane: int) -> np.ndarray:
        plane, last = plane if self.mask.plane_count > 1 else 0, self._last
        if last is None or last[0] != plane:
            read = self.mask.read(plane)
            self._last = last = plane, np.isnan(read) | (read != 0) if read.dtype.kind == "f" else read != 0
        return last[1]


class _Proposed:
    """Gaps of each slice, (slices, rows, columns), eight to a byte."""

    def __init__(self, gaps: np.ndarray) -> None:
        self.bits, self.width = np.packbits(gaps, axis=-1), gaps.shape[-1]

    def __call__(self, plane: int) -> np.ndarray:
        return np.unpackbits(self.bits[plane], axis=-1, count=self.width).view(bool)


def _given(image: Image, mask: Image) -> _Given:
    if mask.plane_shape != image.plane_shape or mask.plane_count not in (1, image.plane_count):
        raise MendemError(
            f"{mask.source or 'the mask'} has the shape {mask.shape}, the image {image.shape}: give a mask of the same "
            "height and width, for one slice or for all"
        )
    return _Given(mask)


def _proposed(image: Image) -> tuple[_Proposed, tuple[str, ...]]:
    from mendem.appraisal.damage import propose_damage

    found = [propose_damage(image.read(p)) for p in range(image.plane_count)]
    gaps = _Proposed(np.stack([d.labels > 0 for d in found]))
    said = [
        f"{text}{f' in slice {p}' if image.plane_count > 1 else ''}" for p, d in enumerate(found) for text in d.found
    ]
    if not said:
        return gaps, ("Nothing was found that looks damaged.",)
    more = f" and {len(said) - 6} more" if len(said) > 6 else ""
    return gaps, (f"Proposed as damaged: {'; '.join(said[:6])}{more}.",)
