"""The accuracy pass: read and decode on threads of their own, so that they overlap inference."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchbench.protocols import Session
from benchbench.types import Feed, Geometry, Image, Prediction

Prepared = tuple[NDArray[Any], Geometry]
Prepare = Callable[[Image], Prepared]
Decode = Callable[[Feed, Sequence[Geometry]], list[Prediction]]
Item = TypeVar("Item")
Made = TypeVar("Made")
LOOKAHEAD = 3
"""Batches that are prepared ahead; bounds memory."""


def batches(images: Sequence[Image], size: int) -> Iterator[Sequence[Image]]:
    """Cut *images* into batches; the last may be short."""
    for start in range(0, len(images), size):
        yield images[start : start + size]


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
    images: Sequence[Image],
    batch: int,
    prepare: Prepare,
    decode: Decode,
    progress: Callable[[int, int], None],
) -> dict[int, Prediction]:
    """Return the prediction of each image by id; the first error of any thread is raised."""
    name = session.inputs[0].name
    found: dict[int, Prediction] = {}
    with ThreadPoolExecutor(1, "prepare") as readers, ThreadPoolExecutor(1, "decode") as decoders:

        def prepared(group: Sequence[Image]) -> tuple[Sequence[Image], Feed, list[Geometry]]:
            ready = [prepare(image) for image in group]
            return group, {name: stack(ready, batch)}, [geometry for _, geometry in ready]

        decoded: deque[tuple[Sequence[Image], Future[list[Prediction]]]] = deque()
        for group, feed, geometries in _ahead(readers, prepared, batches(images, batch)):
            outputs = infer(session, feed)
            decoded.append((group, decoders.submit(decode, outputs, geometries)))
            while len(decoded) > LOOKAHEAD or (decoded and decoded[0][1].done()):
                _collect(found, *decoded.popleft())
                progress(len(found), len(images))
        for item in decoded:
            _collect(found, *item)
        progress(len(found), len(images))
    return found


def _collect(
    found: dict[int, Prediction], group: Sequence[Image], future: Future[list[Prediction]]
) -> None:
    for image, prediction in zip(group, future.result(), strict=True):
        found[image.id] = prediction


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
