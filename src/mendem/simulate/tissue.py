"""Synthetic neuropil with known truth: a micrograph of a section, or an isotropic volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.simulate import membranes, organelles, particles
from mendem.simulate.canvas import Canvas
from mendem.simulate.neurites import Neurite, smooth_noise
from mendem.simulate.style import TissueStyle
from mendem.simulate.territories import Territories, territories

MAX_EDGE = 4096
PIXEL_RANGE_NM = (2.0, 20.0)


def tissue_image(
    shape: tuple[int, int] = (768, 768), pixel_nm: float = 8.0, seed: int = 0, style: TissueStyle | None = None
) -> Image:
    """Noise-free micrograph of a section through neuropil.

    Parameters
    ----------
    shape
        Height and width in pixels, each 16…4096. Time and memory grow with the number of pixels: 4 to 7 µs and
        150 bytes for each at 8 nm.
    pixel_nm
        Edge of a pixel in nm, 2…20.
    seed
        Same seed, shape and pixel size: same picture.
    style
        Look of the specimen; drawn from the seed when left out.

    Returns
    -------
    Image
        float32 (y, x), brightness from 0 (black) to 1 (bare resin); membranes dark, as osmium-stained blocks
        appear in backscattered electrons shown in inverted contrast. ``metadata["simulate"]`` holds seed and style.

    Raises
    ------
    MendemError
        Shape or pixel size out of range.
    """
    if len(shape) != 2:
        raise MendemError(f"a micrograph needs a height and a width, not {shape}")
    style, canvas = _render((1, *shape), pixel_nm, seed, style, section=True)
    return _image(canvas.value[0], pixel_nm, seed, style)


def tissue_volume(
    shape: tuple[int, int, int] = (64, 256, 256), voxel_nm: float = 8.0, seed: int = 0, style: TissueStyle | None = None
) -> Image:
    """Noise-free isotropic volume of neuropil; parameters and values as for `tissue_image`, axes zyx.

    Structure, blur and statistics are the same along all three axes, so that sections in any direction look alike.
    """
    if len(shape) != 3:
        raise MendemError(f"a volume needs three lengths, not {shape}")
    style, canvas = _render(tuple(shape), voxel_nm, seed, style, section=False)
    return _image(canvas.value, voxel_nm, seed, style)


def tissue_patches(
    count: int, edge: int = 256, pixel_nm: tuple[float, float] = (3.0, 12.0), seed: int = 0
) -> Iterator[Image]:
    """Many different noise-free patches for training, each of its own specimen, style and pixel size.

    Patch ``i`` depends on ``seed`` and ``i`` only: workers may share the work by their own seeds. Pixel sizes are
    drawn log-uniformly from the range ``pixel_nm``. Yields float32 (edge, edge) images as `tissue_image` does.
    """
    low, high = pixel_nm
    for i in range(count):
        rng = np.random.default_rng([seed, i, 0x9A7C])
        size_nm = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        yield tissue_image((edge, edge), size_nm, int(rng.integers(2**31)))


def _image(data: np.ndarray, voxel_nm: float, seed: int, style: TissueStyle) -> Image:
    return Image(
        np.ascontiguousarray(np.clip(data, 0.0, 1.0)),
        voxel_size=VoxelSize((float(voxel_nm),) * data.ndim),
        metadata={"simulate": {"seed": seed, "style": asdict(style)}},
        source=f"simulated tissue, seed {seed}",
    )


def _render(shape, voxel_nm, seed, style, section) -> tuple[TissueStyle, Canvas]:
    low, high = PIXEL_RANGE_NM
    if not low <= voxel_nm <= high:
        raise MendemError(f"tissue is simulated at {low:g} to {high:g} nm per pixel, not {voxel_nm:g}")
    if not all(16 <= n <= MAX_EDGE for n in shape[1 if section else 0 :]):
        raise MendemError(f"each edge of a simulated picture has 16 to {MAX_EDGE} pixels, not {shape}")
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0x7155]))
    style = style or TissueStyle.draw(rng)
    blur = voxel_nm * float(np.hypot(style.psf_px, 1 / np.sqrt(12)))
    canvas = Canvas(shape, voxel_nm, style.thickness_nm if section else 0.0, blur)
    cells = territories(rng, shape, voxel_nm, style.scale, style.coherence)
    cells.distance_nm[:] += 1.6 * smooth_noise(rng, shape, 28.0 / voxel_nm)
    _fill(canvas, cells, style, rng)
    return style, canvas


def _fill(canvas: Canvas, cells: Territories, style: TissueStyle, rng: np.random.Generator) -> None:
    """Cytoplasm and granules first, then what covers them, membranes last."""
    texture = _texture(rng, canvas, style.grain)
    n_neurites = len(cells.neurites)
    width = np.array([np.median(n.radii) if len(n.radii) else 0.0 for n in cells.neurites] + [0.0]) / style.scale
    width = width[:-1]
    nothing = np.zeros(cells.n_cells + 1)
    glia = nothing.copy()
    glia[n_neurites + 1 :] = 1.0
    wide = np.flatnonzero(width > 230) + 1
    myelinated = wide[rng.uniform(size=wide.size) < style.myelinated]
    rest = np.setdiff1d(wide, myelinated)
    boutons = rest[rng.uniform(size=rest.size) < 0.42]
    dendrites = np.setdiff1d(rest, boutons)
    axons = np.flatnonzero(width <= 230) + 1

    level = style.cytoplasm + rng.normal(0, style.cytoplasm_spread, cells.n_cells + 1)
    level[dendrites] += 0.02
    level[glia > 0] += rng.choice([0.04, -0.06], p=[0.7, 0.3])
    level[myelinated] += 0.04
    canvas.value[:] = np.clip(level, 0.4, 0.93).astype(np.float32)[cells.owner] + texture

    sheaths = {}
    for label in myelinated:
        sheath = float(np.clip(rng.uniform(0.22, 0.38) * width[label - 1] * style.scale, 50, 170))
        sheaths[int(label)] = membranes.myelin(canvas, cells, style, rng, int(label), sheath)
    for label in range(1, n_neurites + 1):
        neurite = cells.neurites[label - 1]
        if len(neurite.points) > 2 and np.any(canvas.inside(neurite.points)[0].size):
            _organelles_of(canvas, cells, style, rng, neurite, texture, sheaths.get(label, 0.0), label in boutons)

    filamentous = [int(i) for i in np.concatenate([dendrites, myelinated, axons[rng.uniform(size=axons.size) < 0.7]])]
    particles.microtubules(canvas, cells, style, rng, sorted(filamentous))
    grains = nothing.copy()
    grains[1:] = 0.12
    grains[dendrites] = rng.gamma(1.2, 0.5, dendrites.size)
    particles.ribosomes(canvas, style, rng, particles.scatter(rng, canvas, cells, grains, 900.0, 20.0))
    particles.glycogen(canvas, style, rng, particles.scatter(rng, canvas, cells, glia * rng.uniform(0, 1), 500.0, 20.0))
    _synapses(canvas, cells, style, rng, texture, boutons, axons)


def _texture(rng: np.random.Generator, canvas: Canvas, grain: float) -> np.ndarray:
    """Flocculent cytoplasm: proteins and filaments at 8 to 40 nm, no finer than the blur."""
    fine = max(4.5, canvas.blur_nm, 0.85 * canvas.voxel_nm) / canvas.voxel_nm
    parts = ((0.70, fine), (0.62, fine + 7.0 / canvas.voxel_nm), (0.35, fine + 30.0 / canvas.voxel_nm))
    # Averaging within a coarse pixel leaves less of the fine structure.
    strength = grain * min(1.0, 4.5 / canvas.voxel_nm) ** 0.5
    total = np.zeros(canvas.shape, np.float32)
    for weight, scale in parts:
        total += np.float32(weight) * smooth_noise(rng, canvas.shape, scale)
    return np.float32(strength) * total


def _organelles_of(canvas, cells, style, rng, neurite: Neurite, texture, sheath_nm, bouton) -> None:
    """Mitochondria, reticulum and endosomes along one process."""
    flat = canvas.shape[0] == 1
    points, radii = neurite.points, np.maximum(neurite.radii - 1.1 * sheath_nm, 30.0)
    step = float(np.linalg.norm(points[1] - points[0]))
    reach = 450.0
    near = np.all((points > -reach) & (points < canvas.extent_nm + reach), axis=1)
    near &= np.abs(points[:, 0]) < 350 if flat else True
    places = np.flatnonzero(near)
    if not places.size:
        return
    length_um = places.size * step * 1e-3
    widest = float(np.max(radii[places]))
    if widest > 105:
        many = 0.7 * length_um * np.clip((widest / 180.0) ** 1.3, 0.5, 4.0)
        for _ in range(rng.poisson(many)):
            at = int(rng.choice(places))
            if radii[at] < 95:
                continue
            radius = float(np.clip(rng.uniform(0.4, 0.68) * radii[at], 70, rng.uniform(130, 260)))
            span = max(int(rng.uniform(300, 1500) / step), 2)
            line_ = _thin_line(points[max(at - span // 2, 0) : at + span // 2 + 1], 8)
            off = _sideways(rng, line_, max(radii[at] - radius - 45.0, 0.0))
            if not _taken(canvas, line_ + off):
                organelles.mitochondrion(canvas, cells, style, rng, neurite.label, line_ + off, radius, texture)
    if flat:
        places = places[np.abs(points[places, 0]) < 160]
    length_um = places.size * step * 1e-3
    tubules = rng.poisson(length_um * np.clip(widest / 110.0, 0.3, 5.0) * (0.4 if bouton else 0.9))
    for _ in range(tubules):
        at = int(rng.choice(places))
        span = max(int(rng.uniform(120, 700) / step), 1)
        line_ = _thin_line(points[max(at - span, 0) : at + span + 1], 6)
        line_ = line_ + _sideways(rng, line_, 0.8 * radii[at])
        line_ = line_ + np.cumsum(rng.normal(0, 22, line_.shape), 0)
        organelles.reticulum(canvas, cells, style, rng, neurite.label, line_)
    for _ in range(rng.poisson(0.10 * length_um * np.clip(widest / 200.0, 0.0, 3.0))):
        at = int(rng.choice(places))
        radius = float(min(rng.uniform(75, 190), 0.7 * radii[at]))
        centre = points[at] + _sideways(rng, points[[at, at - 1]], max(radii[at] - radius - 25, 0.0))
        kind = str(rng.choice(["multivesicular", "lysosome", "vacuole"], p=[0.55, 0.3, 0.15]))
        if radius > 50:
            organelles.endosome(canvas, cells, style, rng, neurite.label, centre, radius, kind, texture)


def _thin_line(points: np.ndarray, most: int) -> np.ndarray:
    """At most ``most`` points of a polyline, both ends kept."""
    if len(points) < 2:
        points = np.vstack([points[0], points[0] + [1.0, 0.0, 0.0]])
    return points[np.unique(np.linspace(0, len(points) - 1, min(most, len(points))).astype(int))].astype(float)


def _sideways(rng: np.random.Generator, points: np.ndarray, most: float) -> np.ndarray:
    """A random offset of length up to ``most``, perpendicular to the mean course."""
    course = points[-1] - points[0]
    course = course / max(float(np.linalg.norm(course)), 1e-6)
    way = rng.standard_normal(3)
    way -= course * (way @ course)
    return way / max(float(np.linalg.norm(way)), 1e-6) * most * np.sqrt(rng.uniform())


def _taken(canvas: Canvas, points: np.ndarray) -> bool:
    _, voxel = canvas.inside(points)
    return bool(canvas.occupied[voxel].any())


def _synapses(canvas, cells, style, rng, texture, boutons, axons) -> None:
    """Vesicle-filled boutons with active zones; small axons may hold a few vesicles."""
    weight = np.zeros(cells.n_cells + 1)
    weight[boutons] = rng.uniform(0.25, 1.0, boutons.size)
    few = axons[rng.uniform(size=axons.size) < 0.25]
    weight[few] = rng.uniform(0.05, 0.5, few.size)
    # Close packing of 46 nm spheres is about 7500 per µm³; boutons hold clouds of vesicles rather than a lattice.
    cloud = 1.0 + 0.6 * smooth_noise(rng, canvas.shape, 150.0 / canvas.voxel_nm)
    points = particles.scatter(rng, canvas, cells, weight, 24000.0 * style.vesicles, 24 + canvas.thickness_nm / 2, 32.0)
    _, voxel = canvas.inside(points)
    points = points[rng.uniform(0, 2, len(points)) < cloud[voxel]]
    points = points[particles.thin_out(points, 47.0)]
    particles.vesicles(canvas, style, rng, points)
    membranes.plasma_membranes(canvas, cells, style, texture)
    releasing = np.isin(cells.owner, np.concatenate([boutons, few[: few.size // 2]]))
    edge = np.flatnonzero(releasing & (cells.distance_nm < 10))
    area_um2 = edge.size * canvas.voxel_nm * 1e-3 * (20e-3 if canvas.shape[0] == 1 else canvas.voxel_nm * 1e-3)
    count = rng.poisson(area_um2 * (28.0 if canvas.shape[0] == 1 else 1.2))
    if edge.size and count:
        sites = np.stack(np.unravel_index(rng.choice(edge, min(count, edge.size), replace=False), canvas.shape), -1)
        for site in sites[thinned] if (thinned := particles.thin_out(sites * canvas.voxel_nm, 500.0)).size else []:
            owner = int(cells.owner[tuple(site)])
            membranes.synapse(canvas, cells, style, rng, site * canvas.voxel_nm, owner, texture)
