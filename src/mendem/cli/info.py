"""``mendem info``: what is installed here, or what a file holds."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from mendem.image import Image
from mendem.physics.noise import NoiseModel


def add_to(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "info",
        help="What is installed here; with files, what they hold.",
        description="Without a file: versions, devices, priors and formats. With images: axes, shape, pixel type, "
        "voxel size, noise and provenance of each. With weights, or the name of a shipped prior: network, what it was "
        "trained for and how, calibration and hash.",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="image, weights, or name of a shipped prior")
    parser.add_argument("--json", action="store_true", help="print one JSON object to standard output")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Carry out ``mendem info``; returns the exit status."""
    from mendem.cli import DONE
    from mendem.cli.info_weights import weights_file, weights_lines, weights_record
    from mendem.cli.report import print_json

    if not chosen.files:
        about = installation()
        print_json(about) if chosen.json else print("\n".join(_installation_lines(about)))
        return DONE
    found = []
    for name in chosen.files:
        weights = weights_file(name)
        if weights is None:
            facts = FileFacts.of(name)
            record, lines = facts.record(), facts.lines
        else:
            record = weights_record(weights)
            lines = partial(weights_lines, record)
        found.append(record)
        if not chosen.json:
            print("\n".join(lines()), flush=True)
    if chosen.json:
        print_json({"files": found})
    return DONE


def installation() -> dict[str, Any]:
    """Versions, devices, priors and formats of this installation."""
    import torch

    from mendem.device import available_bytes
    from mendem.io import SUFFIXES
    from mendem.priors.checkpoint import DEFAULT_PRIOR, models_folder, read_header
    from mendem.provenance import software_versions

    devices = [{"name": "cpu", "threads": torch.get_num_threads(), "free_bytes": available_bytes("cpu")}]
    if torch.cuda.is_available():
        named = torch.cuda.get_device_name()
        devices.insert(0, {"name": "cuda", "model": named, "free_bytes": available_bytes("cuda")})
    if torch.backends.mps.is_available():
        devices.insert(0, {"name": "mps"})
    priors = []
    for path in sorted(models_folder().glob("*/weights.safetensors")):
        facts = read_header(path)
        name = path.parent.name
        about = {"name": name, "default": name == DEFAULT_PRIOR, "file": str(path), **facts["coverage"]}
        priors.append({**about, "tells_novelty": facts.get("familiar") is not None})
    return {
        "versions": software_versions(),
        "devices": devices,
        "models": str(models_folder()),
        "priors": priors,
        "formats": {"readable": SUFFIXES.readable, "writable": SUFFIXES.writable},
    }


def _installation_lines(about: dict[str, Any]) -> list[str]:
    from mendem.cli.report import megabytes

    lines = ["versions   " + ", ".join(f"{name} {version}" for name, version in about["versions"].items())]
    for device in about["devices"]:
        free = f", {megabytes(device['free_bytes'])} free" if "free_bytes" in device else ""
        more = device.get("model") or (f"{device['threads']} threads" if "threads" in device else "")
        lines.append(f"device     {device['name']}{f' ({more})' if more else ''}{free}")
    lines.append(f"models     {about['models']}")
    for prior in about["priors"]:
        finest, coarsest = prior["pixel_nm"]
        default = ", the default" if prior["default"] else ""
        lines.append(f"prior      {prior['name']}{default}: trained on {', '.join(prior['modalities'])}")
        lines.append(f"           pixels of {finest:g} to {coarsest:g} nm; {'; '.join(prior['degradations'])}")
        if prior["tells_novelty"]:
            lines.append("           tells how unlike its training an image is")
    if not about["priors"]:
        lines.append("prior      none is installed: give a .safetensors file with --prior")
    lines.append(f"reads      {' '.join(about['formats']['readable'])}")
    lines.append(f"writes     {' '.join(about['formats']['writable'])}")
    return lines


@dataclass(frozen=True)
class FileFacts:
    """What a file holds, its noise estimated; ``median`` is the intensity that the noise is stated for."""

    image: Image
    noise: NoiseModel
    median: float

    @classmethod
    def of(cls, path: str) -> FileFacts:
        """Look at a file; `MendemError` where it cannot be read."""
        from mendem.io import read
        from mendem.normalise import check_intensities, estimate_normalisation
        from mendem.physics.noise_estimation import estimate_noise

        image = read(path)
        norm = estimate_normalisation(image)
        check_intensities(image, norm)
        return cls(image, estimate_noise(image), norm.centre)

    def record(self) -> dict[str, Any]:
        """For JSON."""
        image, size = self.image, self.image.voxel_size
        assert size is not None
        return {
            "path": image.source,
            "axes": image.axes,
            "shape": image.shape,
            "dtype": image.dtype.name,
            "voxel_size": dict(zip(image.axes, size.values, strict=True)) if size.known else None,
            "unit": size.unit if size.known else None,
            "median": self.median,
            "noise": {"std": self.noise.std_at(self.median), **asdict(self.noise)},
            "notes": list(image.metadata.get("notes", ())),
            "provenance": image.metadata.get("mendem"),
        }

    def lines(self) -> list[str]:
        """For people."""
        from mendem.cli.report import describe_noise, image_line

        about = self.image.metadata
        return [
            f"{self.image.source}: {image_line(self.image)}",
            f"  noise: {describe_noise(self.noise, self.median)}",
            *(f"  note: {note}" for note in about.get("notes", ())),
            *_history(about.get("mendem")),
        ]


def _history(record: Any) -> list[str]:
    """The provenance in short; nothing where it is not ours."""
    from mendem.cli.report import chi2_line

    if not isinstance(record, dict) or "task" not in record:
        return []
    task, prior = record["task"], record.get("prior")
    parameters = json.dumps(task.get("parameters", {}), ensure_ascii=False)
    named = "" if prior is None else f", prior {prior.get('name')}"
    how = "made" if prior is None else "restored"
    made = f"  {how} by mendem: {task.get('name')} {parameters}{named}, {record.get('date')}"
    chi2 = record.get("chi2")
    unjudged = chi2 is None and (prior is None or record.get("partial"))
    lines = [made if unjudged else f"{made}, {chi2_line(chi2, record.get('chi2_counts_spread', True))}"]
    novelty = record.get("novelty")
    if isinstance(novelty, dict):
        lines.append(f"  novelty {novelty.get('novelty'):.2g}, risk {novelty.get('risk'):.2g} (familiar below 1)")
    tilts = record.get("tilts")
    if isinstance(tilts, dict) and "completed" in tilts and "quantity" not in record:
        count = Counter(tilt["flag"] for tilt in tilts["completed"])
        lines.append("  tilts: " + ", ".join(f"{count[flag]} {flag}" for flag in count))
    if record.get("quantity"):
        lines.append(f"  this is its {record['quantity']}")
    if record.get("partial"):
        done = record.get("blocks", {})
        lines.append(f"  PARTIAL: the run was interrupted after {done.get('finished')} of {done.get('all')} blocks")
    return lines
