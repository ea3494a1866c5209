"""A wedge that is filled into files, however large: what was written is opened from there. No Qt."""

from __future__ import annotations

from dataclasses import asdict

from mendem.errors import Cancelled
from napari_mendem.fill_jobs import FillJob, FillSource
from napari_mendem.fill_request import FillRequest
from napari_mendem.workers import use_cpu_threads


class FillFilesJob(FillJob):
    """As `FillJob`, with results that are left on disk; nothing of them is there before the end.

    Parameters
    ----------
    path
        Of the completed stack; tomogram and spread are named after it. Existing files are replaced.
    """

    def __init__(self, request: FillRequest, source: FillSource, path: str, cpu_threads: int = 0) -> None:
        super().__init__(request, source, cpu_threads)
        self.path = path

    def work(self) -> FillFilesJob:
        """Fill; `MendemError` for what the user can mend. Cancelled, what is finished is kept."""
        from mendem.wedge_filling.to_files import WedgeFiles, fill_wedge_file

        request, files = self.request, WedgeFiles.named_after(self.path)
        try:
            self.check()
            use_cpu_threads(self._cpu_threads)
            self.provenance = fill_wedge_file(
                request.series,
                files,
                request.thickness,
                overwrite=True,
                progress=self._set_progress,
                cancel=self.cancelled,
                changed=self._with_what_was_learned,
                density=request.density,
                device=request.device,
                **asdict(self._parameters),
            )
        except Cancelled:
            return self
        self._open(files.stack, files.tomogram, files.spread)
        return self

    def _open(self, stack: str, tomogram: str | None, spread: str | None) -> None:
        from mendem import io
        from mendem.tomography.tilt_files import read_tilt_series
        from mendem.wedge_filling.findings import Findings

        assert self.provenance is not None and self.filling is not None
        self.completed = read_tilt_series(stack)
        self.flags = tuple(tilt["flag"] for tilt in self.provenance["tilts"]["completed"])
        notes = self.provenance["notes"]
        for name, path in (("volume", tomogram), ("spread", spread)):
            if path is not None and not any(note.startswith(f"{path} was not written") for note in notes):
                setattr(self, name, io.read(path).data)
        self.regions = Findings(self.filling).regions()
