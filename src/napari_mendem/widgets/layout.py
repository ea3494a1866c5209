"""Where everything stands in the dock widget of a task. It decides nothing."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from mendem.options import Options
from mendem.tasks.base import Task
from napari_mendem.costs import Outputs
from napari_mendem.widgets.blur_field import BlurField
from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.fields import AutoOrNumber, Choice, Fields
from napari_mendem.widgets.layer_choice import LayerChoice
from napari_mendem.widgets.mask_field import MaskField
from napari_mendem.widgets.region import RegionField

if TYPE_CHECKING:
    from napari.components import ViewerModel


class TaskLayout(QObject):
    """All parts of a task's dock widget; ``changed`` says that a field says something else."""

    changed = Signal()

    def __init__(self, dock: QWidget, viewer: ViewerModel, task: type[Task], connections: Connections) -> None:
        super().__init__(dock)
        self._kept = False
        #: What cannot be used while something is at work, beside the common buttons.
        self.waiting: list[QWidget] = []
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(6, 6, 6, 6)
        self._form = form = self._input(viewer, connections)
        advanced_form = new_form()
        self.slots: dict[str, Any] = {}
        made = self._made_for_slots(viewer, task, connections)
        self.parameters = Fields(task, form, advanced_form, self.changed.emit, made)
        self.noise = small_label()
        self.noise.setObjectName("noise_found")
        form.addRow("", self.noise)
        self.options = Fields(Options, form, advanced_form, self.changed.emit)
        form.addRow("Layers", self._outputs())
        column.addLayout(form)
        column.addWidget(self._advanced(advanced_form, viewer, task, connections))
        column.addStretch(1)

        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inner)
        scroll.setMinimumHeight(120)
        scroll.setMinimumWidth(inner.minimumSizeHint().width() + scroll.verticalScrollBar().sizeHint().width())
        outer = QVBoxLayout(dock)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll, 1)
        self._below = self._foot()
        outer.addLayout(self._below)
        self._order()
        self.set_busy(False)
        self.set_samples_enabled()

    def outputs(self) -> Outputs:
        """Which layers are wanted beside the result."""
        drawn = self.samples.isEnabled() and self.samples.isChecked()
        removed = self.residual.isEnabled() and self.residual.isChecked()
        return Outputs(self.spread.isChecked(), removed, drawn)

    def set_busy(self, busy: bool) -> None:
        """Enable what makes sense while a run is at work, or while none is."""
        searching = [button for field in self.slots.values() for button in getattr(field, "searching", ())]
        for widget in (self.restore, self.live, *searching, *self.waiting):
            widget.setEnabled(not busy)
        self.control.setEnabled(not busy and not self._kept)
        self.cancel.setEnabled(busy)
        self.progress.setVisible(busy)

    def set_samples_enabled(self) -> None:
        """Samples can only be a layer where some are drawn."""
        drawn = self.options.widgets["samples"].value() > 0 or self.options.widgets["estimate"].value() == "sample"
        self.samples.setEnabled(drawn)

    def set_kept(self, kept: bool) -> None:
        """Where measured pixels are kept there is no residual, and a control would be kept as it is too."""
        self._kept = kept
        self.residual.setEnabled(not kept)
        self.control.setEnabled(not kept and self.restore.isEnabled())

    def show_slices(self, stack: bool) -> None:
        """Slices can only be chosen in a stack."""
        self._form.setRowVisible(self.slices, stack)

    def show_field(self, name: str, shown: bool) -> None:
        """Show the row of a parameter where it has a meaning."""
        self._form.setRowVisible(self.parameters.widgets[name], shown)

    def gather(self, label: str, names: tuple[str, ...]) -> None:
        """Put switches that belong together side by side, under one label."""
        switches = [self.parameters.widgets[name] for name in names]
        place = self._form.getWidgetPosition(switches[0])[0]
        box = QWidget()
        grid = _grid(box)
        for number, switch in enumerate(switches):
            self._form.takeRow(switch)
            grid.addWidget(switch, number // 2, number % 2)
        self._form.insertRow(place, label, box)

    def add_wide_row(self, widget: QWidget, above: str) -> None:
        """One more row without a label, above a parameter's."""
        place = self._form.getWidgetPosition(self.parameters.widgets[above])
        self._form.insertRow(place[0], widget)

    def add_buttons(self, buttons: QHBoxLayout) -> None:
        """A row below the live preview's."""
        self._below.insertLayout(1, buttons)

    def suggest_noise(self, value: float) -> None:
        """What a noise that is given begins with."""
        field = self.parameters.widgets.get("noise")
        if isinstance(field, AutoOrNumber):
            field.suggest(value)

    def _input(self, viewer: ViewerModel, connections: Connections) -> QFormLayout:
        top = new_form()
        self.image = LayerChoice(viewer, connections)
        self.image.setObjectName("image")
        self.image.setToolTip("The image layer to restore")
        self.about = small_label()
        self.about.setObjectName("about")
        self.region = RegionField(viewer)
        self.slices = Choice(("all", "current"))
        self.slices.setObjectName("slices")
        self.slices.setToolTip(
            "<qt>All slices of the stack, or the one at the slider. Each slice is restored by itself.</qt>"
        )
        top.addRow("Image", self.image)
        top.addRow("", self.about)
        top.addRow("Region", self.region)
        top.addRow("Slices", self.slices)
        self.region.changed.connect(self.changed)
        self.slices.changed.connect(self.changed)
        return top

    def _made_for_slots(self, viewer: ViewerModel, task: type[Task], connections: Connections) -> dict[str, Any]:
        """Fields of parameters that are a mask or a blur, and take a layer too."""
        declared = {f.name: f for f in fields(task)}
        for slot in task.inputs:
            if slot.name not in declared:
                continue
            about, default = declared[slot.name].metadata, declared[slot.name].default
            words = about.get("choices", ())
            if slot.marks:
                self.slots[slot.name] = MaskField(viewer, connections, words, slot.name, self)
            elif about.get("forms"):
                entries = (*about["forms"], *(w for w in words if w not in about["forms"]))
                self.slots[slot.name] = BlurField(viewer, connections, entries, default, self)
        return dict(self.slots)

    def _outputs(self) -> QWidget:
        box = QWidget()
        grid = _grid(box)
        texts = {
            "spread": "Also make a layer of the spread: the standard deviation of what the data leaves open, "
            "in the units of the image",
            "residual": "Also make a layer of what was removed: the image minus the result, in the units of the image",
            "samples": "Also make a layer of all samples; choose how many above",
        }
        for number, (name, text) in enumerate(texts.items()):
            check = QCheckBox(name, box)
            check.setObjectName(f"{name}_layer")
            check.setToolTip(f"<qt>{text}.</qt>")
            check.toggled.connect(lambda _: self.changed.emit())
            setattr(self, name, check)
            grid.addWidget(check, number // 2, number % 2)
        self.spread.setChecked(True)
        return box

    spread: QCheckBox
    residual: QCheckBox
    samples: QCheckBox

    def _advanced(
        self, form: QFormLayout, viewer: ViewerModel, task: type[Task], connections: Connections
    ) -> QCollapsible:
        for slot in task.inputs:
            if slot.name in self.slots:
                continue
            choice = LayerChoice(viewer, connections, words=("none",), marks=slot.marks)
            choice.setObjectName(f"input_{slot.name}")
            choice.setToolTip(f"<qt>A layer with {slot.help}.</qt>")
            choice.changed.connect(self.changed)
            form.addRow(f"{slot.name.capitalize()} layer", choice)
            self.slots[slot.name] = choice
        return folded("Advanced", "advanced", form)

    def _foot(self) -> QVBoxLayout:
        self.live = QCheckBox("Live")
        self.live.setObjectName("live")
        self.live.setToolTip("<qt>Preview what is on the screen, again after each change. Restore ends it.</qt>")
        self.stage, self.cost = small_label(), small_label()
        self.stage.setObjectName("stage")
        # As wide as its few words: with an ignored width the other label would leave it none.
        self.stage.setWordWrap(False)
        self.stage.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.cost.setObjectName("cost")
        self.cost.setToolTip("<qt>Time and memory that Restore will take; the time as measured in earlier runs.</qt>")
        self.cost.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        live = QHBoxLayout()
        for widget, stretch in ((self.live, 0), (self.stage, 0), (self.cost, 1)):
            live.addWidget(widget, stretch)

        self.restore = make_button("Restore", "restore", "Restore the chosen region into new layers")
        self.restore.setDefault(True)
        self.cancel = make_button("Cancel", "cancel", "Stop; what is finished is kept and marked partial (Esc)")
        tip = "Restore an empty field with this noise, and a texture without edges, to see what the prior invents"
        self.control = make_button("Negative control", "control", f"<qt>{tip}; of the part in view.</qt>")
        run = QHBoxLayout()
        run.addWidget(self.restore)
        run.addWidget(self.cancel)
        run.addWidget(self.control)
        self.progress = QProgressBar()
        self.progress.setObjectName("progress")
        self.progress.setTextVisible(True)

        self.message, self.chi2, self.found = small_label(), small_label(), small_label()
        self.message.setObjectName("message")
        self.message.setVisible(False)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.chi2.setObjectName("chi2")
        self.chi2.setVisible(False)
        self.found.setObjectName("found")
        self.found.setVisible(False)
        self.found.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.copy_python = make_button("Copy as Python", "copy_python", "Python that makes the same result")
        self.copy_command = make_button("Copy as command", "copy_command", "A command line that makes the same result")
        copy = QHBoxLayout()
        copy.addWidget(self.copy_python)
        copy.addWidget(self.copy_command)

        foot = QVBoxLayout()
        foot.setContentsMargins(6, 0, 6, 6)
        foot.addLayout(live)
        foot.addLayout(run)
        foot.addWidget(self.progress)
        foot.addWidget(self.message)
        foot.addWidget(self.chi2)
        foot.addWidget(self.found)
        foot.addLayout(copy)
        return foot

    def _order(self) -> None:
        """Tab goes from the top to the bottom."""
        order = [
            self.image,
            self.region.kind,
            self.region.draw,
            self.slices,
            *self.parameters.in_order,
            *(w for f, w in self.options.widgets.items() if not Options.__dataclass_fields__[f].metadata["advanced"]),
            self.spread,
            self.residual,
            self.samples,
            self.live,
            self.restore,
            self.cancel,
            self.control,
            self.copy_python,
            self.copy_command,
        ]
        tab_through(*order)


def new_form() -> QFormLayout:
    """A form whose fields take all the width there is."""
    form = QFormLayout()
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    form.setHorizontalSpacing(8)
    form.setVerticalSpacing(4)
    return form


def folded(title: str, name: str, form: QFormLayout) -> QCollapsible:
    """A form that opens by a click on its title."""
    page = QWidget()
    page.setLayout(form)
    form.setContentsMargins(0, 0, 0, 0)
    part = QCollapsible(title, collapsedIcon="▸", expandedIcon="▾")
    part.setObjectName(name)
    part.setDuration(0)
    part.layout().setContentsMargins(0, 0, 0, 0)
    part.addWidget(page)
    return part


def _grid(box: QWidget) -> QGridLayout:
    """Switches in two columns."""
    grid = QGridLayout(box)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setColumnStretch(1, 1)
    return grid


def tab_through(*widgets: QWidget) -> None:
    """Let Tab go from each to the next."""
    for before, after in pairwise(widgets):
        QWidget.setTabOrder(before, after)


def small_label() -> QLabel:
    """A line of information that wraps where the dock is narrow."""
    label = QLabel()
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label


def make_button(text: str, name: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setToolTip(tip)
    button.setMinimumWidth(60)
    return button
