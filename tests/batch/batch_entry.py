"""The container's side for `batch_location`; faults are asked for by variables.

DIE_ON_TRY=n: die without a word in Dagster's try n (from 0). KILL_AFTER_ATTEMPT=n: be killed in
Batch's attempt n after the last event was sent. OLD_IMAGE: have other code than the host.
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

if sys.argv[sys.argv.index("--folder") + 1].endswith(f"/{os.environ.get('DIE_ON_TRY')}"):
    os._exit(137)

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from resources.batch.entry import main
from tests.batch.batch_location import LOCATION

location = replace(LOCATION, packages=()) if "OLD_IMAGE" in os.environ else LOCATION
code = main(location=location)
if os.environ.get("KILL_AFTER_ATTEMPT") == os.environ["AWS_BATCH_JOB_ATTEMPT"]:
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(code)
