"""The page of Fill wedge: its Python runs, and its commands work on what that makes."""

from __future__ import annotations

import re

import mendem
from mendem.cli import main
from mendem.tomography.tilt_files import write_angles


def test_the_page_s_python_runs_and_its_commands_work_on_what_it_makes(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (root / "docs" / "tasks" / "fill-wedge.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict = {}
    exec(compile(block, "docs/tasks/fill-wedge.md", "exec"), names)
    assert names["result"].flags.count("generated") == 14 and names["result"].tomogram.shape == (32, 4, 48)
    assert names["result"].completed.limits == (-88, 88)
    write_angles("series.tlt", names["series"])
    (commands,) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    for command in commands.splitlines():
        assert main([*command.split()[1:], "--overwrite", "--device", "cpu"]) == 0
    assert mendem.read_tilt_series("completed.tif").true_angles == tuple(range(-72, 73, 4))
    assert mendem.read("mask.mrc").shape == (32, 4, 48)
