"""Batch transform: the features of an upload in, a table of scores out."""

import hashlib
from contextlib import suppress
from typing import Final

from resources.model_store import ModelVersion
from resources.sagemaker import requests
from resources.sagemaker.api import Named, SageMaker, SageMakerError, TakenError
from resources.sagemaker.approval import deployable
from resources.sagemaker.config import safe_name
from resources.sagemaker.deployment import Candidate, Names
from resources.sagemaker.inference import ID
from resources.sagemaker.jobs import TRANSFORM, JobFailedError, run_job
from resources.sagemaker.waiting import Patience
from resources.versions import Manifest, Slot, Versions

ROWS_PER_CALL: Final = 100_000
"""Rows of one input file: with a hundred features about 40 MiB, and 100 MiB are allowed."""

_LONGEST_BASE: Final = 58
_GRACE_SECONDS: Final = 600


def scores_slot(feed: str, upload: str) -> Slot:
    """Where the scores of an upload lie."""
    return Slot.upload("sagemaker/scores", feed, upload)


def batch_scores(
    sagemaker: SageMaker, versions: Versions, model: ModelVersion, prepped: Manifest, run_id: str
) -> Manifest:
    """Scores the features of one upload with an approved model, in one transform job.

    Args:
        sagemaker: Configuration and calls.
        versions: The lake.
        model: The model; refused unless both registries approve it.
        prepped: The upload's features.
        run_id: The run that asks.

    Returns:
        The version with the scores: transaction_id, anomaly, margin, probability, in the order of
        the features.

    Raises:
        NotApprovedError: The model must not score.
        JobFailedError: The job failed.
        SageMakerError: A call was refused, or the scores are not those of the rows.
    """
    config = sagemaker.config
    record, _ = deployable(sagemaker, versions, model)
    names = Names.of(config, Candidate(model.feed, model.version, record.arn))
    upload = Slot(prepped.slot).upload_key or ""
    sent = _sent(versions, prepped, model, upload, run_id)
    with suppress(TakenError):
        request = requests.model(config, names.model, record.arn)
        sagemaker.api.call("create_model", request, Named)
    folder = Slot(sent.slot).attempt_folder(sent.attempt)
    digest = hashlib.sha256(f"{names.model} {folder}".encode()).hexdigest()[:16]
    job = run_job(
        sagemaker.api,
        TRANSFORM,
        safe_name(config.model_group, model.feed, digest, longest=_LONGEST_BASE),
        lambda name: requests.transform_job(
            config,
            name,
            model_name=names.model,
            input_url=config.url(f"{folder}/part-"),
            feed=model.feed,
        ),
        Patience(sagemaker.first_poll_seconds, config.max_runtime_seconds + _GRACE_SECONDS),
        lambda name: all(versions.lake.exists(key) for key in _outputs(sent, name)),
    )
    scores = versions.lake.scan_parquet(_outputs(sent, job.name))
    wanted = versions.scan(sent).select(ID).collect()
    if not scores.select(ID).collect().equals(wanted):
        raise JobFailedError(f"the transform job {job.name} did not score every row once, in order")
    attempt = versions.begin(scores_slot(model.feed, upload), run_id)
    attempt.write_table(scores)
    return versions.publish(
        attempt,
        inputs={
            prepped.slot: prepped.content_id,
            model.manifest.slot: model.manifest.content_id,
        },
        extra={"job": job.name},
    )


def _sent(
    versions: Versions, prepped: Manifest, model: ModelVersion, upload: str, run_id: str
) -> Manifest:
    """The rows as files that are small enough for a call each."""
    if not prepped.rows:
        raise SageMakerError(f"{upload} has no rows to score")
    attempt = versions.begin(Slot.upload("sagemaker/rows", model.feed, upload), run_id)
    rows = versions.scan(prepped).select(ID, *model.columns)
    for number, start in enumerate(range(0, prepped.rows, ROWS_PER_CALL)):
        attempt.write_table(rows.slice(start, ROWS_PER_CALL), part=f"part-{number:05d}")
    return versions.publish(attempt, inputs={prepped.slot: prepped.content_id})


def _outputs(sent: Manifest, job: str) -> list[str]:
    """The keys of a job's output: the name of each input file below its folder, and `.out`."""
    return [
        f"sagemaker/jobs/{job}/{entry.name}.out"
        for entry in sent.files
        if entry.name.startswith("part-")
    ]
