"""What the Denoise widget says of how familiar an image is."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from mendem.appraisal.novelty import Novelty, Reference
from mendem.appraisal.statistics import NAMES
from napari_mendem.widgets import words

FAMILIAR = Novelty(0.31, 0.2, "its edges and grain")
STRANGE = Novelty(2.4, 0.6, "its edges and grain")


def run_of(novelty: Novelty | None):
    notes = ("A note.",) if novelty is None or novelty.warning is None else ("A note.", novelty.warning)
    return SimpleNamespace(novelty=novelty, notes=notes, plan=SimpleNamespace(pointwise=True))


@pytest.mark.parametrize(
    ("novelty", "chi2", "said"),
    [
        (FAMILIAR, 1.02, "chi² 1.02: consistent with the data · familiar (novelty 0.3)"),
        (STRANGE, None, "very unlike the training (novelty 2.4, risk 0.6)"),
        (None, 1.02, "chi² 1.02: consistent with the data"),
        (None, None, ""),
    ],
)
def test_the_status_line_joins_what_is_known(novelty, chi2, said):
    assert words.about_answer(run_of(novelty), chi2) == said


def test_of_finer_or_blurred_images_a_small_chi2_is_no_fault():
    assert words.about_chi2(0.6, pointwise=False) == "chi² 0.60: no further from the data than the noise explains"
    assert words.about_chi2(0.6).startswith("chi² 0.60: closer to")
    assert "further from" in words.about_chi2(1.6, pointwise=False)


def test_before_a_run_a_familiar_image_is_said_to_be_one_and_a_strange_one_is_warned_of_once():
    assert words.found_out(run_of(None)) == "A note."
    assert words.found_out(run_of(FAMILIAR)).splitlines() == [
        "A note.",
        "The prior finds this image familiar (novelty 0.3).",
    ]
    warned = words.found_out(run_of(STRANGE))
    assert warned.count("very unlike") == 1 and "residual and spread" in warned


@pytest.fixture
def strange_prior(tmp_path) -> str:
    """Weights that find every image very unlike their training."""
    import torch

    from mendem.priors import checkpoint
    from mendem.priors.network import UNet
    from mendem.priors.prior import Coverage

    count = len(NAMES)
    centres, small = np.full((1, count), 5.0), np.full(count, 0.01)
    reference = Reference(
        centres, np.zeros((2, count)), small, np.eye(count), np.zeros(3), np.array([-4.0, 1.0]), np.ones(2)
    )
    torch.manual_seed(0)
    network, path = UNet((8, 16), (1, 1), embedding=16), tmp_path / "strange.safetensors"
    facts = {"familiar": reference.facts()}
    checkpoint.save(network, Coverage((2.0, 40.0), ("simulated",), ("noise",)), path, facts)
    return str(path)


def test_a_restoration_of_a_strange_image_ends_with_a_warning(make_widget, wait, micrograph, strange_prior):
    viewer = ViewerModel()
    viewer.add_image(micrograph, name="raw")
    widget = make_widget(viewer)
    widget.ui.options.set(prior=strange_prior)
    widget.ui.parameters.set(noise=30.0)
    widget.restore()
    wait(lambda: not widget.busy)
    assert "very unlike what the prior was trained on" in widget.ui.message.text()
    assert "very unlike the training (novelty" in widget.ui.chi2.text()
    assert viewer.layers["raw · Denoise"].metadata["mendem"]["novelty"]["novelty"] > 2
