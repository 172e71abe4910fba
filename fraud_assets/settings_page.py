"""The page of all settings, made of them: `python -m fraud_assets.settings_page`."""

import sys
from typing import Final

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from resources.settings import PREFIX, Settings

_HEAD: Final = """# Settings

Environment variables, all optional. Wrong ones are told all at once, with what is accepted; so are
variables that look like misspelt settings. Credentials of AWS are none of them: those come from
AWS's own variables, profiles and roles.

| variable | default | meaning |
| --- | --- | --- |
"""


def settings_page() -> str:
    """The page as Markdown: the settings of all first, then those of the parts."""
    fields = Settings.model_fields
    # Python lists what a class inherits first.
    names = sorted(fields, key=lambda name: name not in Settings.__annotations__)
    rows = (
        f"| `{PREFIX}{name.upper()}` | {_default(fields[name])} | "
        f"{_plain(fields[name].description or '')} |\n"
        for name in names
    )
    return _HEAD + "".join(rows)


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value is PydanticUndefined:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.write(settings_page())
