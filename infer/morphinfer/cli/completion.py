"""``morphinfer completion``: a script that makes a shell complete commands, options and values.

click completes by itself in zsh. The other shells give the line as it was typed: bash cuts a word such as
``--class layer=Neu`` at '=', and click cuts values for fish at commas.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

if TYPE_CHECKING:
    Item = CompletionItem[str]

VARIABLE = "_MORPHINFER_COMPLETE"
"""Set by the scripts: the command line then prints completions and does nothing else."""
BASH = r"""%(complete_func)s() {
    local response kind value
    response=$(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORD="$2" \
        %(complete_var)s=bash_complete "$1" 2> /dev/null)
    COMPREPLY=()
    while IFS=',' read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done <<< "$response"
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""
FISH = """function %(complete_func)s
    set -l response (env COMP_LINE=(commandline -cp) COMP_WORD=(commandline -ct) \\
        %(complete_var)s=fish_complete %(prog_name)s 2> /dev/null)
    for completion in $response
        set -l parts (string split -m 1 "," $completion)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                echo $parts[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""
POWERSHELL = r"""Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $line = $commandAst.ToString().PadRight($cursorPosition - $commandAst.Extent.StartOffset)
    $env:COMP_LINE = $line.Substring(0, $cursorPosition - $commandAst.Extent.StartOffset)
    $env:COMP_WORD = $wordToComplete
    $env:%(complete_var)s = 'powershell_complete'
    try {
        %(prog_name)s | ForEach-Object {
            $kind, $value = $_ -split ',', 2
            if ($kind -eq 'plain') {
                $typed = if ($value -match '\s') { "'$value'" } else { $value }
                [System.Management.Automation.CompletionResult]::new($typed, $value, 'ParameterValue', $value)
            }
        }
    } finally {
        Remove-Item Env:COMP_LINE, Env:COMP_WORD, Env:%(complete_var)s
    }
}
"""


class LineComplete(ShellComplete):
    """Completion from the line as it was typed, COMP_LINE, and the word as the shell cut it, COMP_WORD."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the incomplete one, without the name of the program, and that one."""
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        return words[1:], incomplete

    def complete(self) -> str:
        """A line for each completion: its kind and what stands in place of the cut word."""
        args, incomplete = self.get_completion_args()
        option, sign, _ = incomplete.partition("=")
        name = option + sign if sign and option.startswith("-") else ""  # click completes the value
        word = os.environ["COMP_WORD"]
        kept = len(incomplete) - len(word) if incomplete.endswith(word) else 0
        lines = (
            f"{item.type},{f'{name}{item.value}'[kept:]}"
            for item in self.get_completions(args, incomplete)
        )
        return "\n".join(lines)

    def format_completion(self, item: Item) -> str:
        """Unused: `complete` writes the lines."""
        return f"{item.type},{item.value}"


class BashComplete(LineComplete):
    """Completion in bash."""

    name = "bash"
    source_template = BASH


class FishLineComplete(LineComplete):
    """Completion in fish."""

    name = "fish"
    source_template = FISH


class PowerShellComplete(LineComplete):
    """Completion in PowerShell."""

    name = "powershell"
    source_template = POWERSHELL


SHELLS: dict[str, type[ShellComplete]] = {
    "bash": BashComplete,
    "zsh": ZshComplete,
    "fish": FishLineComplete,
    "powershell": PowerShellComplete,
}


def use_shells() -> None:
    """Let click complete for these shells, where one asks for it."""
    if VARIABLE in os.environ:
        for name, shell in SHELLS.items():
            add_completion_class(shell, name)


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands, options and values.

    \b
    bash        eval "$(morphinfer completion bash)", in ~/.bashrc (4.4 or later)
    zsh         eval "$(morphinfer completion zsh)", in ~/.zshrc after compinit
    fish        morphinfer completion fish > ~/.config/fish/completions/morphinfer.fish
    powershell  morphinfer completion powershell | Out-String | Invoke-Expression, in $PROFILE

    Completed are also model sets, channels of the slide, classes of the reference, and genes of the spots
    that the line names.
    """  # noqa: D301
    script = SHELLS[shell](ctx.find_root().command, {}, "morphinfer", VARIABLE)
    click.echo(script.source(), nl=False)
