"""The before/after picture of the demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mendem.image import Image
from mendem.io.output import PartFile, plain_words

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

#: Side of a panel, how many image pixels are shown in it above and, enlarged, below; all in pixels.
PANEL, VIEW, DETAIL = 480, 480, 120
MARGIN, GAP, HEADER, FOOTER = 28, 14, 58, 56
PAPER, INK, QUIET, ACCENT = (250, 250, 248), (24, 26, 30), (106, 110, 118), (255, 196, 0)

#: Colours of the spread from small to large, by eye from the perceptually uniform "inferno".
SPREAD_COLOURS = ((0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164))


def psnr(image: Image, truth: Image) -> float:
    """Peak signal-to-noise ratio in dB for the peak of 8 bits, 255."""
    difference = np.asarray(image.data, np.float64) - np.asarray(truth.data, np.float64)
    return float(10 * np.log10(255**2 / np.mean(difference**2)))


def before_after(path: Path, noisy: Image, restored: Image, spread: Image, truth: Image) -> None:
    """Write a PNG with noisy, restored, spread and truth side by side, a detail of each below, and a scale bar.

    All are single slices of one shape, at least `VIEW` pixels a side; an existing file is replaced.
    """
    from PIL import Image as Pillow
    from PIL import ImageDraw

    low, high = np.percentile(truth.data, [0.2, 99.8])
    low, high = low - 0.15 * (high - low), high + 0.15 * (high - low)
    most = float(np.percentile(spread.data, 99.5))
    panels = [
        ("Measured", f"{psnr(noisy, truth):.1f} dB", _grey(noisy, low, high)),
        ("Restored", f"{psnr(restored, truth):.1f} dB", _grey(restored, low, high)),
        ("Spread", "standard deviation", _coloured(spread.data, most)),
        ("Truth", "simulated", _grey(truth, low, high)),
    ]
    width = 2 * MARGIN + len(panels) * PANEL + (len(panels) - 1) * GAP
    page = Pillow.new("RGB", (width, HEADER + 2 * PANEL + GAP + FOOTER), PAPER)
    draw = ImageDraw.Draw(page)
    top, left = ((n - VIEW) // 2 for n in noisy.plane_shape)
    y, x = _busiest(np.asarray(truth.data)[top : top + VIEW, left : left + VIEW])
    for i, (title, remark, pixels) in enumerate(panels):
        at = MARGIN + i * (PANEL + GAP)
        view = pixels[top : top + VIEW, left : left + VIEW]
        page.paste(_fitted(view), (at, HEADER))
        page.paste(_fitted(view[y : y + DETAIL, x : x + DETAIL]), (at, HEADER + PANEL + GAP))
        zoom = PANEL / VIEW
        corner = (at + x * zoom, HEADER + y * zoom)
        draw.rectangle((*corner, corner[0] + DETAIL * zoom, corner[1] + DETAIL * zoom), outline=ACCENT, width=2)
        below = HEADER + PANEL + GAP
        draw.rectangle((at, below, at + PANEL - 1, below + PANEL - 1), outline=ACCENT, width=2)
        if title == "Spread":
            _colour_bar(page, at + PANEL - 14, HEADER + PANEL - 16, most)
        draw.text((at, HEADER - 12), title, INK, _font(26), anchor="ls")
        draw.text((at + PANEL, HEADER - 13), remark, QUIET, _font(20), anchor="rs")
    nm = noisy.voxel_size.nm[-1] if noisy.voxel_size else None
    if nm:
        _scale_bar(draw, MARGIN + 14, HEADER + PANEL - 16, nm * VIEW / PANEL)
        _scale_bar(draw, MARGIN + 14, HEADER + 2 * PANEL + GAP - 16, nm * DETAIL / PANEL)
    caption = (
        "mendem demo: neuropil simulated with known truth, recorded with shot noise and scan lines. "
        "dB: peak signal-to-noise ratio against the truth (peak 255). Below: the marked square, four times larger."
    )
    draw.text((MARGIN, page.height - FOOTER / 2), caption, QUIET, _font(18), anchor="lm")

    part = PartFile(str(path), page.width * page.height, overwrite=True)
    try:
        with plain_words(str(path)):
            page.save(part.path, format="PNG")
        part.commit()
    except BaseException:
        part.discard()
        raise


def _grey(image: Image, low: float, high: float) -> np.ndarray:
    """Pixels as uint8 (y, x, 3), black at ``low`` and white at ``high``."""
    levels = np.clip((np.asarray(image.data, np.float32) - low) / (high - low), 0, 1)
    return np.repeat(np.rint(255 * levels).astype(np.uint8)[..., None], 3, axis=-1)


def _coloured(values: np.ndarray, most: float) -> np.ndarray:
    """Values from 0 to ``most`` in `SPREAD_COLOURS`, uint8 (y, x, 3)."""
    levels = np.clip(np.asarray(values, np.float32) / max(most, 1e-9), 0, 1) * (len(SPREAD_COLOURS) - 1)
    colours = np.asarray(SPREAD_COLOURS, np.float32)
    mixed = np.stack([np.interp(levels, np.arange(len(colours)), colours[:, c]) for c in range(3)], -1)
    return np.rint(mixed).astype(np.uint8)


def _busiest(view: np.ndarray) -> tuple[int, int]:
    """First row and column of the `DETAIL` square with the most contrast, away from the border."""
    steps = range(DETAIL // 2, VIEW - 3 * DETAIL // 2 + 1, DETAIL // 4)
    squares = {(y, x): view[y : y + DETAIL, x : x + DETAIL].std() for y in steps for x in steps}
    return max(squares, key=lambda corner: squares[corner])


def _fitted(pixels: np.ndarray) -> Picture:
    """A panel; enlarged by whole pixels, so that noise looks as it is."""
    from PIL import Image as Pillow

    return Pillow.fromarray(pixels).resize((PANEL, PANEL), Pillow.Resampling.NEAREST)


def _scale_bar(draw: ImageDraw, left: float, bottom: float, nm_per_pixel: float) -> None:
    """A bar of a round length, about a quarter of a panel, with its length above it."""
    target = PANEL / 4 * nm_per_pixel
    length = max(n * 10**e for n in (1, 2, 5) for e in range(6) if n * 10**e <= target)
    pixels = length / nm_per_pixel
    text = f"{length} nm" if length < 1000 else f"{length / 1000:g} µm"
    box = draw.textbbox((left, bottom - 12), text, _font(20), anchor="ls")
    draw.rounded_rectangle((left - 8, box[1] - 8, max(left + pixels, box[2]) + 8, bottom + 8), 5, fill=(0, 0, 0))
    draw.rectangle((left, bottom - 4, left + pixels, bottom), fill=(255, 255, 255))
    draw.text((left, bottom - 12), text, (255, 255, 255), _font(20), anchor="ls")


def _colour_bar(page: Picture, right: int, bottom: int, most: float) -> None:
    """What the colours of the spread mean, in grey levels."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    draw = ImageDraw.Draw(page)
    width, height = PANEL // 3, 10
    texts = ("0", f"{most:.0f} grey levels")
    box = draw.textbbox((right, bottom - height - 8), texts[1], _font(20), anchor="rs")
    draw.rounded_rectangle((right - width - 8, box[1] - 8, right + 8, bottom + 8), 5, fill=(0, 0, 0))
    ramp = np.broadcast_to(np.linspace(0, 1, width), (height, width))
    page.paste(Pillow.fromarray(_coloured(ramp, 1.0)), (right - width, bottom - height))
    for text, x, anchor in ((texts[0], right - width, "ls"), (texts[1], right, "rs")):
        draw.text((x, bottom - height - 8), text, (255, 255, 255), _font(20), anchor=anchor)


def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont as fonts

    return fonts.load_default(size)
