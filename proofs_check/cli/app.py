"""The group of commands, and the translation of what happened into an exit code."""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Sequence

import click

from proofs_check.cli import errors
from proofs_check.cli.browse import list_claims, show_claim
from proofs_check.cli.figures import figures
from proofs_check.cli.numerics import sample, solve
from proofs_check.cli.verify import verify

PROGRAM = "proofs-check"


def print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the version and leave."""
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"{PROGRAM} {version('guidance-verifier')}")
        ctx.exit()


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 as expected, 1 not as expected, 2 bad input, 3 undecided, "
    "4 failure, 130 interrupted.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_version,
    help="Show the version.",
)
def group(debug: bool) -> None:
    """Verify theorems on guided diffusion sampling of Gaussian mixtures.

    State a guided sampler on a mixture; its density equation is solved, its sampler is run, the
    two are compared, and each theorem gets a verdict with an error bar.
    """


for _command in (verify, list_claims, show_claim, figures, solve, sample):
    group.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        with group.make_context(PROGRAM, list(arguments)) as context:
            code = group.invoke(context)
        sys.stdout.flush()
        return int(code or 0)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return errors.BAD_INPUT
    except (KeyboardInterrupt, click.Abort):
        line = shlex.join([PROGRAM, *arguments])
        click.echo(f"{PROGRAM}: interrupted; finished claims are kept; resume: {line}", err=True)
        return errors.INTERRUPTED
    except click.ClickException as error:
        click.echo(f"{PROGRAM}: error: {errors.one_line(error.format_message())}", err=True)
        return error.exit_code
    except BrokenPipeError:
        # Python flushes stdout once more at exit: give it a place to flush to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return errors.PIPE_CLOSED
    except Exception as error:
        if "--debug" in arguments:
            traceback.print_exc()
        what = errors.one_line(f"{type(error).__name__}: {error}")
        click.echo(f"{PROGRAM}: failure: {what} (--debug shows where)", err=True)
        return errors.FAILURE


def main() -> None:
    """Run the command line of this process and exit."""
    # The matrices are small and the work is shared among processes: threads inside BLAS would
    # only compete with them. It must be said before numpy is imported; workers inherit it.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    sys.exit(run(sys.argv[1:]))
