"""What happens at the border of cells: plasma membranes, synapses, myelin."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from mendem.simulate.canvas import Canvas, fill, line
from mendem.simulate.neurites import smooth_noise
from mendem.simulate.style import TissueStyle
from mendem.simulate.territories import Territories


def plasma_membranes(canvas: Canvas, cells: Territories, style: TissueStyle, texture: np.ndarray) -> None:
    """A dark layer of ``membrane_nm`` on each side of the cleft, in every cell."""
    everywhere = (slice(None),) * 3
    depth = cells.distance_nm
    blur = canvas.blur_nm if cells.slope_z is None else canvas.smear(cells.slope_z)
    inner = style.cleft_nm / 2
    canvas.blend(everywhere, 1.0 - fill(depth, inner, blur), np.clip(style.cytoplasm - 0.07 + texture, 0, 1))
    # Membranes carry proteins and cytoskeleton: their stain is uneven along them.
    level = style.membrane + 0.03 + 0.9 * texture
    canvas.blend(everywhere, 0.95 * line(depth, inner, inner + style.membrane_nm, blur), level)
    canvas.blend(everywhere, 0.22 * line(depth, inner, inner + 24.0, np.hypot(blur, 7.0)), level)


def synapse(
    canvas: Canvas, cells: Territories, style: TissueStyle, rng: np.random.Generator,
    site_nm: np.ndarray, before: int, texture: np.ndarray,
) -> None:  # fmt: skip
    """Active zone of the cell ``before``: dense cleft, and a postsynaptic density on the far side."""
    radius = rng.uniform(90, 210)
    box = canvas.box(site_nm - 1.4 * radius, site_nm + 1.4 * radius)
    if box is None:
        return
    z, y, x = (c - np.float32(p) for c, p in zip(canvas.coordinates(box), site_nm, strict=True))
    disc = fill(radius - np.sqrt(z * z + y * y + x * x), 0.0, 22.0)
    owner, depth = cells.owner[box], cells.distance_nm[box]
    beyond = np.bincount(owner[(owner != before) & (depth < 20) & (disc > 0.7)], minlength=1)
    if not beyond.size or not beyond.any():
        return
    after = int(beyond.argmax())
    slope = 0.0 if cells.slope_z is None else cells.slope_z[box]
    blur = np.hypot(canvas.smear(slope), 4.0)
    level = style.membrane + 0.02 + 1.6 * texture[box]
    thick = rng.choice([rng.uniform(24, 38), rng.uniform(8, 14)], p=[0.75, 0.25])
    inner = style.cleft_nm / 2
    canvas.blend(box, 0.85 * disc * (owner == after) * line(depth, inner, inner + 7 + thick, blur), level)
    canvas.blend(box, 0.45 * disc * (owner == before) * line(depth, inner, inner + 16, blur), level)
    canvas.blend(box, 0.40 * disc * ((owner == after) | (owner == before)) * (depth < inner), level + 0.12)


def myelin(
    canvas: Canvas, cells: Territories, style: TissueStyle, rng: np.random.Generator, label: int, sheath_nm: float
) -> float:
    """A sheath of dark lamellae just inside the border of one cell, 12 nm apart, here and there split.

    What lies deeper is the axon with its own membrane, behind a narrow periaxonal space. Returns the thickness of
    the sheath (nm): less than asked for where the cell is slender, 0 where it has no room for one.
    """
    own = cells.owner == label
    found = ndimage.find_objects(own.view(np.uint8))
    if not found:
        return 0.0
    z, y, x = (slice(max(s.start - 2, 0), s.stop + 2) for s in found[0])
    box = (z, y, x)
    own = own[box]
    # Outside the picture the cell goes on: pad with its edge values before measuring depth.
    inside = np.pad(own, 1, mode="edge") if own.shape[0] > 1 else np.pad(own, ((0, 0), (1, 1), (1, 1)), mode="edge")
    steps = ndimage.distance_transform_edt(inside) - 0.5
    core = tuple(slice(1, -1) if n > 1 else slice(None) for n in inside.shape)
    sigma = max(1.5, 30.0 / canvas.voxel_nm)
    far = ndimage.gaussian_filter(steps, [sigma if n > 1 else 0 for n in steps.shape])[core] * canvas.voxel_nm
    near = cells.distance_nm[box]
    share = np.clip((near - 25.0) / 20.0, 0.0, 1.0)
    depth = np.where(own, near * (1 - share) + far * share, -1e3).astype(np.float32)
    # Sheath and fibre keep their proportion (g-ratio) where the process is slender.
    sheath_nm = min(sheath_nm, 0.4 * float(np.percentile(depth[own], 90)))
    if sheath_nm < 36:
        return 0.0
    blur = canvas.blur_nm if cells.slope_z is None else canvas.smear(0.5 * cells.slope_z[box])
    start = style.cleft_nm / 2
    cover = line(depth, start, start + sheath_nm, blur)
    wander = smooth_noise(rng, own.shape, 60.0 / canvas.voxel_nm)
    pitch = 12.0
    ripple = np.exp(-2 * (np.pi * canvas.blur_nm / pitch) ** 2) * np.cos(2 * np.pi * depth / pitch)
    level = style.myelin + 0.10 * ripple
    # Splits of the lamellae follow the sheath and open where the stain failed or the tissue was strained.
    leaf = np.abs(((depth + 10 * wander) / 34.0) % 1.0 - 0.5) * 34.0
    open_ = np.clip(2.0 * (wander - 0.9), 0.0, 1.0)
    level = level + 0.45 * open_ * line(leaf, -4.0, 4.0, canvas.blur_nm)
    canvas.blend(box, cover, level)
    canvas.blend(box, 0.8 * line(depth, start + sheath_nm, start + sheath_nm + 9, blur), style.cytoplasm)
    canvas.blend(box, 0.9 * line(depth, start + sheath_nm + 9, start + sheath_nm + 17, blur), style.membrane)
    canvas.occupied[box] |= own & (depth < start + sheath_nm + 20)
    return sheath_nm
