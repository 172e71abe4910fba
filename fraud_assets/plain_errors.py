"""What a user can cause is told in a line, without a traceback."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click

_Arguments = ParamSpec("_Arguments")


def told_plainly(command: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
    """Turn what a user can cause into a line on standard error and exit status 1."""

    @wraps(command)
    def told(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        from fraud_assets.feeds import FeedError
        from fraud_assets.rule_mistakes import RuleFileError
        from fraud_assets.uploads import UploadError
        from gpu_ops.model_files import ModelFileError
        from resources.errors import OUT_OF_SPACE, LakeError, errno_of
        from resources.settings import SettingsError

        try:
            command(*args, **kwargs)
        except (
            *(FeedError, RuleFileError, SettingsError),
            *(UploadError, LakeError, ModelFileError),
        ) as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            place = f" ({error.filename})" if error.filename else ""
            raise click.ClickException(f"{error.strerror or error}{place}") from error
        except Exception as error:
            # Polars hides a full disk in an error of its own.
            if errno_of(error) in OUT_OF_SPACE:
                raise click.ClickException(str(error).splitlines()[0]) from error
            raise

    return told
