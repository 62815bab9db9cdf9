"""The server's side of one HTTP connection: uvicorn's, with limits on how long a client may say or take nothing."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 1_000
CHECK_SECONDS = 5.0
SILENCE_SECONDS = 10.0  # until the head of a request has come whole
STALL_SECONDS = 30.0  # in which a body that comes, or an answer that goes, has to make some progress
MIN_PROGRESS_BYTES = 1_024
MAX_UNREAD_BYTES = 512 * 2**20  # of answers that their clients have not taken yet, of all connections


class Protocol(H11Protocol):
    """A connection that is ended when its client keeps it without using it.

    Beyond MAX_CONNECTIONS the one that has waited for a request the longest makes room for the newest, and beyond
    MAX_UNREAD_BYTES the one whose client has read nothing for the longest.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._check: asyncio.TimerHandle | None = None
        self._waiting_since = self._progress_at = self.loop.time()
        self._received_bytes = self._progress_received = self._progress_unsent = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes the connection, and ends an idle one where there are too many."""
        if len(self.connections) >= MAX_CONNECTIONS:
            self._make_room()
        super().connection_made(transport)
        self._check = self.loop.call_later(CHECK_SECONDS, self._end_if_stuck)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        if self._check is not None:
            self._check.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts what comes."""
        self._received_bytes += len(data)
        super().data_received(data)

    def pause_writing(self) -> None:
        """Makes room for an answer that its client does not take at once."""
        super().pause_writing()
        self._make_room_for_answers()

    def resume_writing(self) -> None:
        """Notes that the client has taken nearly all of what it was sent."""
        self._note_progress(self.loop.time())
        super().resume_writing()

    def on_response_complete(self) -> None:
        """The next request may begin."""
        self._waiting_since = self.loop.time()
        super().on_response_complete()

    @property
    def is_answering(self) -> bool:
        """Whether a request is under way, rather than waited for: until its client has taken the answer."""
        return self.unread_bytes > 0 or (self.cycle is not None and not self.cycle.response_complete)

    @property
    def unread_bytes(self) -> int:
        """Of its answer, those that the client has not taken yet."""
        return self.transport.get_write_buffer_size()

    @property
    def progress_at(self) -> float:
        """When the client was last seen to take or to send something, by the event loop's clock."""
        return self._progress_at

    @property
    def waiting_since(self) -> float:
        """When it began to wait for its latest request, by the event loop's clock."""
        return self._waiting_since

    @property
    def lacks_request(self) -> bool:
        """Whether a request, or the rest of its body, has still to come."""
        return not self.is_answering or (self.cycle is not None and self.cycle.more_body)

    def _make_room(self) -> None:
        protocols = [protocol for protocol in self.connections if isinstance(protocol, Protocol)]
        idle_protocols = [protocol for protocol in protocols if protocol.lacks_request]
        if idle_protocols:
            min(idle_protocols, key=lambda protocol: protocol.waiting_since).abort()

    def _make_room_for_answers(self) -> None:
        sizes = {protocol: protocol.unread_bytes for protocol in self.connections if isinstance(protocol, Protocol)}
        too_many = sum(sizes.values()) - MAX_UNREAD_BYTES
        slow_protocols = (protocol for protocol, size in sizes.items() if size and protocol is not self)
        for protocol in sorted(slow_protocols, key=lambda protocol: protocol.progress_at):
            if too_many <= 0:
                break
            too_many -= sizes[protocol]
            protocol.abort()

    def abort(self) -> None:
        """Ends the connection at once, with whatever was not sent yet."""
        self.connections.discard(self)
        self.transport.abort()

    def _end_if_stuck(self) -> None:
        if self._is_stuck():
            self.abort()
        else:
            self._check = self.loop.call_later(CHECK_SECONDS, self._end_if_stuck)

    def _is_stuck(self) -> bool:
        now = self.loop.time()
        if not self.is_answering:
            self._note_progress(now)
            return now - self._waiting_since > SILENCE_SECONDS
        unsent = self.unread_bytes
        waits_for_client = unsent > 0 or (self.cycle.more_body and not self.flow.read_paused)
        received = self._received_bytes - self._progress_received
        if not waits_for_client or received >= MIN_PROGRESS_BYTES or 0 < unsent < self._progress_unsent:
            self._note_progress(now)
        return now - self._progress_at > STALL_SECONDS

    def _note_progress(self, now: float) -> None:
        self._progress_at, self._progress_received = now, self._received_bytes
        self._progress_unsent = self.unread_bytes
