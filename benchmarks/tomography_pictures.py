"""One slice reconstructed in different ways, and the image of a point: kept as arrays, drawn with the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np

#: Noise of the slice that is shown: electrons on a pixel of empty beam.
DOSE, SIDE = 1e5, 512
ANGLES = np.linspace(-60, 60, 61)
#: Half side of the image of a point, px, and pixels of a point's side.
REACH = 24


def keep(path: str) -> None:
    """Compute the pictures and keep them."""
    import torch

    from benchmarks import tomography_reference as reference
    from mendem.tomography.phantom import Ellipse, EllipsePhantom, counted, ellipse_phantom
    from mendem.tomography.projector import Projector
    from mendem.tomography.psf import point_spread
    from mendem.tomography.sirt import Sirt
    from mendem.tomography.tv import Tv
    from mendem.tomography.wbp import Wbp

    geometry = reference.geometry(ANGLES, SIDE)
    phantom, projector = ellipse_phantom(SIDE, SIDE), Projector(geometry)
    sinogram = counted(phantom.project(geometry), DOSE, 0)

    def ours(method, data=sinogram):
        *_, last = method.iterates(projector, torch.from_numpy(data))
        return last.numpy()

    pictures = {
        "truth": phantom.image(geometry),
        "WBP, hann\n(scikit-image)": reference.wbp(sinogram, ANGLES, "hann", 122.0),
        "WBP, hann\n(mendem)": ours(Wbp("hann")),
        "SIRT, 20 iterations\n(scikit-image)": reference.sirt(sinogram, ANGLES, 20, False),
        "SIRT, 20 iterations\n(mendem)": ours(Sirt(20)),
        "TV, positive\n(mendem)": ours(Tv()),
    }
    dot = EllipsePhantom((Ellipse(1.0, 0.0, 0.0, 0.5, 0.5),)).project(geometry)
    middle = slice(SIDE // 2 - REACH, SIDE // 2 + REACH + 1)
    point = ours(Wbp("ramp", cutoff=0.2), dot)[middle, middle]
    axis = np.arange(-REACH, REACH + 1.0)
    theory = point_spread(ANGLES, axis[:, None], axis[None], 0.1)
    arrays = {f"slice|{name}": np.asarray(v, np.float32) for name, v in pictures.items()}
    np.savez(path, **arrays, point=point / point.max(), theory=theory.astype(np.float32))


def draw(kept: Path, target: Path) -> bool:
    """Slices above; below the image of a point, its theory and profiles of both. False where nothing was kept."""
    path = kept / "tomography.npz"
    if not path.is_file():
        return False
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    with np.load(path) as found:
        slices = {key.split("|")[1]: found[key] for key in found.files if key.startswith("slice|")}
        point, theory = found["point"], found["theory"]
    figure = plt.figure(figsize=(15, 6.2), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1))
    truth = slices["truth"]
    low, high = 0.0, float(truth.max())
    for axis, (name, image) in zip(above.subplots(1, len(slices)), slices.items(), strict=True):
        axis.imshow(image, cmap="gray", vmin=low, vmax=high)
        axis.set_title(name, fontsize=9)
        axis.set(xticks=[], yticks=[])
    first, second, third, fourth = below.subplots(1, 4)
    extent = (-REACH - 0.5, REACH + 0.5, REACH + 0.5, -REACH - 0.5)
    for axis, image, name in ((first, point, "image of a point, reconstructed"), (second, theory, "in theory")):
        axis.imshow(image, cmap="RdBu_r", vmin=-0.5, vmax=0.5, extent=extent)
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("x (px)", fontsize=8)
        axis.set_ylabel("z (px)", fontsize=8)
    places = np.arange(-REACH, REACH + 1)
    for axis, name, pick in ((third, "along z", np.s_[:, REACH]), (fourth, "along x", np.s_[REACH])):
        axis.plot(places, theory[pick], color="0.6", linewidth=3, label="theory")
        axis.plot(places, point[pick], color="tab:blue", linewidth=1, label="reconstructed")
        axis.axhline(0.5, color="0.8", linewidth=0.5)
        axis.set_title(f"profile {name}", fontsize=9)
        axis.set_xlabel("px", fontsize=8)
        axis.legend(fontsize=8, frameon=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)
    plt.close(figure)
    return True
