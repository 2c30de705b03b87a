"""The same four curves in the formats of three programs: ours, TensorBoard's event files, W&B's transaction log.

`python -m bench.peer_formats FORMAT FOLDER STEPS RATE` writes STEPS steps, RATE of them a second (0: at once). W&B's
records are made by its own package, so that format is written by the Python that has it: this file imports nothing
else where it is run as a script.
"""

from __future__ import annotations

import math
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

NAMES = ("train/loss", "val/loss", "train/accuracy", "val/accuracy")
TOGETHER = 0.1  # seconds between two writes of a live run
BLOCK = 32768


def values(step: int, steps: int) -> tuple[float, ...]:
    """The four figures at a step."""
    noise = math.sin(12.9898 * step) * math.cos(78.233 * step)
    loss = 2.3 * math.exp(-4 * step / steps) + 0.05
    return loss + 0.1 * abs(noise), loss + 0.1, math.exp(-loss - 0.1 * abs(noise)), math.exp(-loss - 0.1)


def batches(steps: int, rate: float) -> Iterator[range]:
    """Steps from 1 in the batches in which they are written, each when it is due."""
    began, done = time.time(), 0
    while done < steps:
        due = min(steps, int((time.time() - began) * rate)) if rate else min(steps, done + 10_000)
        if due > done:
            yield range(done + 1, due + 1)
        done = due
        if rate:
            time.sleep(TOGETHER)


def write_ours(home: Path, steps: int, rate: float) -> None:
    """A run of ours in a home."""
    import os
    from array import array

    from tdl_tui.registry import DATASETS
    from tdl_tui.runs import home as homes
    from tdl_tui.runs.records import Progress, State
    from tdl_tui.runs.writer import RunWriter
    from tdl_tui.spec import experiment

    document = experiment({"data": {"dataset": "digits"}, "model": {"architecture": "mlp"}}).document()
    made = homes.create(home, document, title="the same curves")
    with RunWriter(made.folder) as writer:
        shape = DATASETS["digits"].describe(document["data"]["options"])  # as a worker records it
        writer.update(state=State.RUNNING, device="cpu", data_shape=shape)
        for batch in batches(steps, rate):
            now = time.time()
            columns = zip(*(values(step, steps) for step in batch), strict=True)
            for name, column in zip(NAMES, columns, strict=True):
                writer.extend(name, batch[0], 1, array("d", column), now - TOGETHER, now)
            writer.update(progress=Progress(batch[-1], 1, steps, steps, now))
        writer.update(state=State.FINISHED)
    os.close(made.lock_fd)


def write_tensorboard(folder: Path, steps: int, rate: float) -> None:
    """An event file: TFRecords of Event messages, each with the four values."""
    folder.mkdir(parents=True)
    tags = [b"\x0a" + bytes([len(name)]) + name.encode() for name in NAMES]
    with (folder / "events.out.tfevents.1700000000.bench").open("wb") as file:
        file.write(_record(b"\x09" + struct.pack("<d", time.time()) + b"\x1a\x0dbrain.Event:2"))
        for batch in batches(steps, rate):
            for step in batch:
                summary = b"".join(
                    b"\x0a" + _varint(len(tag) + 5) + tag + b"\x15" + struct.pack("<f", value)
                    for tag, value in zip(tags, values(step, steps), strict=True)
                )
                head = b"\x09" + struct.pack("<d", time.time()) + b"\x10" + _varint(step)
                file.write(_record(head + b"\x2a" + _varint(len(summary)) + summary))
            file.flush()


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _table() -> list[int]:
    table = []
    for byte in range(256):
        rest = byte
        for _ in range(8):
            rest = rest >> 1 ^ (0x82F63B78 if rest & 1 else 0)
        table.append(rest)
    return table


CRC32C = _table()


def _masked(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC32C[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def write_wandb(folder: Path, steps: int, rate: float) -> None:
    """A transaction log: blocks as LevelDB's logs have them, of W&B's own records."""
    from wandb.proto import wandb_internal_pb2 as messages  # type: ignore[import-not-found]  # the peer's Python has it

    inside = folder / "offline-run-20260101_000000-abcdefgh"
    inside.mkdir(parents=True)
    with (inside / "run-abcdefgh.wandb").open("wb") as file:
        file.write(struct.pack("<4sHB", b":W&B", 0xBEE1, 0))
        at = 7

        def write(record: object) -> None:
            nonlocal at
            data = record.SerializeToString()  # type: ignore[attr-defined]  # a message of the peer's
            first = True
            while first or data:
                left = BLOCK - at % BLOCK
                if left < 7:
                    file.write(b"\0" * left)
                    at += left
                    left = BLOCK
                part, data = data[: left - 7], data[left - 7 :]
                kind = (1 if not data else 2) if first else (4 if not data else 3)
                file.write(struct.pack("<IHB", zlib.crc32(part, zlib.crc32(bytes([kind]))), len(part), kind) + part)
                at += 7 + len(part)
                first = False

        run = messages.Record(num=1)
        run.run.run_id, run.run.project = "abcdefgh", "bench"
        run.run.start_time.GetCurrentTime()
        write(run)
        for batch in batches(steps, rate):
            for step in batch:
                record = messages.Record(num=step + 1)
                record.history.step.num = step
                for name, value in zip(("_step", *NAMES), (step, *values(step, steps)), strict=True):
                    item = record.history.item.add()
                    item.nested_key.append(name)
                    item.value_json = repr(value)
                write(record)
            file.flush()
        end = messages.Record(num=steps + 2)
        end.exit.exit_code = 0
        write(end)


WRITERS: dict[str, Callable[[Path, int, float], None]] = {
    "ours": write_ours,
    "tensorboard": write_tensorboard,
    "wandb": write_wandb,
}

if __name__ == "__main__":
    WRITERS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
