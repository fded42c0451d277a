"""The accuracy pass: read and decode on threads of their own, so that they overlap inference."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchbench.protocols import Session
from benchbench.types import Annotation, Feed, Geometry, Image, Prediction, PromptedMasks


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a batch: an image, with some of its prompts where the model takes prompts."""

    image: Image
    prompts: tuple[Annotation, ...] = ()

    @property
    def id(self) -> int:
        """The image's id."""
        return self.image.id


class Identified(Protocol):
    """What is predicted: an image, or a row."""

    @property
    def id(self) -> int:
        """The image's id."""


Item = TypeVar("Item")
Made = TypeVar("Made")
One = TypeVar("One", bound=Identified)
Prepared = tuple[NDArray[Any], Geometry]
Prepare = Callable[[One], Prepared]
Decode = Callable[[Feed, Sequence[Geometry]], list[Prediction]]
Beside = Callable[[Sequence[One], Sequence[Geometry]], Feed]
LOOKAHEAD = 3
"""Batches that are prepared ahead; bounds memory."""


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Cut *items* into batches; the last may be short."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def stack(prepared: Sequence[Prepared], size: int) -> NDArray[Any]:
    """Return one array of *size* images; a short batch is filled with its last image."""
    arrays = [array for array, _ in prepared]
    arrays += [arrays[-1]] * (size - len(arrays))
    return np.ascontiguousarray(np.stack(arrays)) if size > 1 else arrays[0][np.newaxis]


def infer(session: Session, feed: Feed) -> Feed:
    """Run one batch through *session*."""
    handle = session.upload(feed)
    session.run(handle)
    return session.download(handle)


def predict(
    session: Session,
    rows: Sequence[One],
    batch: int,
    prepare: Prepare[One],
    decode: Decode,
    progress: Callable[[int, int], None],
    beside: Beside[One] | None = None,
) -> dict[int, Prediction]:
    """Return the prediction of each image by id; the first error of any thread is raised.

    *rows* are images, or rows of which an image may have several: their masks are put together.
    *beside* gives what is fed beside the images.
    """
    name, images = session.inputs[0].name, len({row.id for row in rows})
    found: dict[int, Prediction] = {}
    with ThreadPoolExecutor(1, "prepare") as readers, ThreadPoolExecutor(1, "decode") as decoders:

        def prepared(group: Sequence[One]) -> tuple[Sequence[One], Feed, list[Geometry]]:
            ready = [prepare(row) for row in group]
            geometries = [geometry for _, geometry in ready]
            more = beside(group, geometries) if beside else {}
            return group, {name: stack(ready, batch), **more}, geometries

        decoded: deque[tuple[Sequence[One], Future[list[Prediction]]]] = deque()
        for group, feed, geometries in _ahead(readers, prepared, batches(rows, batch)):
            outputs = infer(session, feed)
            decoded.append((group, decoders.submit(decode, outputs, geometries)))
            while len(decoded) > LOOKAHEAD or (decoded and decoded[0][1].done()):
                _collect(found, *decoded.popleft())
                progress(len(found), images)
        for item in decoded:
            _collect(found, *item)
        progress(len(found), images)
    return found


def _collect(
    found: dict[int, Prediction], group: Sequence[Identified], future: Future[list[Prediction]]
) -> None:
    for row, prediction in zip(group, future.result(), strict=True):
        before = found.get(row.id)
        found[row.id] = prediction if before is None else _together(before, prediction)


def _together(one: Prediction, other: Prediction) -> PromptedMasks:
    """Return the masks of two rows of one image: only prompts make an image several rows."""
    assert isinstance(one, PromptedMasks)
    assert isinstance(other, PromptedMasks)
    return PromptedMasks(
        *(
            np.concatenate([getattr(one, each.name), getattr(other, each.name)])
            for each in fields(PromptedMasks)
        )
    )


def _ahead(
    pool: ThreadPoolExecutor, make: Callable[[Item], Made], items: Iterable[Item]
) -> Iterator[Made]:
    """Yield ``make(item)`` in order, LOOKAHEAD items being made in the background."""
    source = iter(items)
    pending = deque(pool.submit(make, item) for item in islice(source, LOOKAHEAD))
    while pending:
        done = pending.popleft().result()
        pending.extend(pool.submit(make, item) for item in islice(source, 1))
        yield done
