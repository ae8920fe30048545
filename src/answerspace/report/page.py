"""One HTML file out of the template, the style, the scripts and the data. It knows no result fields."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from answerspace.report.payload import payload
from answerspace.results import CorpusResult

# "<" could end the script element the data sits in; U+2028 and U+2029 end a line in old JavaScript.
_UNSAFE = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def write_report(result: CorpusResult, path: str | Path) -> Path:
    """Write ``result`` as one self-contained page and return its path.

    The page needs no network and may not use one: its content security policy allows its own style and scripts, by
    their hashes, and nothing else. Texts are data there, never markup. Texts over 600 characters are shortened.
    Raises InputError if rows do not match the texts or a position is not finite.
    """
    style, chart, script = asset("report.css"), asset("vendor/echarts.min.js"), asset("report.js")
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src {source_hash(style)}; script-src {source_hash(chart)} {source_hash(script)}"
    )
    page = Template(asset("report.html")).substitute(
        title=html.escape(result.title), policy=policy, style=style, chart=chart, script=script, data=_data(result)
    )
    path = Path(path)
    # Lone surrogates cannot be written as UTF-8; they become "?".
    path.write_bytes(page.encode("utf-8", "replace"))
    return path


def script_json(value: Any) -> str:
    """``value`` as JSON that is safe inside a script element. NaN is an error."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_UNSAFE)


def _data(result: CorpusResult) -> str:
    return script_json(payload(result))


def asset(name: str, package: str = "answerspace.report") -> str:
    """A text file of a package, its line ends as browsers hash them."""
    text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")  # browsers hash the script after normalising its line ends


def source_hash(source: str) -> str:
    """What a content security policy calls a script or a style that stands in the page."""
    digest = hashlib.sha256(source.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
