"""The pages show what is true: the code in them runs, and the options in them exist."""

from __future__ import annotations

import re

import pytest

from mendem.cli import main


def test_the_python_page_runs_from_top_to_bottom(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (root / "docs" / "python.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert names["error_after"] < 0.7 * names["error_before"]
    assert (tmp_path / "denoised.tif").exists() and (tmp_path / "large-spread.mrc").exists()
    assert "empty or outside" in capsys.readouterr().out


def test_the_command_line_page_has_every_option(root, capsys):
    page = (root / "docs" / "command-line.md").read_text(encoding="utf-8")
    for command in ("denoise", "info", "demo", "train"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        said = capsys.readouterr().out
        existing = set(re.findall(r"--[a-z][a-z-]+", said)) - {"--help", "--resample"}
        assert not {option for option in existing if f"{option}" not in page}
