"""BM3D (Dabov et al. 2007) in an environment of its own: its licence is non-commercial, so it is no dependency."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from benchmarks.process import ROOT, environment


class Worker:
    """One process with BM3D loaded."""

    def __init__(self, python: str, threads: int = 1) -> None:
        self.process = subprocess.Popen(
            [python, str(ROOT / "benchmarks" / "bm3d_worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(threads),
        )
        if self._line() != "ready":
            raise RuntimeError(f"{python}: BM3D cannot be imported there")

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def __call__(self, image: np.ndarray, sigma: float) -> tuple[np.ndarray, float]:
        """Result and seconds for white noise of standard deviation ``sigma``."""
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "in.npy", Path(folder) / "out.npy"
            np.save(source, image.astype(np.float32))
            assert self.process.stdin is not None
            self.process.stdin.write(f"{source}\t{sigma}\t{target}\n")
            self.process.stdin.flush()
            answer = self._line()
            if not answer:
                raise RuntimeError("the BM3D process ended")
            return np.load(target), float(answer)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


class Bm3d:
    """As many workers as jobs; results are kept on disk, because they depend on nothing of ours and take long."""

    def __init__(self, python: str, jobs: int, cache: Path) -> None:
        self.python, self.jobs, self.cache = python, jobs, cache
        self.version = subprocess.run(
            [python, "-c", "from importlib.metadata import version as v; print(v('bm3d'), v('bm4d'))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        self.idle: SimpleQueue[Worker] = SimpleQueue()
        self.all: list[Worker] = []
        cache.mkdir(parents=True, exist_ok=True)

    def __call__(self, image: np.ndarray, sigma: float) -> np.ndarray:
        """The denoised image; from as many threads at once as there are jobs."""
        image = np.ascontiguousarray(image, np.float32)
        key = hashlib.sha256(image.tobytes() + repr((image.shape, f"{sigma:.6g}", self.version)).encode()).hexdigest()
        kept = self.cache / f"{key[:32]}.npy"
        if kept.exists():
            return np.load(kept)
        if not self.all:
            self.all = [Worker(self.python) for _ in range(self.jobs)]
            for worker in self.all:
                self.idle.put(worker)
        worker = self.idle.get()
        try:
            result, _ = worker(image, sigma)
        finally:
            self.idle.put(worker)
        part = kept.with_suffix(f".{id(result)}.part.npy")
        np.save(part, result)
        part.replace(kept)
        return result

    def close(self) -> None:
        for worker in self.all:
            worker.close()
