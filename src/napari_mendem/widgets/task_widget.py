"""What the dock widgets of all tasks share: image, region, fields, live preview, run, messages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from qtpy.QtWidgets import QWidget

from mendem.errors import MendemError
from mendem.image import Image
from mendem.options import Options
from mendem.tasks.base import Task
from napari_mendem import costs
from napari_mendem.layers import Look, image_from_layer, unwrapped
from napari_mendem.preferences import preferences
from napari_mendem.results import ResultLayers
from napari_mendem.widgets import words
from napari_mendem.widgets.blur_field import BlurField
from napari_mendem.widgets.control import NegativeControl
from napari_mendem.widgets.front_dock import LiveDock
from napari_mendem.widgets.inputs import Inputs
from napari_mendem.widgets.layout import TaskLayout
from napari_mendem.widgets.live import Live
from napari_mendem.widgets.marking import Marking
from napari_mendem.widgets.mask_field import MaskField
from napari_mendem.widgets.measuring import Measuring
from napari_mendem.widgets.messages import Messages
from napari_mendem.widgets.presets import TaskPresets
from napari_mendem.workers import Preparations, Request, RestoreJob

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

    from mendem.engine import Run


class TaskWidget(Messages, LiveDock):
    """Base of the dock widgets; a task's own is a subclass that names it.

    Parameters
    ----------
    viewer
        The viewer whose images are restored.
    """

    task: ClassVar[type[Task]]
    #: Whether a volume is restored as one: no single slices, and a preview of planes along z.
    volumes: ClassVar[bool] = False

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer = unwrapped(viewer)
        self.setObjectName(self.task.name)
        chosen = preferences()
        self._cpu_threads = chosen.cpu_threads
        self._preparations = Preparations()
        self._run: Run | None = None
        self._answered: tuple[Task, Options] | None = None
        self.ui = ui = TaskLayout(self, viewer, self.task, self._connections)
        ui.options.set(budget=chosen.budget, device=chosen.device)
        self.live = Live(
            viewer,
            self._wanted,
            self.task.title,
            self._preparations,
            self._connections,
            chosen.cpu_threads,
            self,
            self.volumes,
        )
        self.inputs = Inputs(viewer, ui.slots, self.task, self)
        self.control = NegativeControl(self, self.errand)
        self.presets = TaskPresets(self)
        self.marking = [Marking(self, f, self.errand) for f in ui.slots.values() if isinstance(f, MaskField)]
        self.measuring = [Measuring(self, f, self.errand) for f in ui.slots.values() if isinstance(f, BlurField)]

        self._extend()
        ui.changed.connect(self._changed)
        self.inputs.changed.connect(self._changed)
        ui.image.changed.connect(self._image_changed)
        ui.live.toggled.connect(self.live.set_on)
        ui.restore.clicked.connect(self.restore)
        ui.cancel.clicked.connect(self.cancel)
        ui.control.clicked.connect(self.control.start)
        ui.copy_python.clicked.connect(lambda: self._copy(as_python=True))
        ui.copy_command.clicked.connect(lambda: self._copy(as_python=False))
        self.live.prepared.connect(self._prepared)
        self.live.failed.connect(self._preview_failed)
        self.live.stage.connect(self._staged)
        self._connections.make(viewer.layers.events.removed, self._layer_removed)
        self._ready(self.live.preview.running, self.inputs.connections, *(m.connections for m in self.measuring))
        self._image_changed()
        ui.live.setChecked(chosen.live)

    # What scripts and tests drive.

    def restore(self) -> None:
        """Restore the chosen region of the chosen image into new layers; returns at once."""
        if self.busy:
            return
        try:
            request = self.request()
            layer = self.ui.image.layer
            assert layer is not None
        except MendemError as error:
            self._say(str(error), alarm=True)
            return
        self.ui.live.setChecked(False)
        job = RestoreJob(request, self.ui.outputs(), self._preparations, self._cpu_threads)
        results = ResultLayers(self.viewer, job, Look.of(layer), self.task.title)
        self._say("")
        self.errand.forget()

        def grow() -> None:
            if results.removed:
                job.cancel()
            else:
                results.grow()

        def done() -> None:
            if results.removed:
                self.errand.say("The growing result was removed: cancelled, and nothing is kept.")
                return
            results.finish()
            self._conclude(job)

        self.errand.start(job, f"{layer.name} · {self.task.title}", done, grow)

    def request_all(self) -> Request:
        """All that the fields say, for all of the image; raises `MendemError` where they cannot be followed."""
        layer = self.ui.image.layer
        if layer is None:
            raise MendemError("there is no image: open one (File › Open), or a sample (File › Open Sample › Mendem)")
        return self._whole(layer)

    def request(self) -> Request:
        """As `request_all`, for the chosen region and slices."""
        whole = self.request_all()
        layer = self.ui.image.layer
        assert layer is not None
        planes = None
        if self._slicewise(whole.image) and self.ui.slices.value() == "current":
            index = self.ui.region.slice_index()
            if index is None:
                raise MendemError(f"the sliders are outside {layer.name}: move to one of its slices")
            planes = (int(np.ravel_multi_index(index, whole.image.shape[:-2])),)
        return replace(whole, region=self.ui.region.region(), planes=planes)

    def check(self, request: Request) -> None:
        """Raise a `MendemError` for what a task cannot begin with, in the words of its fields."""

    # Between fields and engine.

    def _extend(self) -> None:
        """Make what a task has beside the common parts."""

    def _slicewise(self, image: Image) -> bool:
        """Whether slices of the image can be chosen."""
        return image.plane_count > 1 and not self.task().merges and not self.volumes

    def plain_request(self, layer: ImageLayer) -> Request:
        """What the fields say, for all of a layer."""
        task, options = self.ui.parameters.values(), self.ui.options.values()
        assert isinstance(task, Task) and isinstance(options, Options)
        request = Request(image_from_layer(layer), task, options, self.inputs.images(layer))
        self.check(request)
        return request

    def _whole(self, layer: ImageLayer) -> Request:
        return self.plain_request(layer)

    def _wanted(self) -> tuple[ImageLayer, Request] | None:
        layer = self.ui.image.layer
        return None if layer is None else (layer, self._whole(layer))

    def _changed(self) -> None:
        if self._complaint or self._outdated():  # about what the fields said before
            self._say("")
        self._estimate()
        self.live.ask()

    def _outdated(self) -> bool:
        """Whether the answer that is told was to other fields; it is hidden then."""
        if self._answered is None:
            return False
        try:
            request = self.request_all()
        except MendemError:
            pass
        else:
            if (request.task, request.options) == self._answered:
                return False
        self._answered = None
        self.ui.chi2.setVisible(False)
        return True

    def _image_changed(self) -> None:
        layer = self.ui.image.layer
        self._run = None
        self.ui.region.set_layer(layer)
        self.ui.noise.setText("")
        self.ui.set_samples_enabled()
        self._say("")
        self.errand.forget()
        if layer is None:
            self.ui.about.setText("No image is open")
            self.ui.show_slices(False)
        else:
            try:
                image = image_from_layer(layer)
                self._look_at(image)
                self.ui.show_slices(self._slicewise(image))
            except MendemError as error:
                self.ui.about.setText("")
                self._say(str(error))
        self._estimate()
        self.live.ask()

    def _look_at(self, image: Image) -> None:
        """What is known of the image before anything is computed."""
        self.ui.about.setText(words.about_image(image))
        assert image.voxel_size is not None
        for field in self.ui.slots.values():
            if isinstance(field, BlurField):
                field.set_pixel(image.voxel_size.nm[-1])

    def _layer_removed(self, _: object = None) -> None:
        self._preparations.forget()

    def _prepared(self, run: Run) -> None:
        """The image has been looked at: say what was found."""
        self._run = run
        layer = self.ui.image.layer
        if layer is None:
            return
        self._look_at(run.given)  # its scale may have been changed
        self.ui.noise.setText(words.about_noise(run, tuple(layer.contrast_limits)))
        self.ui.noise.setToolTip(words.noise_tooltip(run))
        self.ui.suggest_noise(run.plan.noise.std_at(run.plan.normalisation.centre))
        if not self.ui.chi2.isVisibleTo(self):  # what the last run said about this image stays
            self._say(words.found_out(run, self._told(run)))
        self._estimate()

    def _staged(self, words: str) -> None:
        """The preview is further; what it took is what a run will be measured by."""
        self.ui.stage.setText(words)
        self._estimate()

    def _estimate(self) -> None:
        """Time and memory of a run with the fields as they are."""
        self.ui.set_samples_enabled()
        try:
            request = self.request()
        except MendemError:
            self.ui.cost.setText("")
            return
        self.ui.set_kept(request.task.keeps_measured)
        if self._run is None:
            self.ui.cost.setText("")
            return
        height, width = request.image.plane_shape
        planes = request.planes or tuple(range(1 if request.task.merges else request.image.plane_count))
        region = request.region or (0, height, 0, width)
        run = replace(self._run, task=request.task, options=request.options, region=region, planes=planes)
        seconds = costs.seconds_of(run)
        memory = words.size(costs.bytes_of(run, self.ui.outputs()))
        about = "" if seconds is None or seconds < 1 else "about "
        self.ui.cost.setText(memory if seconds is None else f"{about}{words.duration(seconds)}, {memory}")

    def _conclude(self, job: RestoreJob) -> None:
        if job.run is not None and self._wanted_image() is job.request.image.data:
            self._run = job.run
        summary = job.summary
        if summary is None or not job.rows:
            self.errand.say("Cancelled before anything was finished.")
            return
        said = [f"Cancelled: {summary.finished} of {summary.blocks} blocks are complete."] if summary.partial else []
        assert job.provenance is not None
        assert job.run is not None
        elsewhere = self._told(job.run)
        self._say("\n".join([*said, *(note for note in job.provenance["notes"] if note not in elsewhere)]))
        if self._wanted_image() is not job.request.image.data:  # it would be read as about the image that is chosen
            return
        self._answered = job.request.task, job.request.options
        answer = words.about_answer(job.run, summary.chi2)
        self.ui.chi2.setText(answer)
        self.ui.chi2.setToolTip(words.ANSWER_TOOLTIP)
        self.ui.chi2.setVisible(bool(answer))
        self._estimate()

    def _told(self, run: Run) -> tuple[str, ...]:
        """Notes that are shown in another way."""
        return ()

    def _wanted_image(self) -> object:
        layer = self.ui.image.layer
        return None if layer is None else layer.data[0] if layer.multiscale else layer.data
