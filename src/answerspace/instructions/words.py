"""From a text to sentences and from a sentence to words, as the treebank of the parser cuts them."""

from __future__ import annotations

import re

MOST_WORDS = 60  # a longer sentence is read up to here: a task stands at its start

_WORD = re.compile(
    r"https?://\S+|[\w.+-]+@[\w-]+\.\w+"  # addresses
    r"|\d+(?:[.,:]\d+)+"  # 3.5, 10,000
    r"|\w+(?=n['’]t\b)|n['’]t\b|['’](?:s|re|ve|ll|d|m)\b"  # do n't, it 's
    r"|[A-Za-z]\+\+|[A-Za-z]#"  # C++, C#
    r"|\w+|\.\.\.|[^\w\s]"
)
_END = re.compile(r"(?<=[.!?:;])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9])|(?<=[.!?])\s+(?=[a-z])|\n+")
_SHORT = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|mr|mrs|dr|st|no|fig|eq|approx|u\.s)|\b[A-Za-z]|^\s*\(?\d+)\.$", re.IGNORECASE
)


def words(sentence: str) -> list[str]:
    """The words and signs of a sentence, at most MOST_WORDS.

    >>> words("Don't list 3.5 C++ tips, please!")
    ['Do', "n't", 'list', '3.5', 'C++', 'tips', ',', 'please', '!']
    """
    return _WORD.findall(sentence)[:MOST_WORDS]


def sentences(text: str) -> list[str]:
    """The sentences of a text; a line break ends one, a full stop after an abbreviation or a list number does not.

    >>> sentences("Read the text. Then list its topics, e.g. sports.")
    ['Read the text.', 'Then list its topics, e.g. sports.']
    """
    found: list[str] = []
    pending = ""
    for part in _END.split(text):
        pending = f"{pending} {part}".strip()
        if pending and not _SHORT.search(pending):
            found.append(pending)
            pending = ""
    return [*found, pending] if pending else found
