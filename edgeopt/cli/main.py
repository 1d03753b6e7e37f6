"""The `edgeopt` program: commands loaded when they are called, and one way out for every failure."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from types import TracebackType
from typing import NoReturn

import click

from edgeopt._version import __version__
from edgeopt.errors import BUG_EXIT_CODE, INTERRUPTED_EXIT_CODE, EdgeoptError, InputError, near_names

# command -> (where it is, what the group's help says of it); a test holds the help to the command's own
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("edgeopt.cli.init:command", "Write a commented edgeopt.toml for a model."),
    "inspect": ("edgeopt.cli.inspect:command", "Show what a model is and what it costs."),
    "convert": ("edgeopt.cli.convert:command", "Make a model of another format and prove that it computes the same."),
    "simplify": (
        "edgeopt.cli.simplify:command",
        "Make a graph simpler and prove that its outputs stay the same.",
    ),
    "quantize": ("edgeopt.cli.quantize:command", "Make an int8 model for a target and measure it."),
    "bench": (
        "edgeopt.cli.bench:command",
        "Measure latency, load time, throughput and memory, or estimate latency on a device that is not here.",
    ),
    "evaluate": ("edgeopt.cli.evaluate:command", "Measure accuracy on data."),
    "compare": ("edgeopt.cli.compare:command", "Compare two models on the same samples."),
    "diagnose": (
        "edgeopt.cli.diagnose:command",
        "Find which layer of a quantized model loses the signal, and why.",
    ),
    "gate": ("edgeopt.cli.gate:command", "Judge rules and say whether the model may ship."),
    "runs": ("edgeopt.cli.runs:command", "List, show and trace what was recorded."),
    "targets": ("edgeopt.cli.targets:command", "List, show and check device profiles."),
    "doctor": ("edgeopt.cli.doctor:command", "Say what is installed and what can be measured here."),
    "demo": ("edgeopt.cli.demo:command", "Run the main job on the model that ships."),
    "completion": ("edgeopt.cli.completion:command", "Print the script for tab completion."),
}


class LazyGroup(click.Group):
    """A group that imports a command when it is called, not when the program starts."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """The commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or a usage error that offers the near names."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise InputError(f"unknown command `{args[0]}`", hint=near_names(args[0], COMMANDS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        """The list of commands, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", message="edgeopt %(version)s")
def cli() -> None:
    """Make a trained model small and fast for a named target, measure it, and judge whether it may ship.

    Start with `edgeopt demo`, or `edgeopt quantize MODEL.onnx --data DATA.npz`.
    """


def main() -> NoReturn:
    """Run the program and exit with the code that its failure has."""
    sys.excepthook = _report_bug
    try:
        code = cli.main(standalone_mode=False, prog_name="edgeopt")
    except EdgeoptError as error:
        sys.exit(_fail(error.exit_code, error.message, error.hint))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(InputError.exit_code)
    except click.UsageError as error:
        usage = f"{error.ctx.command_path} --help" if error.ctx else "edgeopt --help"
        sys.exit(_fail(InputError.exit_code, error.format_message(), f"see `{usage}`"))
    except click.ClickException as error:
        sys.exit(_fail(InputError.exit_code, error.format_message(), ""))
    except (KeyboardInterrupt, click.Abort):
        sys.exit(_fail(INTERRUPTED_EXIT_CODE, "interrupted", ""))
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; nothing is left to say
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(code: int, message: str, hint: str) -> int:
    """Say what went wrong: a line on stderr, or with --json the document on stdout."""
    if "--json" in sys.argv:
        click.echo(json.dumps({"error": {"code": code, "message": message, "hint": hint}}, indent=2))
    click.echo(f"error: {_one_line(message)}", err=True)
    if hint:
        click.echo(f"hint: {_one_line(hint)}", err=True)
    return code


def _one_line(text: str) -> str:
    """Text without control characters or commands: names in hostile models carry escape codes."""
    from edgeopt.report.escape import printable

    return printable(" ".join(text.split()))


def _report_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What escapes everything else is a bug of ours; its traceback shows with -v."""
    if {"-v", "--verbose"} & set(sys.argv):
        sys.__excepthook__(kind, error, trace)
    _fail(BUG_EXIT_CODE, f"bug in edgeopt: {kind.__name__}: {error}", "run it again with -v and report what it prints")
