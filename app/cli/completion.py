"""`rowline completion`: the script by which a shell completes commands at the Tab key."""

import click
from click.shell_completion import get_completion_class

VARIABLE = "_ROWLINE_COMPLETE"
"""By which the shell's script asks; click reads it."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and queues at the Tab key.

    \b
    bash: eval "$(rowline completion bash)"        in ~/.bashrc
    zsh:  eval "$(rowline completion zsh)"         in ~/.zshrc
    fish: rowline completion fish | source         in ~/.config/fish/config.fish
    """  # noqa: D301 - click's sign for lines that stay as they are
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "rowline", VARIABLE).source())
