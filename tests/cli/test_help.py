"""Every verb has help, and the page of documentation has every verb and option."""

from __future__ import annotations

import re
from collections.abc import Iterator
from keyword import iskeyword

import click
import pytest

from rena_graph.cli.group import VERBS, root
from rena_graph.errors import ExitCode
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every verb, and the verbs below it, with its words."""
    context = click.Context(root)
    for name in VERBS:
        command = root.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", sub) for below, sub in command.commands.items())


COMMANDS = dict(commands())


def section(words: str) -> str:
    """The part of the page below this verb's heading."""
    match = re.search(rf"^## `{re.escape(words.split()[0])}`.*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match is not None, f"docs/cli.md has no heading ## `{words}`"
    return match.group()


@pytest.mark.parametrize("words", COMMANDS)
def test_a_verb_has_help_and_so_has_each_of_its_options(words: str) -> None:
    command = COMMANDS[words]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{words} {parameter.opts[0]} has no help"


@pytest.mark.parametrize("words", COMMANDS)
def test_a_verb_and_each_of_its_options_are_documented(words: str) -> None:
    text = section(words)
    assert f"rena-graph {words}" in text
    for parameter in COMMANDS[words].params:
        for option in parameter.opts + parameter.secondary_opts:
            if option.startswith("--"):
                assert f"`{option}" in text, f"docs/cli.md does not say what {words} {option} does"


def test_the_page_documents_no_option_that_is_not_there() -> None:
    known = {option for command in COMMANDS.values() for parameter in command.params for option in parameter.opts}
    known |= {"--help", "--version"}
    for words in VERBS:
        for option in re.findall(r"`(--[a-z][a-z-]*)", section(words)):
            assert option in known, f"docs/cli.md documents {option} of {words}, which is not there"


def test_the_page_has_no_verb_that_is_not_there() -> None:
    assert set(re.findall(r"^## `([a-z-]+)`", PAGE, re.MULTILINE)) == set(VERBS)


@pytest.mark.parametrize("text", [PAGE, README], ids=["docs/cli.md", "README.md"])
def test_the_table_of_exit_codes_is_the_one_in_the_code(text: str) -> None:
    rows = re.findall(r"^\| (\d+) \| ", text, re.MULTILINE)
    assert [int(row) for row in rows] == [int(code) for code in ExitCode]


@pytest.mark.parametrize("name", VERBS)
def test_the_table_s_line_is_about_the_verb(name: str) -> None:
    # `import` is a word of Python's, and `run-script` no word of it: no module can be called so.
    assert VERBS[name].module == f"rena_graph.cli.{name.replace('-', '_')}" + ("_" if iskeyword(name) else "")
    assert VERBS[name].help.endswith(".")
    assert COMMANDS[name].name == name
