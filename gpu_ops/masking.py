"""How identifiers are shown to people: previews, check samples, quarantine, drawings, alerts."""

from typing import Final

import polars as pl

_SHOWN: Final = 4
_ELLIPSIS: Final = "…"
_NODE_PREFIX: Final = r"^(?:[^:]*:){1,2}"
_UNPRINTABLE: Final = r"[\p{C}\p{Z}--\x20]"


def masked(identifier: object) -> str:
    """An identifier for people: at most its last four characters, and never more than half of it.

    Of a node `feed:entity:id` the id alone counts. Characters that do not print are shown as `?`.

    >>> masked("card:customer:1234567"), masked("C1305486145"), masked("7")
    ('…567', '…6145', '…')
    """
    name = str(identifier).split(":", 2)[-1]
    shown = name[len(name) - min(_SHOWN, len(name) // 2) :]
    return _ELLIPSIS + "".join(letter if letter.isprintable() else "?" for letter in shown)


def masked_expr(identifiers: pl.Expr) -> pl.Expr:
    """`masked` of every String value; null stays null."""
    name = identifiers.str.replace(_NODE_PREFIX, "")
    shown = name.str.tail(pl.min_horizontal(pl.lit(_SHOWN), name.str.len_chars() // 2))
    return pl.concat_str([pl.lit(_ELLIPSIS), shown.str.replace_all(_UNPRINTABLE, "?")])
