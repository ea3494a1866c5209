"""What the tabs of the Compare dock show: asked for when it is seen, computed in a thread, shown when it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer
from superqt.utils import qdebounced

from mendem.errors import MendemError
from napari_mendem.compare import numbers
from napari_mendem.compare.background import Background
from napari_mendem.compare.line import line_layer, line_of
from napari_mendem.compare.partners import NO_HALF, record_of, spread_of, why_no_halves
from napari_mendem.compare.plane import Plane, Region, overlap, plane_of, same_unit
from napari_mendem.viewport import visible
from napari_mendem.widgets.plot import Line

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from mendem.appraisal.resolution import RingCorrelation
    from napari_mendem.widgets.compare_layout import CompareLayout

#: A change must have rested this long, ms: the line's, and everything else's.
LINE_REST, REST = 15, 150

#: How often finished numbers are looked for, ms.
POLL = 15

#: The power axis ends this far below the lowest power of the image before, dB.
BELOW = 30

TABS = ("profile", "power", "frc", "measure")


class Numbers(QObject):
    """Fills the tab that is seen.

    Parameters
    ----------
    viewer, ui
        Whose layers, and where to.
    background
        Where it is computed; `poll` hands its answers over.
    """

    def __init__(self, viewer: ViewerModel, ui: CompareLayout, background: Background, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self._ui, self._background = viewer, ui, background
        self.paused = False
        #: Whether the FRC tab shows a half-data validation.
        self.validated = False
        self._timer = QTimer(self)
        self._timer.setInterval(POLL)
        self._timer.timeout.connect(self.poll)
        self.ask = qdebounced(self.ask_now, timeout=REST)
        self.ask_line = qdebounced(self._profile_now, timeout=LINE_REST)

    def poll(self) -> None:
        """Hand over what is finished."""
        if not self._background.poll():
            self._timer.stop()

    def wake(self) -> None:
        """Something has been asked for."""
        self._timer.start()

    def ask_now(self) -> None:
        """Compute what the seen tab shows."""
        if self.paused:
            return
        tab = TABS[self._ui.tabs.currentIndex()]
        for other in TABS:
            if other != tab:
                self._background.forget(other)
        {"profile": self._profile_now, "power": self._power, "frc": self._frc, "measure": self._measure}[tab]()

    def planes(self) -> tuple[Plane, Plane]:
        """The current slices of both images; `MendemError` where there are none to compare."""
        a, b = self._ui.before.layer, self._ui.after.layer
        if a is None or b is None:
            raise MendemError("Open an image, and restore it: two images are compared here")
        if a is b:
            raise MendemError("Choose two different images")
        planes = plane_of(self._viewer, a), plane_of(self._viewer, b)
        same_unit(*planes)
        return planes

    def region(self) -> Region | None:
        """The part of the image before that is meant; None is all."""
        layer = self._ui.before.layer
        if layer is None or self._ui.area.value() == "whole slice":
            return None
        view = visible(self._viewer, layer)
        if view is None:
            raise MendemError(f"nothing of {layer.name} is in view: move there, or take the whole slice")
        return view.region

    def spread(self) -> Plane | None:
        """The slice of the spread of the image after."""
        layer = spread_of(self._viewer, self._ui.after.layer)
        if layer is None:
            return None
        try:
            return plane_of(self._viewer, layer)
        except MendemError:
            return None

    def compute(self, kind: str, work: Any, answered: Any, failed: Any) -> None:
        """In the background; what the user can mend is said by ``failed`` in words."""
        self._background.ask(kind, work, answered, lambda error: failed(in_words(error)))
        self.wake()

    # Tabs.

    def _profile_now(self) -> None:
        if self.paused or TABS[self._ui.tabs.currentIndex()] != "profile":
            return
        plot = self._ui.profile
        try:
            a, b = self.planes()
            found = line_of(line_layer(self._viewer))
        except MendemError as error:
            self._background.forget("profile")
            plot.say(str(error))
            return
        if found is None:
            self._background.forget("profile")
            plot.say("Press Draw line, and draw across a structure")
            return
        line, unit = found
        if unit != a.unit:
            plot.say("The line's layer has other units than the images: draw it with Draw line")
            return
        spread, width = self.spread(), self._ui.width.value() * a.pixel

        def work() -> list[numbers.Curve]:
            return [numbers.line_profile(a, line, width), numbers.line_profile(b, line, width, spread)]

        def answered(curves: list[numbers.Curve]) -> None:
            plot.x_label = f"distance ({unit})"
            roles = ("before", "after")
            plot.show_lines([Line(c.name, c.x, c.y, r, c.band) for c, r in zip(curves, roles, strict=True)])

        self.compute("profile", work, answered, plot.say)

    def _power(self) -> None:
        plot = self._ui.power
        try:
            (a, b), region = self.planes(), self.region()
        except MendemError as error:
            plot.say(str(error))
            return

        def answered(curves: tuple[numbers.Curve, ...]) -> None:
            plot.x_label = f"frequency (1/{a.unit})"
            roles = ("before", "after")
            # Far below the image before there is nothing to compare.
            low = max(min(float(c.y.min()) for c in curves), float(curves[0].y.min()) - BELOW)
            high = max(float(c.y.max()) for c in curves)
            lines = [Line(c.name, c.x, c.y, r) for c, r in zip(curves, roles, strict=True)]
            plot.show_lines(lines, limits=(low - 3, high + 3))

        self._waiting(plot)
        self.compute("power", lambda: numbers.power(a, b, region), answered, plot.say)

    def _frc(self) -> None:
        plot, halves = self._ui.frc, self._ui.halves.value()
        before, after = self._ui.before.layer, self._ui.after.layer
        if self.validated:  # what was asked for stays until something else is chosen
            return
        self._ui.frc_note.setText("")
        if halves == "none":
            plot.say(NO_HALF)
            return
        try:
            (a, b), region = self.planes(), self.region()
            assert before is not None and after is not None
            if halves == "before and after" and (why := why_no_halves(before, after)):
                raise MendemError(why)
            if halves == "even and odd frames" and (len(a.index) != 1 or a.data.shape[0] < 2):
                raise MendemError(
                    f"{a.name} is not a stack of frames: there is no second half, so no resolution is claimed"
                )
        except MendemError as error:
            plot.say(str(error))
            return
        restored = bool(record_of(before) or (halves == "before and after" and record_of(after)))

        def work() -> RingCorrelation:
            if halves == "before and after":
                return numbers.correlation_of_layers(a, b, region)
            return numbers.correlation_of_frames(a, region)

        def answered(ring: RingCorrelation) -> None:
            self.show_ring(ring, a.unit)
            self._ui.frc_note.setText(about_ring(ring, a.unit, restored, halves))

        self._waiting(plot)
        self.compute("frc", work, answered, plot.say)

    def show_ring(self, ring: RingCorrelation, unit: str, restored: RingCorrelation | None = None) -> None:
        """FRC with its thresholds; ``restored`` is that of the restored halves beside it."""
        plot = self._ui.frc
        plot.x_label = f"frequency (1/{unit})"
        curves = [Line("FRC" if restored is None else "raw halves", *_curve(ring), "before")]
        if restored is not None:
            curves.append(Line("restored halves (consistency)", *_curve(restored), "after"))
        x = curves[0].x
        curves.append(Line("1/7", x, ring.threshold_curve("1/7"), "threshold", dashed=True))
        found = ring.resolution("1/7")
        marks = [] if found is None else [(1 / found, f"{found:.3g} {unit}")]
        plot.show_lines(curves, marks, limits=(-0.1, 1.05))

    def _measure(self) -> None:
        table, note = self._ui.table, self._ui.table_note

        def failed(text: str) -> None:
            table.show_rows([])
            note.setText(text)

        try:
            (a, b), region = self.planes(), self.region()
            whole = numbers.middle(a, b, region) == overlap(a, b, region)[0].region
        except MendemError as error:
            failed(str(error))
            return

        def answered(rows: list[Any]) -> None:
            table.show_rows(rows)
            of = "" if whole else f"The middle {numbers.MEASURED} x {numbers.MEASURED} pixels. "
            note.setText(f"{of}Threshold and places of the membranes are those of the image before.")

        note.setText("computing…")
        self.compute("measure", lambda: numbers.measurements(a, b, region), answered, failed)

    def _waiting(self, plot: Any) -> None:
        if not plot.lines:
            plot.say("computing…")


def _curve(ring: RingCorrelation) -> tuple[Any, Any]:
    return ring.frequency / (ring.pixel_nm or 1.0), ring.correlation


def about_ring(ring: RingCorrelation, unit: str, restored: bool, halves: str) -> str:
    """What an FRC means, and what it does not."""
    found = ring.resolution("1/7")
    words = "they agree up to the Nyquist frequency" if found is None else f"they agree down to {found:.3g} {unit}"
    if restored:
        return f"FRC 1/7: {words}. At least one is a restoration: this is consistency, and no resolution is claimed."
    if halves == "even and odd frames":
        return f"FRC 1/7: {words}, if the frames are repeats of one place, aligned, and of independent noise."
    return f"FRC 1/7: {words}, if the two were measured independently of one another."


def in_words(error: BaseException) -> str:
    """What went wrong, for the user."""
    import logging

    if isinstance(error, MendemError):
        return str(error)
    if isinstance(error, MemoryError):
        return "This ran out of memory: zoom in, and choose the part in view"
    logging.getLogger(__name__).error("comparison failed", exc_info=error)
    return f"This stopped because of an unexpected {type(error).__name__}: {error}"
