"""How a specimen and its staining look: the quantities that differ from block to block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TissueStyle:
    """Look of a tissue sample. Brightness runs from 0 (black) to 1 (white, bare resin).

    Parameters
    ----------
    scale
        Calibre of the processes relative to rodent cortex.
    coherence
        How strongly processes run in parallel: 0 neuropil, 3 a bundle.
    cytoplasm, cytoplasm_spread
        Mean brightness of cytoplasm, and its standard deviation from cell to cell.
    grain
        Standard deviation of the fine texture of cytoplasm.
    membrane, membrane_nm, cleft_nm
        Brightness and thickness of a plasma membrane, width of the extracellular cleft.
    matrix, cristae
        Brightness of the mitochondrial matrix; contrast of the cristae, 0…1.
    myelin
        Brightness of myelin.
    myelinated
        Fraction of the suitable processes that are myelinated.
    vesicles
        Density of vesicles in boutons relative to close packing.
    thickness_nm
        Depth that contributes to a section (section thickness, or escape depth of the electrons).
    psf_px
        Standard deviation of the point-spread function, pixels.
    """

    scale: float = 1.0
    coherence: float = 0.3
    cytoplasm: float = 0.76
    cytoplasm_spread: float = 0.055
    grain: float = 0.06
    membrane: float = 0.26
    membrane_nm: float = 7.5
    cleft_nm: float = 10.0
    matrix: float = 0.46
    cristae: float = 0.8
    myelin: float = 0.24
    myelinated: float = 0.25
    vesicles: float = 0.6
    thickness_nm: float = 25.0
    psf_px: float = 0.55

    @classmethod
    def draw(cls, rng: np.random.Generator) -> TissueStyle:
        """A random specimen, within what published preparations show."""
        u = rng.uniform
        return cls(
            scale=float(np.exp(u(np.log(0.75), np.log(1.35)))),
            coherence=float(rng.choice([u(0.0, 0.6), u(0.6, 2.5)], p=[0.8, 0.2])),
            cytoplasm=u(0.68, 0.84),
            cytoplasm_spread=u(0.03, 0.08),
            grain=u(0.04, 0.085),
            membrane=u(0.18, 0.36),
            membrane_nm=u(7.0, 8.5),
            cleft_nm=u(6.0, 14.0),
            matrix=u(0.30, 0.55),
            cristae=u(0.25, 1.0),
            myelin=u(0.16, 0.32),
            myelinated=float(rng.choice([0.0, u(0.05, 0.35)], p=[0.4, 0.6])),
            vesicles=u(0.3, 0.9),
            thickness_nm=u(8.0, 45.0),
            psf_px=u(0.45, 0.75),
        )
