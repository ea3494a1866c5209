"""Which prior restores a volume: the shipped one, or one that has learned from the volume itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QStandardPaths, Signal
from qtpy.QtWidgets import QFileDialog, QGridLayout, QHBoxLayout, QLabel, QWidget

from mendem.errors import MendemError
from mendem.wording import number
from napari_mendem.learning import AdviceJob, Learned, LearnJob
from napari_mendem.preview_volume import PlaneFrame
from napari_mendem.widgets.fields import Choice, Number
from napari_mendem.widgets.layout import make_button, small_label
from napari_mendem.widgets.words import unbroken

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from mendem.physics.section_grid import SectionGrid
    from napari_mendem.widgets.task_widget import TaskWidget
    from napari_mendem.workers import Request

SHIPPED, LEARN = "shipped prior", "learn from volume"

#: Minutes that learning begins with; on two CPU cores most is gained by then.
MINUTES = 5.0


def learned_folder() -> Path:
    """Where what was learned is kept: in the user's cache."""
    cache = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericCacheLocation)
    return Path(cache) / "napari-mendem" / "learned"


class LearnBox(QWidget):
    """Method, advice, and learning with its numbers.

    Parameters
    ----------
    dock
        Whose image is learned from, with its fields.
    """

    changed = Signal()

    def __init__(self, dock: TaskWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self._job: LearnJob | None = None
        self._shown: PlaneFrame | None = None
        self._learned: tuple[ImageLayer, SectionGrid, Learned] | None = None
        self.method = Choice((SHIPPED, LEARN), parent=self)
        self.method.setObjectName("method")
        self.method.setToolTip(
            "<qt>The prior that comes with mendem, or that prior trained further on the finely sampled planes of this "
            "volume, whose structures it then knows.</qt>"
        )
        self.which = make_button("?", "which", "<qt>Test the prior on this volume, and say which method to take.</qt>")
        self.which.setMinimumWidth(28)
        self.which.setMaximumWidth(28)
        self.advice = small_label()
        self.advice.setObjectName("advice")
        self.minutes = Number(0.1, 600, "min", self)
        self.minutes.setObjectName("minutes")
        self.minutes.setDecimals(1)
        self.minutes.setValue(MINUTES)
        self.minutes.setToolTip("How long to learn, at the most")
        self.learn = make_button("Learn", "learn", "<qt>Train the prior further on this volume.</qt>")
        tip = "<qt>Be content with what has been learned. Cancel forgets it.</qt>"
        self.stop = make_button("Stop, and use it", "stop_learning", tip)
        self.save = make_button("Save weights…", "save_weights", "<qt>Keep what was learned, for --prior FILE.</qt>")
        self.said = small_label()
        self.said.setObjectName("learned")
        self._lay_out()
        self.method.changed.connect(self._method_changed)
        self.which.clicked.connect(self.ask)
        self.learn.clicked.connect(self.start)
        self.stop.clicked.connect(self.content)
        self.save.clicked.connect(lambda: self.ask_where())
        dock.ui.waiting += [self.which, self.learn, self.method]
        self._show()

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(4)
        grid.addWidget(QLabel("Method"), 0, 0)
        grid.addWidget(self.method, 0, 1)
        grid.addWidget(self.which, 0, 2)
        grid.addWidget(self.advice, 1, 0, 1, 3)
        self._row = QWidget()
        row = QHBoxLayout(self._row)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.minutes, self.learn, self.stop):
            row.addWidget(widget, 1)
        grid.addWidget(self._row, 2, 0, 1, 3)
        grid.addWidget(self.said, 3, 0, 1, 3)
        grid.addWidget(self.save, 4, 0, 1, 3)
        grid.setColumnStretch(1, 1)

    @property
    def wanted(self) -> bool:
        """Whether the prior is to be one that has learned."""
        return self.method.value() == LEARN

    @property
    def learning(self) -> bool:
        """Whether it is at work."""
        return self._job is not None

    def learned(self, layer: ImageLayer, request: Request) -> Learned | None:
        """What was learned of a layer, with its sections lying as they are asked for."""
        if self._learned is None or not self.wanted:
            return None
        known, grid, learned = self._learned
        asked = request.task.grid(request.image)
        same = asked is not None and (asked.spacing, asked.width) == (grid.spacing, grid.width)
        return learned if known is layer and same else None

    def ask(self) -> None:
        """Have the prior tested on the volume, for advice."""
        dock, layer = self._dock, self._dock.ui.image.layer
        request = self._request()
        if request is None or layer is None:
            return
        job = AdviceJob(request, dock._preparations, dock._cpu_threads)

        def done() -> None:
            if job.advice is not None and dock.ui.image.layer is layer:
                self.advice.setText(unbroken(job.advice.sentence))
                self._show()

        dock.errand.start(job, f"{layer.name} · advice", done)

    def start(self) -> None:
        """Learn from the chosen volume; returns at once."""
        dock, layer = self._dock, self._dock.ui.image.layer
        request = self._request()
        if request is None or layer is None:
            return
        grid = request.task.grid(request.image)
        assert grid is not None
        job = LearnJob(request, self.minutes.value(), learned_folder(), dock._preparations, dock._cpu_threads)
        self._job, self._shown = job, None
        self.said.setText("reading")
        self._show()

        def done() -> None:
            if job.cancelled.is_set():
                self.said.setText("")
                dock.errand.say("Cancelled: what was learned is forgotten.")
            elif job.learned is None:
                gained = self._errors()
                self.said.setText("")
                self.method.setValue(SHIPPED)
                dock.errand.say(f"Nothing was gained by learning ({gained}): the shipped prior stays.")
            else:
                self._learned = layer, grid, job.learned
                before, after = job.learned.held_out
                self.said.setText(unbroken(_gain(job.learned.minutes, before, after)))
            self.changed.emit()

        dock.errand.start(job, f"{layer.name} · learning", done, self._meanwhile, self._ended)

    def content(self) -> None:
        """Stop, and use what has been learned."""
        if self._job is not None:
            self._job.stopped.set()
            self.stop.setEnabled(False)

    def image_changed(self) -> None:
        """Advice and numbers are of another image."""
        self.advice.setText("")
        if self._learned is not None and self._learned[0] not in self._dock.viewer.layers:
            self._learned = None
        kept = self._learned is not None and self._learned[0] is self._dock.ui.image.layer
        if not kept and not self.learning:
            self.said.setText("")
        self._show()

    def ask_where(self) -> None:
        """Save the weights where the user wants them."""
        if self._learned is None:
            return
        known = self._learned[2].path
        chosen, _ = QFileDialog.getSaveFileName(self, "Save weights", known.name, "Weights (*.safetensors)")
        if chosen:
            self.save_as(Path(chosen))

    def save_as(self, path: Path) -> None:
        """Copy the weights."""
        assert self._learned is not None
        path = path if path.suffix == ".safetensors" else path.with_name(path.name + ".safetensors")
        try:
            shutil.copyfile(self._learned[2].path, path)
        except OSError as error:
            self._dock._say(f"{path}: the weights could not be saved: {error.strerror}", alarm=True)
            return
        self._dock._say(f"Saved as {path}.")

    def _request(self) -> Request | None:
        """With the prior that learning begins with."""
        try:
            layer = self._dock.ui.image.layer
            if self._dock.busy:
                return None
            if layer is None:
                raise MendemError("there is no image to learn from: open a volume")
            return self._dock.plain_request(layer)
        except MendemError as error:
            self._dock._say(str(error), alarm=True)
            return None

    def _method_changed(self) -> None:
        self._show()
        self.changed.emit()

    def _meanwhile(self) -> None:
        """Called again and again while it learns."""
        job, live = self._job, self._dock.live
        if job is None:
            return
        job.view = live.view() if self._dock.in_front else None
        if job.view is None:
            live.output.remove()
            self._shown = None
        if job.learning is not None:
            self.said.setText(unbroken(f"step {job.learning.step}: {self._errors()}"))
        frame, layer = job.frame, self._dock.ui.image.layer
        if frame is not None and frame is not self._shown and job.view is not None and layer is not None:
            self._shown = frame
            live.output.show(frame, layer, self._dock.task.title)
            live.stage.emit("learned so far" if frame.final else "refining")

    def _ended(self) -> None:
        self._job = self._shown = None
        self._show()

    def _errors(self) -> str:
        """The error on held-out planes, where it is known."""
        now = None if self._job is None else self._job.learning
        if now is None:
            return "not one step was done"
        before, after = (number(v, 3) for v in now.held_out)
        return f"held-out error {before} → {after} grey levels"

    def _show(self) -> None:
        """Show what makes sense now."""
        wanted, at_work = self.wanted, self.learning
        self.advice.setVisible(bool(self.advice.text()))
        self._row.setVisible(wanted)
        for widget, shown in ((self.minutes, not at_work), (self.learn, not at_work)):
            widget.setVisible(shown)
        self.stop.setVisible(at_work)
        self.stop.setEnabled(at_work)
        self.said.setVisible(wanted and bool(self.said.text()))
        layer = self._dock.ui.image.layer
        self.save.setVisible(wanted and self._learned is not None and self._learned[0] is layer and not at_work)


def _gain(minutes: float, before: float, after: float) -> str:
    length = f"{minutes:.1f} min" if minutes >= 1 else f"{60 * minutes:.0f} s"
    return f"Learned in {length}: held-out error {number(before, 3)} → {number(after, 3)} grey levels."
