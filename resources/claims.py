"""Claims: the numbers and ids in a text, and whether its evidence holds them."""

import re
import unicodedata
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from gpu_ops.evidence import Evidence, RingEvidence, TransactionEvidence, masked
from gpu_ops.reasons import REASONS

_TOKEN: Final = re.compile(r"\S+")
_AROUND: Final = "\"'`*()[]{}<>,;:!?.…€$£¥+~≈=|“”„‘’«»"
_NUMBER: Final = re.compile(r"[-−–]?\d[\d,_.' ]*%?")
_ID_SIGN: Final = re.compile(r"[\w.-]*[:_][\w.:-]*\w|\w*\d\w*[A-Za-z]\w*|\w*[A-Za-z]\w*\d\w*")

_WORDS: Final[dict[str, int]] = {
    word: number
    for number, word in enumerate(
        "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen twenty".split(),
        start=2,
    )
} | {
    word: number
    for number, word in zip(
        range(30, 100, 10), "thirty forty fifty sixty seventy eighty ninety".split(), strict=True
    )
}
_LARGE_WORDS: Final = frozenset(
    {"dozen", "dozens", "hundred", "hundreds", "thousand", "thousands", "million", "millions",
     "billion", "billions", "half", "double", "twice", "triple", "quarter"}
)  # fmt: skip
