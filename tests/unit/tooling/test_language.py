# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words that are always wrong in what people read, and what to write instead."""

from __future__ import annotations

import io
import re
import tokenize
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

# Files that are checked, by glob. To check more, add a line.
CHECKED = [
    "*.md",
    "docs/**/*.md",
    "docs/docsite/**/*.rst",
    "examples/**/*",
    "roles/*/README.md",
    "roles/*/meta/*.yml",
    "roles/*/tasks/*.yml",
    "roles/*/defaults/*.yml",
    "roles/*/vars/**/*.yml",
    "roles/*/templates/*",
    "roles/*/files/*.py",
    "changelogs/fragments/*.yml",
    "playbooks/**/*.yml",
    "awx/**/*.yml",
    "awx/**/*.j2",
    "plugins/**/*.py",
    "meta/*.yml",
    "galaxy.yml",
    ".config/molecule/*.yml",
    "Makefile",
    "molecule/**/*.yml",
    "tests/stages.py",
    # Not what images and the history of the old deployment are made from (sandbox/images/*/, old/, dags/): a changed
    # comment would make these again.
    "sandbox/README.md",
    "sandbox/*.yml",
    "sandbox/tasks/*.yml",
    "sandbox/cluster/*",
    "sandbox/engine/*",
    "sandbox/images/*.py",
    "sandbox/services/*.*",
    "sandbox/standins/**/*.py",
]

# The page that lists these words.
EXEMPT = {"docs/development/style.md"}

# A regular expression, and what to write instead. A space matches any white space, also the end of a line.
# Case doesn't matter.
BANNED = {
    # Vocabulary that this field has other words for.
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\banew\b": "again",
    r"\b(get|gets|got|getting) healthy\b": "become healthy",
    r"\bhopeless(ly)?\b": "terminal",
    r"\bputs? (\w+ ){0,3}right\b": "fix",
    r"\bway back\b": "rollback",
    r"\bthe bed('s)?\b": "the test cluster",
    r"\bbeside\b": "alongside; 'besides' or 'in addition to' for 'as well as'",
    r"\bsucceeded at once\b": "taken over immediately",
    # Unpausing.
    r"\b(let|lets|letting) (\w+ ){0,4}run again\b": "unpause",
    r"\b(is|are|was|were) let (run|go)\b": "is left running",
    # 'Previous', not 'of before'.
    r"\b(the )?\w+ of before\b": "the previous keys, the previous tokens",
    # Participles as conditions.
    r"(?:^|[.;|(-] ?|\n|\* ?)(left out|interrupted|unset|omitted|killed[^,.:;|(]{0,30}),": "if omitted; if interrupted",
    r"\bif left out\b": "if omitted; 'Defaults to ...' for an option",
    # Passive infinitives.
    r"\b(is|are|was|were) (not )?to be\b": "must be; will be; an active verb with its subject",
    r"\b(is|are|was|were) (not )?waited for\b": "the run waits for",
    r"\b(is|are|was|were) (not )?taken for\b": "is treated as",
    r"\b(is|are|was|were) said as\b": "is reported as",
    # Relative clauses where English has a noun.
    r"\bwants? [^.|\n]{0,40}\btyped\b": "asks for confirmation",
    r"\bwhat is (due|left) (of|to do)\b": "the next step; the remaining work",
    # 'One per', not 'a ... a ...'.
    r"\ban?\x20(host|action|module|row|file|line|page|fork|task|job)\x20an?\x20(?!few)\w+": "one host per deployment",
    r"\ban?\x20\w+\x20each\b(?!\x20(has|is|of|one|time)\b)": "one action per module",
    # Agents without a name.
    r"\bsomebody('s)?\b": "a user, another run, another controller",
    r"\bnobody('s| (says|knows|saw|can tell|took|has heard|reads|else))\b": "unknown; no other ...; doesn't block",
    r"\bas whom?\b": "as which user",
    # Aphorisms.
    r"\bin a hurry\b": "there is no rush",
    r"\bat least so\b": "minimum ...",
}

PATTERNS = [
    (re.compile(word.replace(" ", r"\s+"), re.IGNORECASE | re.MULTILINE), instead) for word, instead in BANNED.items()
]

FILES = sorted(
    {str(path.relative_to(ROOT)) for path in chain.from_iterable(map(ROOT.glob, CHECKED)) if path.is_file()} - EXEMPT
)


def prose(name: str, text: str) -> str:
    """What is language in a file, with its lines where they are. Of Markdown neither blocks nor pieces of code:
    these are commands, names, and output, which is checked where it comes from. Of Python only comments and strings."""
    if name.endswith(".py"):
        return spoken(text)
    if not name.endswith(".md"):
        return text

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", "_", match[0])

    text = re.sub(r"^ *```.*?^ *```", blank, text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"``[^\n]+?``|`[^`\n]+`", blank, text)


def spoken(source: str) -> str:
    """The comments of a program, and its strings of several words, where they are; all else is blank."""
    lines = [[" " if character != "\n" else "\n" for character in line] for line in source.splitlines(keepends=True)]
    texts = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in texts or (token.type != tokenize.COMMENT and " " not in token.string.strip()):
            continue
        # Neither names between back quotes are language, nor expressions in an f-string (before Python 3.12).
        said = re.sub(r"\{[^{}\n]*\}|`[^`\n]+`", lambda found: "_" * len(found[0]), token.string)
        said = re.sub(r"^\w{1,2}(?=[\"'])|[\"'#]", lambda found: " " * len(found[0]), said)
        row, column = token.start
        for offset, line in enumerate(said.split("\n")):
            first = column if offset == 0 else 0
            lines[row - 1 + offset][first : first + len(line)] = list(line)
    return "".join(chain.from_iterable(lines))


def banned(name: str, text: str) -> list[str]:
    """A line for each banned word: where it is, what it is, what to write."""
    text = prose(name, text)
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {' '.join(match[0].split())!r}: write {instead!r}"
        for pattern, instead in PATTERNS
        for match in pattern.finditer(text)
    ]


@pytest.mark.parametrize("name", FILES)
def test_no_banned_word_is_used(name):
    found = banned(name, (ROOT / name).read_text(encoding="utf-8"))
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("did not get healthy; mend the cause", "become healthy"),
        ("the keys of before", "the previous keys, the previous tokens"),
        ("It goes on. Interrupted,\nrun it again", "if omitted; if interrupted"),
        ("the key is\nto be replaced", "must be; will be; an active verb with its subject"),
        ("a host a deployment", "one host per deployment"),
        ("Let run again exactly what was paused", "unpause"),
        ("lets the DAGs run again", "unpause"),
        ("not every validator has heard it, and nobody knows", "unknown; no other ...; doesn't block"),
    ],
)
def test_banned_words_are_found(text, instead):
    assert any(line.endswith(f"write {instead!r}") for line in banned("page.md", text))


@pytest.mark.parametrize(
    "text",
    [
        "nobody is logged out",
        "two statements are left out, and the lock is taken over immediately",
        "`<database>_beside` holds it",
        "```\n1 kept connection closed and made anew\n```",
        "once a day a run finishes it",
    ],
)
def test_good_language_passes(text):
    assert banned("page.md", text) == []


def test_the_page_about_style_lists_no_other_words():
    """Each row of its table is a word that is found, so that the page promises no more than this file."""
    text = (ROOT / "docs/development/style.md").read_text(encoding="utf-8").split("\n## Banned words\n", 1)[1]
    rows = [line.strip("|").split(" | ")[0].strip() for line in text.split("\n## ", 1)[0].splitlines() if "|" in line]
    assert len(rows) > 10
    assert [row for row in rows[2:] if not banned("page.md", f"{row}, ")] == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("wait(beside)  # all is well", False),
        ("wait(found)  # somebody waits", True),
        ('raise Failure("the key is "\n    f"to be replaced by {beside}")', True),
        ('say(f"no pod of {somebody} is left")', False),
        ('"""The gates in `beside` wait."""', False),
        ('kind = "hopeless"', False),
    ],
)
def test_of_a_program_only_its_language_is_checked(line, found):
    assert bool(banned("program.py", f"{line}\n")) is found
