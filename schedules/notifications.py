"""Uploads that S3 tells of: what the messages in a queue say, and when they may go."""

from collections.abc import Collection
from typing import Final

from resources.locations import LakeLocation
from resources.queues import Message, MessageQueue, QueueError
from resources.s3_events import PoisonError, created_objects, keys_below

LOOK_AGAIN_SECONDS: Final = 30
"""When a message comes back whose file could not be registered yet."""


class UploadNotices:
    """The messages of one tick.

    A message is a hint to look at a file, nothing more: it may come twice, late, out of order or
    for a file that was replaced or removed since. So it is deleted only when what it hints at is
    registered, or is nothing to register. One that nobody understands is left alone; the queue's
    redrive policy moves it to the dead-letter queue after so many deliveries.
    """

    def __init__(self, queue: MessageQueue, location: LakeLocation) -> None:
        """Takes nothing yet.

        Args:
            queue: Where S3 sends its notifications.
            location: The lake whose `landing/` they are about.
        """
        self._queue = queue
        self._location = location
        self._hints: list[tuple[Message, list[str]]] = []
        self.problems: list[str] = []
        """A line for each message that is not understood and each failure of the queue."""

    def take(self, most: int) -> set[str] | None:
        """Keys in the lake to look at; None if the queue cannot be read."""
        try:
            messages = self._queue.receive(most)
        except QueueError as error:
            self.problems.append(f"{error}; landing/ is listed instead")
            return None
        for message in messages:
            try:
                keys = keys_below(created_objects(message.body), self._location, "landing")
            except PoisonError as error:
                self._report(message, error)
            else:
                self._hints.append((message, keys))
        return {key for _, keys in self._hints for key in keys}

    def settle(self, unfinished: Collection[str]) -> None:
        """Deletes the messages whose files are dealt with; others come back in half a minute.

        Args:
            unfinished: Keys that were neither registered nor found to be none of an upload.
        """
        done = [message for message, keys in self._hints if not set(keys) & set(unfinished)]
        again = [message for message, keys in self._hints if set(keys) & set(unfinished)]
        try:
            self._queue.delete(done)
            self._queue.release(again, LOOK_AGAIN_SECONDS)
        except QueueError as error:
            self.problems.append(f"{error}; its messages will come again, which does no harm")

    def _report(self, message: Message, error: PoisonError) -> None:
        self.problems.append(
            f"queue {self._queue.name}: message {message.id} is passed over, delivery "
            f"{message.receives}: {error}; {self._fate()}"
        )

    def _fate(self) -> str:
        try:
            moved = self._queue.has_dead_letters()
        except QueueError:
            moved = True
        if moved:
            return "the queue's redrive policy moves it to the dead-letter queue"
        return "give the queue a redrive policy, else it comes back until it expires"
