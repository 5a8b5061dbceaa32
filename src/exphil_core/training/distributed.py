"""A team of several processes: gloo between CPUs, nccl between GPUs.

Small messages always go through gloo, which notices at once when a process is gone (its connections close). A rank
that ends out of turn leaves a note in the launcher's store first; one that left none was killed.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from exphil_core.errors import ExphilError
from exphil_core.training.launch import Launch
from exphil_core.training.team import Part, RankLost, Team

# A rank that doesn't answer for so long in the middle of training is given up: a save to a slow disk takes less.
PATIENCE = timedelta(minutes=10)
# One rank may read replays for hours while the others are done.
READING_PATIENCE = timedelta(days=7)
# How long a rank that lost another waits for the notes of those that may be in the middle of a step, in seconds.
NOTES_SECONDS = 15.0
CLOSING_SECONDS = 2.0
POLL_SECONDS = 0.02
LOST = "lost"

Answer = TypeVar("Answer")


def join(launch: Launch) -> Ranks:
    """Meet the other ranks. Raises ExphilError if they don't come."""
    try:
        store, rank, world = next(dist.rendezvous("env://", timeout=PATIENCE))  # type: ignore[attr-defined]
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=PATIENCE)
        patient = dist.new_group(backend="gloo", timeout=READING_PATIENCE)
    except (RuntimeError, ValueError, OSError) as error:
        raise ExphilError(f"rank {launch.rank} can't join the others: {_first_line(error)}") from None
    return Ranks(launch, store, patient)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


class Ranks(Team):
    """A team that `join` has brought together."""

    def __init__(self, launch: Launch, store: Any, patient: Any) -> None:
        self.rank, self.world = launch.rank, launch.world
        self.local_rank, self.local_world = launch.local_rank, launch.local_world
        self._store, self._patient = store, patient
        self._device_group: Any = None
        self._gone = False

    def cache_part(self, folder: Path) -> Part:
        """All ranks that see the same folder share the work; ranks on machines with caches of their own, those on
        each machine."""
        token = folder / f".ranks-{self.told(uuid.uuid4().hex)}"
        if self.leads:
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                token.touch()
        self.wait()
        seen = self.sums([float(token.exists())])[0]
        if self.leads:
            with suppress(OSError):
                token.unlink(missing_ok=True)
        if seen == self.world:
            return self.part
        return Part(index=self.local_rank, count=self.local_world)

    def uses(self, device: torch.device) -> None:
        if device.type == "cuda":
            torch.cuda.set_device(device)
            self._device_group = self._asked(lambda: dist.new_group(backend="nccl", timeout=PATIENCE))

    def sums(self, values: Sequence[float]) -> list[float]:
        added = torch.tensor(values, dtype=torch.float64)
        self._asked(lambda: dist.all_reduce(added))
        summed: list[float] = added.tolist()
        return summed

    def heard(self, text: str) -> list[str]:
        mine, lengths = self._padded(text.encode())
        all_of_them = [torch.empty_like(mine) for _ in lengths]
        self._asked(lambda: dist.all_gather(all_of_them, mine))
        return [_bytes(one, size).decode() for one, size in zip(all_of_them, lengths, strict=True)]

    def collected(self, data: bytes) -> list[bytes]:
        mine, lengths = self._padded(data)
        all_of_them = [torch.empty_like(mine) for _ in lengths] if self.leads else None
        self._asked(lambda: dist.gather(mine, all_of_them))
        return [_bytes(one, size) for one, size in zip(all_of_them or [], lengths, strict=False)]

    def _padded(self, data: bytes) -> tuple[Tensor, list[int]]:
        """`data` as long as the longest of all ranks', and how long each is."""
        mine = [0.0] * self.world
        mine[self.rank] = float(len(data))
        lengths = [int(length) for length in self.sums(mine)]
        padded = torch.zeros(max(1, *lengths), dtype=torch.uint8)
        padded[: len(data)] = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else 0
        return padded, lengths

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        # One message of everything: at a few megabytes, waiting for each of fifty tensors is what would take time.
        # Behind them stands who has a gradient at all: a parameter without one isn't touched by the optimiser.
        flags = [float(parameter.grad is not None) for parameter in parameters]
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([*(part.reshape(-1) for part in parts), parts[0].new_tensor(flags)])
        self._asked(lambda: dist.all_reduce(flat, group=self._group_of(flat)))
        there, at = flat[-len(flags) :].tolist(), 0
        for parameter, has_one in zip(parameters, there, strict=True):
            size = parameter.numel()
            parameter.grad = flat[at : at + size].view_as(parameter) if has_one else None
            at += size

    def level(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            values = tensor.detach().contiguous()
            self._asked(lambda values=values: dist.broadcast(values, 0, group=self._group_of(values)))  # type: ignore[misc]
            if values.data_ptr() != tensor.data_ptr():
                tensor.detach().copy_(values)

    def _group_of(self, tensor: Tensor) -> Any:
        return self._device_group if tensor.device.type == "cuda" else None

    def wait(self) -> None:
        def polled() -> None:
            work = dist.barrier(group=self._patient, async_op=True)
            # A blocking wait would keep Python from hearing Ctrl-C.
            while not work.is_completed():
                time.sleep(POLL_SECONDS)
            work.wait()

        self._asked(polled)

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        if self._gone:
            raise RankLost("the other ranks are gone")
        try:
            return ask()
        except RuntimeError as error:
            self._lost(error)

    def _lost(self, error: RuntimeError) -> NoReturn:
        """Say who is gone, or why another rank left. Raises KeyboardInterrupt where that one was interrupted."""
        self.leave(LOST)
        notes = self._notes()
        for rank, (status, reason) in notes.items():
            if status == "interrupted":
                raise KeyboardInterrupt
            if status == "failed":
                raise RankLost(f"rank {rank}: {reason}") from None
        missing = [rank for rank in range(self.world) if rank not in notes]
        if not missing:
            raise RankLost(f"the connection between ranks broke: {_first_line(error)}") from None
        who = ", ".join(map(str, missing))
        gone = "is gone" if len(missing) == 1 else "are gone"
        raise RankLost(
            f"rank {who} of {self.world} {gone}: killed, out of memory or out of reach; the run ends here"
        ) from None

    def _notes(self) -> dict[int, tuple[str, str]]:
        """What ranks that left have said, by rank: all but one of them, or the first that says more than that it
        lost another."""
        notes = {self.rank: (LOST, "")}
        until = time.monotonic() + NOTES_SECONDS
        while True:
            for rank in set(range(self.world)) - notes.keys():
                try:
                    if not self._store.check([_note(rank)]):
                        continue
                    status, reason = json.loads(self._store.get(_note(rank)))
                except RuntimeError:
                    # The store is rank 0's own where no launcher keeps one: that is who is gone.
                    return dict.fromkeys(range(1, self.world), (LOST, ""))
                notes[rank] = status, reason
                if status != LOST:
                    return notes
            if len(notes) >= self.world - 1 or time.monotonic() > until:
                return notes
            time.sleep(POLL_SECONDS)

    def leave(self, status: str, reason: str = "") -> None:
        if self._gone:
            return
        self._gone = True
        with suppress(RuntimeError):
            self._store.set(_note(self.rank), json.dumps([status, reason]))
        self._close()

    def end(self) -> None:
        if self._gone:
            return
        with suppress(RankLost):  # all is done: whoever is gone by now has done its share
            self.wait()
        self._gone = True
        self._close()

    def _close(self) -> None:
        """Close all connections: whoever waits for this rank is waiting in vain. nccl may never come back from it."""

        def close() -> None:
            with suppress(Exception):
                dist.destroy_process_group()

        closing = threading.Thread(target=close, daemon=True)
        closing.start()
        closing.join(CLOSING_SECONDS)

    def speaks(self) -> bool:
        if not self._gone:
            return self.leads
        mine = str(self.rank)
        with suppress(RuntimeError):
            first: bytes = self._store.compare_set("exphil/speaks", "", mine)
            return first.decode() == mine
        return True


def _note(rank: int) -> str:
    return f"exphil/left/{rank}"


def _bytes(padded: Tensor, size: int) -> bytes:
    return padded[:size].numpy().tobytes()
