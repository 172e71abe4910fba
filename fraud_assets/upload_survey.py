"""Uploads as they are: what landed and what is registered, looked at without writing anything."""

from collections.abc import Collection

from fraud_assets.landing import Discovery, Landing
from fraud_assets.upload_records import ReceivedListing, UploadRecords
from fraud_assets.uploads import Uploads
from resources.lake import Lake


class UploadSurvey(Uploads):
    """The uploads of a lake that may be read alone; what needs mending is left to the next run."""

    def __init__(self, lake: Lake, feeds: Collection[str]) -> None:
        """As `Uploads`."""
        super().__init__(lake, feeds)
        self._records = UploadRecords(lake, read_only=True)

    def landed(self) -> Discovery:
        """What a `discover` without a limit would look at; its files are all `postponed`."""
        landing = Landing(self._lake, self._feeds)
        found = Discovery(hidden=landing.hidden())
        listing = ReceivedListing.of(self._lake)
        found.damaged += self._records.unreadable_claims(listing)
        found.postponed += [one.path for one in landing.arrivals(listing, found)]
        return found
