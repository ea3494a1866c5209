"""The command line: ``mendem COMMAND …``. It holds no science, and starts without torch.

Exit status: 0 done; 2 bad input or usage, or no room (disk, memory), with one line on stderr; 130 interrupted, with
what was finished kept and marked partial; 1 an error of ours, with one line that says how to report it.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from mendem.errors import Cancelled, MendemError

DONE, OUR_ERROR, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    arguments
        What follows ``mendem``; those of the process when left out.
    """
    from mendem.cli.arguments import build_parser
    from mendem.cli.progress import termination_as_interrupt

    try:
        with termination_as_interrupt():
            chosen = build_parser().parse_args(arguments)
            return chosen.run(chosen)
    except Cancelled as stopped:
        return _say(str(stopped) or "interrupted before anything was finished; nothing was written", INTERRUPTED)
    except KeyboardInterrupt:
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:  # `mendem info | head`: nobody reads on
        sys.stdout = open(os.devnull, "w")
        return DONE
    except Exception as error:
        return _say(*explained(error))


def explained(error: Exception) -> tuple[str, int]:
    """What a user is told of an error, in one sentence, and the exit status that it gives."""
    if isinstance(error, MendemError):
        return str(error), BAD_INPUT
    if isinstance(error, MemoryError) or _out_of_memory(error):
        return _NO_MEMORY, BAD_INPUT
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror or error}; check the name, the permissions and the disk", BAD_INPUT
    if os.environ.get("MENDEM_TRACEBACK"):
        traceback.print_exception(error)
    what = f"{type(error).__name__}: {error}"
    return f"this should not have happened ({what}); set MENDEM_TRACEBACK=1, run again and report it", OUR_ERROR


_NO_MEMORY = "out of memory; add --tile 256, restore a smaller --region, or close other programs"


def _out_of_memory(error: Exception) -> bool:
    if "torch" not in sys.modules or not isinstance(error, RuntimeError):
        return False
    from mendem.priors.network_prior import is_out_of_memory

    return is_out_of_memory(error)


def _say(message: str, status: int) -> int:
    print(f"mendem: {' '.join(message.split())}", file=sys.stderr)
    return status
