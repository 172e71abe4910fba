"""What lies in `landing/`: files to look at closer, and files that nobody reads."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from fraud_assets.upload_names import (
    SUFFIXES,
    feed_of_labels,
    is_passed_over,
    suffix_of,
)
from fraud_assets.upload_records import ReceivedListing, Upload
from resources.lake import Lake, MissingObjectError, ObjectInfo


@dataclass
class Discovery:
    """What one look at `landing/` found; paths are those below `landing/`.

    Attributes:
        new: Uploads registered by this look, in landing order.
        waiting: Path to reason of files that are being written; the next look tries again.
        postponed: Files left for the next look, as this one had its fill.
        unsupported: Path to reason of files that are no data this project reads.
        unknown_feeds: Folder to reason, where no feed has the folder's name.
        hidden: Files of a local lake whose name keeps them out of every listing.
        seen: How many files were known before.
        damaged: A line for each record that could not be read.
    """

    new: list[Upload] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    postponed: list[str] = field(default_factory=list)
    unsupported: dict[str, str] = field(default_factory=dict)
    unknown_feeds: dict[str, str] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)
    seen: int = 0
    damaged: list[str] = field(default_factory=list)

    @property
    def unfinished(self) -> set[str]:
        """Keys of the files that a later look has to see again."""
        return {f"landing/{path}" for path in (*self.waiting, *self.postponed)}

    @property
    def problems(self) -> list[str]:
        """A line for everything that a person should look at; waiting files are none."""
        return [
            *(f"landing/{folder}/: {why}" for folder, why in self.unknown_feeds.items()),
            *(f"landing/{path}: {why}" for path, why in self.unsupported.items()),
            *(f"{path}: its name hides it from listings; rename it" for path in self.hidden),
            *self.damaged,
        ]


@dataclass(frozen=True)
class Arrival:
    """A landed file that is not known by path, size and ETag.

    Attributes:
        feed: The feed whose folder it lies in.
        file: Its path below that folder.
        suffix: Its kind, such as `.csv.gz`.
        info: What the lake says of it.
    """

    feed: str
    file: str
    suffix: str
    info: ObjectInfo

    @property
    def path(self) -> str:
        """Its path below `landing/`."""
        return f"{self.feed}/{self.file}"


class Landing:
    """The folder that anyone may drop files in."""

    def __init__(self, lake: Lake, feeds: Collection[str]) -> None:
        self._lake = lake
        self._feeds = feeds

    def hidden(self) -> list[str]:
        """Files of a local lake whose name keeps them out of every listing."""
        return self._lake.hidden_files("landing")

    def arrivals(
        self, listing: ReceivedListing, found: Discovery, only: Collection[str] | None = None
    ) -> list[Arrival]:
        """Landed files that are not known, oldest first; all others are noted in `found`.

        Args:
            listing: What is received.
            found: Counts known files and reports those that nobody reads.
            only: Keys to look at; None: all.
        """
        arrivals = []
        strangers: dict[str, int] = {}
        for info in self._lake.list("landing") if only is None else self._described(only):
            path = info.key.removeprefix("landing/")
            feed, slash, file = path.partition("/")
            suffix = suffix_of(path)
            if is_passed_over(path):
                continue
            if not slash:
                if info.size:  # an empty object here is a folder's marker in S3
                    found.unsupported[path] = "it lies in no feed's folder"
            elif (feed_of_labels(feed) or feed) not in self._feeds:
                strangers[feed] = strangers.get(feed, 0) + 1
            elif suffix is None:
                found.unsupported[path] = f"expected one of {' '.join(SUFFIXES)}"
            elif listing.is_known(info, suffix):
                found.seen += 1
            else:
                arrivals.append(Arrival(feed, file, suffix, info))
        names = ", ".join(sorted(self._feeds))
        for feed, files in strangers.items():
            found.unknown_feeds[feed] = f"no feed has this name ({files} files); feeds: {names}"
        return sorted(arrivals, key=lambda one: (one.info.modified_at, one.info.key))

    def _described(self, keys: Collection[str]) -> Iterator[ObjectInfo]:
        """The objects of some keys; what was removed since, or never was a key, is left out."""
        for key in sorted(set(keys)):
            try:
                yield self._lake.head(key)
            except (MissingObjectError, ValueError):
                continue
