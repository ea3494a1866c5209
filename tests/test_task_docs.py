"""The Python on the pages of the tasks runs as it stands."""

from __future__ import annotations

import re

import pytest


@pytest.mark.parametrize("page", ["deblur", "super-resolve", "inpaint", "mend", "isotropic"])
def test_the_python_of_a_task_s_page_runs(page, root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (root / "docs" / "tasks" / f"{page}.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict = {}
    exec(compile(block, f"docs/tasks/{page}.md", "exec"), names)
    least = 0.1 if page == "isotropic" else 0.5  # the spread of a volume is not counted in
    assert names["result"].chi2 is None or least < names["result"].chi2 < 1.3


@pytest.mark.parametrize("page", ["deblur", "super-resolve", "inpaint", "mend", "isotropic", "align", "reconstruct"])
def test_the_options_on_a_task_s_page_exist(page, root):
    from mendem.cli.arguments import build_parser

    text = (root / "docs" / "tasks" / f"{page}.md").read_text(encoding="utf-8")
    commands = [line for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    assert commands
    for command in commands:
        build_parser().parse_args(command.split()[1:])
