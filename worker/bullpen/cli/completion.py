"""`bullpen completion`: what a shell needs to complete commands, options and queue names."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion of SHELL: commands, options, and the names of the queues in Redis.

    \b
    bash  in ~/.bashrc: eval "$(bullpen completion bash)"
    zsh   in ~/.zshrc: eval "$(bullpen completion zsh)"
    fish  in ~/.config/fish/completions/bullpen.fish: bullpen completion fish | source
    """
    from click.shell_completion import get_completion_class

    from bullpen.cli.command import bullpen_command

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows the three
    click.echo(kind(bullpen_command, {}, "bullpen", "_BULLPEN_COMPLETE").source())
