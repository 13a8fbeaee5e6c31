"""``rena-graph completion``: prints the script that makes a shell complete verbs, options and files."""

from __future__ import annotations

import click

from rena_graph.cli.group import COMPLETE_VARIABLE, PROGRAM, root
from rena_graph.cli.output import write_line

__all__ = ["command"]


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  rena-graph completion bash > ~/.local/share/bash-completion/completions/rena-graph
    zsh:   rena-graph completion zsh  > a file called _rena-graph in a folder of $fpath
    fish:  rena-graph completion fish > ~/.config/fish/completions/rena-graph.fish
    """
    from click.shell_completion import get_completion_class

    completer = get_completion_class(shell)
    assert completer is not None, f"click knows no completion for {shell}"
    write_line(completer(root, {}, PROGRAM, COMPLETE_VARIABLE).source())
