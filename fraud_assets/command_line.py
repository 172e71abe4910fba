"""What all commands share: the lake that they open and how they print."""

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fraud_assets.feeds import Feed
    from resources.lake import Lake
    from resources.settings import Settings


def open_lake(settings: "Settings") -> "Lake":
    """The lake of the settings; nothing is made, but a path that can be none is refused.

    Raises:
        LakeUnavailableError: A part of the path is a file.
    """
    from resources.lake import LakeUnavailableError

    lake = settings.open_lake()
    if lake.folder is not None:
        nearest = next(one for one in (lake.folder, *lake.folder.parents) if one.exists())
        if not nearest.is_dir():
            raise LakeUnavailableError(
                f"the lake {lake.url} can be no folder: {nearest} is a file; choose another folder"
            )
    return lake


def known_feed(feed: str, feeds: "Mapping[str, Feed]") -> "Feed":
    """The feed of a name.

    Raises:
        click.UsageError: There is none; the message names those that there are.
    """
    if feed not in feeds:
        raise click.UsageError(f"there is no feed {feed!r}; known feeds: {', '.join(feeds)}")
    return feeds[feed]


def print_lines(lines: Iterable[str]) -> None:
    """Write lines to standard output, as far as anybody reads them."""
    try:
        for line in lines:
            click.echo(line)
    except BrokenPipeError:
        # The reader has all that it wanted, as `head` does. What is still buffered goes nowhere,
        # else Python complains about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
