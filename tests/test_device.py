"""The precision of the network can be stated."""

import pytest
import torch

from mendem.device import choose_dtype
from mendem.errors import MendemError


@pytest.mark.parametrize("stated", ["float32", "bfloat16"])
def test_the_environment_states_the_precision(monkeypatch, stated):
    monkeypatch.setenv("MENDEM_PRECISION", stated)
    assert choose_dtype.__wrapped__("cpu") == getattr(torch, stated)


def test_another_precision_is_refused(monkeypatch):
    monkeypatch.setenv("MENDEM_PRECISION", "float8")
    with pytest.raises(MendemError, match="float32 or bfloat16"):
        choose_dtype.__wrapped__("cpu")
