"""What `fupan run` publishes of a workspace, and what its page says."""

import html
import json
import re
from pathlib import Path

from click.testing import CliRunner

from helpers.run import cli


def published(data, reports, lang: str):
    """What `fupan run --latest` publishes of a workspace: the folder of its newest session."""
    done = CliRunner().invoke(
        cli.main,
        [
            "run",
            "--latest",
            "--data",
            str(data),
            "--reports",
            str(reports),
            "--lang",
            lang,
            "--json",
        ],
    )
    assert done.exit_code == 0, done.output
    (outcome,) = json.loads(done.stdout)
    assert outcome["status"] == "published"
    return Path(outcome["path"]).parent


def words(content: str) -> str:
    """What the page says, without styles, scripts and markup."""
    return html.unescape(
        re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(style|script)\b.*?</\1>", " ", content))
    )
