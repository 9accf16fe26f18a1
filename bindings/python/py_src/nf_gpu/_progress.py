"""What is shown while a run goes on."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

_log = logging.getLogger("nf_gpu")


@contextlib.contextmanager
def listener(
    on_event: Callable[[dict[str, Any]], object] | None, progress: bool
) -> Iterator[tuple[Callable[[str], object], Any]]:
    """What hears the events as JSON, and the file for lines of progress, if there is no bar."""
    bar = _bar() if progress else None
    lines = sys.stderr if progress and bar is None else None

    def hear(text: str) -> None:
        event = json.loads(text)
        if event["event"] == "note":
            _log.info(event["text"])
        if bar is not None:
            _show(bar, event)
        if on_event is not None:
            on_event(event)

    try:
        yield hear, lines
    finally:
        if bar is not None:
            bar.close()


def _bar() -> Any:
    try:
        return importlib.import_module("tqdm.auto").tqdm(unit="")
    except ImportError:
        return None


def _show(bar: Any, event: dict[str, Any]) -> None:
    kind = event["event"]
    done, total = {
        "step": (event.get("step"), event.get("steps")),
        "evaluating": (event.get("done"), event.get("all")),
    }.get(kind, (None, None))
    if kind == "note":
        bar.write(event["text"], file=sys.stderr)
    if done is None:
        return
    bar.set_description("training" if kind == "step" else "evaluating", refresh=False)
    if kind == "step":
        loss = event["loss_clean"]
        bar.set_postfix_str("" if loss is None else f"loss {loss:.3f}", refresh=False)
    else:
        bar.set_postfix_str("", refresh=False)
    if bar.total != total or done < bar.n:
        bar.reset(total=total)
    bar.update(done - bar.n)
