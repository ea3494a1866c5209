"""The declaration of a task, and what it plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from mendem.image import Image
from mendem.normalise import Normalisation
from mendem.options import check_parameters
from mendem.physics.noise import NoiseModel

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.physics.observation import Observation


@dataclass(frozen=True)
class InputSlot:
    """Data that a task takes beside its image: a layer, a file or an array.

    A slot that has the name of a parameter is that parameter's third way: ``--noise FILE`` beside
    ``--noise auto`` and ``--noise 4.5``.
    """

    name: str
    help: str


#: Normalised pixels (1, 1, H, W), their reliability, their noise and their pixel size, to an observation.
Step = Callable[["Tensor", "Tensor", NoiseModel, float | None], "Observation"]


@dataclass(frozen=True)
class Plan:
    """What a task decides once for a whole image, before the first block.

    Attributes
    ----------
    noise
        In the image's own units.
    normalisation
        Shared by all blocks and slices.
    steps
        One for most tasks; each next one takes the result of the one before as its pixels.
    notes
        What the user must know, in sentences.
    noise_from_one_image
        Whether the noise is an estimate from the image alone, which the prior can better.
    """

    noise: NoiseModel
    normalisation: Normalisation
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    noise_from_one_image: bool = False


@dataclass(frozen=True)
class Task:
    """Base of all tasks: a frozen dataclass whose fields are the user's parameters.

    Class attributes: ``name`` (command, provenance), ``title`` (widget, layer name), ``summary`` (one
    sentence), ``inputs`` (slots), ``keeps_measured`` (whether measured pixels come back bit for bit).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    inputs: ClassVar[tuple[InputSlot, ...]] = ()
    keeps_measured: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_parameters(self)

    def plan(self, image: Image, inputs: Mapping[str, Image]) -> Plan:
        """Look at the whole image, once. ``inputs`` are the filled slots by name."""
        raise NotImplementedError

    def parameters(self) -> dict[str, Any]:
        """The user's parameters by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}
