"""Organelles bounded by membranes: mitochondria, endoplasmic reticulum, endosomes and lysosomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mendem.simulate.canvas import Box, Canvas, fill, line
from mendem.simulate.style import TissueStyle
from mendem.simulate.territories import Territories


@dataclass(frozen=True)
class TubeField:
    """A tube around a polyline, evaluated on a box: all arrays broadcast to the box, lengths in nm."""

    distance: np.ndarray  # to the centre line
    along: np.ndarray  # arc length of the nearest point
    across: np.ndarray  # signed offset along a fixed direction perpendicular to the mean course
    aside: np.ndarray  # signed offset along the third direction
    slope_z: np.ndarray  # d(distance)/dz


def tube_field(coordinates, points: np.ndarray, flatten: float = 1.0, turn: float = 0.0) -> TubeField:
    """Distance to a polyline; ``flatten`` > 1 squeezes the tube across, ``turn`` (radians) rotates its frame."""
    course = points[-1] - points[0]
    course = course / max(np.linalg.norm(course), 1e-6)
    helper = np.eye(3)[np.argmin(np.abs(course))]
    first = np.cross(course, helper)
    first /= np.linalg.norm(first)
    second = np.cross(course, first)
    e1 = np.cos(turn) * first + np.sin(turn) * second
    e2 = np.cross(course, e1)
    best = None
    arc = 0.0
    for a, b in zip(points[:-1], points[1:], strict=True):
        step = b - a
        length = float(np.linalg.norm(step))
        rz, ry, rx = (c - np.float32(p) for c, p in zip(coordinates, a, strict=True))
        t = np.clip((rz * step[0] + ry * step[1] + rx * step[2]) / length**2, 0.0, 1.0).astype(np.float32)
        dz, dy, dx = rz - t * step[0], ry - t * step[1], rx - t * step[2]
        across = dz * e1[0] + dy * e1[1] + dx * e1[2]
        aside = dz * e2[0] + dy * e2[1] + dx * e2[2]
        square = dz * dz + dy * dy + dx * dx + np.float32(flatten**2 - 1.0) * across * across
        new = (square, arc + t * length, across, aside, dz)
        if best is None:
            best = new
        else:
            nearer = square < best[0]
            best = tuple(np.where(nearer, n, o) for n, o in zip(new, best, strict=True))
        arc += length
    assert best is not None, "a tube has at least one segment"
    distance = np.sqrt(best[0]) + np.float32(1e-3)
    return TubeField(distance, best[1], best[2], best[3], best[4] / distance)


def own_depth(cells: Territories, box: Box, label: int) -> np.ndarray:
    """Signed depth (nm) inside one cell, negative outside it."""
    return np.where(cells.owner[box] == label, cells.distance_nm[box], -np.abs(cells.distance_nm[box]))


def _around(
    canvas: Canvas, cells: Territories, label: int, points: np.ndarray, reach: float, needs_nm: float
) -> Box | None:
    """The box around a polyline, cropped to what is at least ``needs_nm`` inside the cell; None where nothing is."""
    box = canvas.box(points.min(0) - reach, points.max(0) + reach)
    if box is None:
        return None
    room = (cells.owner[box] == label) & (cells.distance_nm[box] > needs_nm)
    spans = []
    for axis, part in enumerate(box):
        used = np.flatnonzero(room.any(tuple(a for a in range(3) if a != axis)))
        if not used.size:
            return None
        spans.append(slice(part.start + int(used[0]), part.start + int(used[-1]) + 1))
    z, y, x = spans
    return z, y, x


def mitochondrion(
    canvas: Canvas, cells: Territories, style: TissueStyle, rng: np.random.Generator, label: int,
    points: np.ndarray, radius: float, texture: np.ndarray,
) -> bool:  # fmt: skip
    """Double membrane, dense granular matrix, lamellar cristae; squeezed where the cell is narrow.

    ``points`` (n, 3) zyx nm is the centre line. Returns whether any of it lies in the picture.
    """
    # The membrane zone reaches to 18 nm from the border at the least, and is blurred beyond.
    box = _around(canvas, cells, label, points, 1.3 * radius, 10.0)
    if box is None:
        return False
    grid = canvas.coordinates(box)
    tube = tube_field(grid, points, turn=rng.uniform(0, np.pi))
    wave = rng.uniform(0, 2 * np.pi, 4)
    rim = radius * (1.0 + 0.07 * np.sin(tube.along / 210 + wave[0]) + 0.05 * np.sin(tube.across / 90 + wave[1]))
    room = own_depth(cells, box, label) - np.float32(rng.uniform(26, 40))
    depth = rim - tube.distance
    # Smooth minimum, so that a mitochondrion pressed against the cell border is flattened, not cut.
    gap = np.clip(0.5 + 0.5 * (room - depth) / 40.0, 0.0, 1.0)
    depth = (room * (1 - gap) + depth * gap - 40.0 * gap * (1 - gap)).astype(np.float32)
    # Mostly out of the picture, or in the way of what is there already.
    if depth.max() < 45 or np.any(canvas.occupied[box] & (depth > 0)):
        return False
    blur = canvas.smear(tube.slope_z)
    level = np.clip(style.matrix + rng.normal(0, 0.035), 0.2, 0.75)
    matrix = level + 0.6 * texture[box]
    _cristae(canvas, style, rng, tube, depth, matrix, level, radius, wave)
    canvas.blend(box, fill(depth, 0.0, blur), style.cytoplasm * 0.93)
    canvas.blend(box, fill(depth, 15.0, blur), matrix)
    dark = min(style.membrane + 0.06, level - 0.08)
    canvas.blend(box, 0.9 * line(depth, 0.0, 7.0, blur), dark)
    canvas.blend(box, 0.9 * line(depth, 13.0, 20.0, blur), dark)
    canvas.occupied[box] |= depth > -8.0
    return True


def _cristae(canvas, style, rng, tube, depth, matrix, level, radius, wave) -> None:
    """Draw lamellae into ``matrix``: a lighter lumen between two dark membranes, each crista of its own extent."""
    spacing = rng.uniform(48, 70)
    tilt = rng.choice([rng.uniform(-0.5, 0.5), rng.uniform(0.9, 1.5)], p=[0.6, 0.4])
    sway = 24 * np.sin(tube.across / (0.5 * radius) + wave[2])
    sway = sway + 11 * np.sin(tube.across / 31 + tube.along / 90 + wave[3])
    sway = sway + 15 * np.sin(tube.aside / 55 + tube.along / 130 + wave[1])
    phase = (np.cos(tilt) * tube.along + np.sin(tilt) * tube.across + sway) / spacing
    phase = (phase + 0.25 * np.sin(phase * 1.7 + wave[0])).astype(np.float32)
    number = np.rint(phase)
    gap = np.abs(phase - number) * spacing
    # Each crista grows from one side and ends somewhere inside: cut by a half plane of its own.
    table = rng.uniform(-1.0, 1.0, (3, 64)).astype(np.float32)
    which = number.astype(int) % 64
    side = np.cos(3.1 * table[0][which]) * tube.across + np.sin(3.1 * table[0][which]) * tube.aside
    extent = np.clip((side + (0.15 + 0.75 * table[1][which]) * radius) / 12.0 + 0.5, 0.0, 1.0)
    extent = extent * np.clip((table[2][which] + 0.85) * 6, 0, 1) * fill(depth, 17.0, canvas.blur_nm)
    # A section thicker than the lamellae blurs those that it cuts obliquely.
    blur = float(np.hypot(canvas.blur_nm, 0.16 * canvas.thickness_nm))
    lumen = line(gap, -6.0, 6.0, blur) * extent
    walls = line(gap, 6.0, 13.0, blur) * extent
    matrix += style.cristae * (lumen * 0.6 * (style.cytoplasm - level) - walls * 0.75 * (level - style.membrane))


def reticulum(
    canvas: Canvas, cells: Territories, style: TissueStyle, rng: np.random.Generator, label: int, points: np.ndarray
) -> None:
    """A tubule or flattened cisterna of smooth endoplasmic reticulum."""
    radius = rng.uniform(17, 32)
    flatten = rng.choice([1.0, rng.uniform(1.5, 2.6)])
    box = _around(canvas, cells, label, points, 2.2 * radius, 8.0)
    if box is None:
        return
    tube = tube_field(canvas.coordinates(box), points, flatten, rng.uniform(0, np.pi))
    swell = 1.0 + 0.3 * np.sin(tube.along / 70 + rng.uniform(0, 6))
    depth = np.minimum(radius * swell * np.sqrt(flatten) - tube.distance, own_depth(cells, box, label) - 18.0)
    if np.any(canvas.occupied[box] & (depth > -6)):
        return
    blur = canvas.smear(tube.slope_z)
    lumen = style.cytoplasm + rng.choice([-0.22, 0.02], p=[0.6, 0.4])
    canvas.blend(box, fill(depth, 0.0, blur), lumen)
    canvas.blend(box, 0.85 * line(depth, 0.0, 7.0, blur), style.membrane + 0.04)
    canvas.occupied[box] |= depth > 0.0


def endosome(
    canvas: Canvas, cells: Territories, style: TissueStyle, rng: np.random.Generator, label: int,
    centre: np.ndarray, radius: float, kind: str, texture: np.ndarray,
) -> None:  # fmt: skip
    """A round body: ``kind`` is "multivesicular", "lysosome" or "vacuole"."""
    box = canvas.box(centre - 1.3 * radius, centre + 1.3 * radius)
    if box is None:
        return
    z, y, x = (c - np.float32(p) for c, p in zip(canvas.coordinates(box), centre, strict=True))
    way = rng.standard_normal(3)
    way /= np.linalg.norm(way)
    along = (z * way[0] + y * way[1] + x * way[2]).astype(np.float32)
    far = np.sqrt(z * z + y * y + x * x + 0.5 * along * along) + np.float32(1e-3)
    rim = radius * (1 + 0.08 * np.sin(along / 40 + rng.uniform(0, 6)))
    depth = np.minimum(rim - far, own_depth(cells, box, label) - 20.0).astype(np.float32)
    if np.any(canvas.occupied[box] & (depth > -6)):
        return
    blur = canvas.smear(z / far)
    levels = {"multivesicular": style.cytoplasm + 0.02, "lysosome": style.membrane + 0.10}
    level = levels.get(kind, min(style.cytoplasm + 0.12, 0.95))
    inner = level + (1.6 if kind == "lysosome" else 0.4) * texture[box]
    if kind == "multivesicular":
        for _ in range(rng.poisson(22 * (radius / 150) ** 2)):
            way = rng.standard_normal(3)
            spot = way / np.linalg.norm(way) * radius * 0.8 * rng.uniform() ** 0.4
            bubble = rng.uniform(14, 24) - np.sqrt((z - spot[0]) ** 2 + (y - spot[1]) ** 2 + (x - spot[2]) ** 2)
            inner += 0.8 * line(bubble, 0.0, 6.5, canvas.smear(0.4)) * (style.membrane - inner)
    canvas.blend(box, fill(depth, 0.0, blur), inner)
    canvas.blend(box, 0.9 * line(depth, 0.0, 7.5, blur), style.membrane)
    canvas.occupied[box] |= depth > -5.0
