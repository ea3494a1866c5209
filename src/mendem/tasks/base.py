"""The declaration of a task, and what it plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

from mendem.image import Image
from mendem.normalise import Normalisation
from mendem.options import check_parameters
from mendem.physics.noise import NoiseModel
from mendem.physics.section_grid import SectionGrid
from mendem.physics.stack_report import StackReport

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.physics.observation import Observation


@dataclass(frozen=True)
class InputSlot:
    """Data that a task takes beside its image: a layer, a file or an array.

    A slot that has the name of a parameter is that parameter's third way: ``--noise FILE`` beside
    ``--noise auto`` and ``--noise 4.5``. With ``marks`` it says which pixels, and takes painted labels and shapes too.
    """

    name: str
    help: str
    marks: bool = False


@dataclass(frozen=True)
class Patch:
    """A part of one slice, as the engine gives it to a task.

    Attributes
    ----------
    pixels, reliability
        (1, 1, H, W) in normalised units, finite; 0 and 1 for what was not measured and what was.
    noise
        Noise of ``pixels``.
    pixel_nm
        Pixel size of the image that is wanted, None where it is unknown.
    scale
        Pixels of the image that is wanted for each of ``pixels``, along y and x.
    binning
        Pixels of the input for each of ``pixels``, along y and x.
    """

    pixels: Tensor
    reliability: Tensor
    noise: NoiseModel
    pixel_nm: float | None = None
    scale: int = 1
    binning: int = 1


#: Called often by what takes long; it may raise `mendem.errors.Cancelled`.
Check = Callable[[], None]


def free() -> None:
    """The check of what nobody cancels."""


#: From a part of a slice to what was observed there.
Observe = Callable[[Patch], "Observation"]


@dataclass(frozen=True)
class Plan:
    """What a task decides once for a whole image, before the first block.

    Attributes
    ----------
    noise
        In the image's own units.
    normalisation
        Shared by all blocks and slices.
    observe
        What was observed of each part.
    notes
        What the user must know, in sentences.
    noise_from_one_image
        Whether the noise is an estimate from the image alone, which the prior can better.
    image
        What is restored in place of the image that was given: the mean of its frames, or the image with what is to be
        filled in as NaN.
    margin
        How far the operator reaches, in pixels of the image: so much is continued around each part, as not measured.
    keep
        Whether what was measured comes back bit for bit, and the rest alone is restored.
    pointwise
        Whether each datum is one pixel of the wanted image: the image may be binned, and chi² counts its spread.
    weight
        How much each pixel of the image counts, 0 to 1: one of half the weight has twice the variance that ``noise``
        says. None where all count alike.
    found
        What else was measured of the image, plain JSON values for the provenance.
    grid
        How the slices lie in the volume of finer planes that is wanted; None where slices are restored one by one.
    stack
        What was found wrong with the sections of a volume; None where nothing was looked for.
    """

    noise: NoiseModel
    normalisation: Normalisation
    observe: Observe
    notes: tuple[str, ...] = ()
    noise_from_one_image: bool = False
    image: Image | None = None
    margin: int = 0
    keep: bool = False
    pointwise: bool = True
    weight: Image | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    grid: SectionGrid | None = None
    stack: StackReport | None = None


@dataclass(frozen=True)
class Task:
    """Base of all tasks: a frozen dataclass whose fields are the user's parameters.

    Class attributes: ``name`` (command, provenance), ``title`` (widget, layer name), ``summary`` (one
    sentence), ``inputs`` (slots), ``prior`` (the shipped one that serves it).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    inputs: ClassVar[tuple[InputSlot, ...]] = ()
    prior: ClassVar[str] = "em-small"

    @property
    def keeps_measured(self) -> bool:
        """Whether measured pixels come back bit for bit, in their own type."""
        return False

    @property
    def scale(self) -> int:
        """Pixels of the result for each pixel of the image, along y and x."""
        return 1

    @property
    def merges(self) -> bool:
        """Whether all slices of the image become one."""
        return False

    def grid(self, image: Image) -> SectionGrid | None:
        """How the slices of an image lie in the volume of finer planes that is wanted; None without such a volume."""
        return None

    def for_merged(self) -> Task:
        """What restores slices that became one already."""
        return self

    def __post_init__(self) -> None:
        check_parameters(self)

    def plan(self, image: Image, inputs: Mapping[str, Image], check: Check = free, earlier: Plan | None = None) -> Plan:
        """Look at the whole image, once. ``inputs`` are the filled slots by name.

        ``earlier`` is the plan of another task of this kind for the same pixels, from which may be taken what would be
        found again.
        """
        raise NotImplementedError

    def parameters(self) -> dict[str, Any]:
        """The user's parameters by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}
