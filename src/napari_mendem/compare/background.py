"""Numbers computed in threads of their own, so that they do not wait for a restoration. No Qt.

Of each kind only the newest request counts: one that waits is replaced, and an answer that is no longer wanted is
dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_executor: ThreadPoolExecutor | None = None


def _submit(work: Callable[[], Any]) -> Future:
    global _executor
    if _executor is None:
        _executor = ThreadPoolExecutor(2, "mendem-compare")
    return _executor.submit(work)


class Background:
    """Requests by kind. `poll` hands answers over on the caller's thread."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[Future, Callable[[Any], None], Callable[[BaseException], None]]] = {}

    @property
    def busy(self) -> bool:
        return bool(self._asked)

    def waits(self, kind: str) -> bool:
        """Whether an answer of this kind is still to come."""
        return kind in self._asked

    def ask(
        self,
        kind: str,
        work: Callable[[], Any],
        answered: Callable[[Any], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Compute ``work()`` and hand its result to ``answered``, unless something newer of this kind is asked for."""
        self.forget(kind)
        self._asked[kind] = _submit(work), answered, failed

    def forget(self, kind: str | None = None) -> None:
        """Drop a request, or all."""
        for name in list(self._asked) if kind is None else [kind]:
            asked = self._asked.pop(name, None)
            if asked is not None:
                asked[0].cancel()

    def poll(self) -> bool:
        """Hand over what is finished. Returns whether more will come."""
        for kind, (future, answered, failed) in list(self._asked.items()):
            if not future.done() or self._asked.get(kind, (None,))[0] is not future:
                continue
            del self._asked[kind]
            error = future.exception()
            if error is None:
                answered(future.result())
            else:
                failed(error)
        return self.busy
