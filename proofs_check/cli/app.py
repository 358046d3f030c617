"""The group of commands, and the translation of what happened into an exit code."""

from __future__ import annotations

import atexit
import contextlib
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType

import click

from proofs_check.cli import errors
from proofs_check.cli.browse import list_claims, show_claim
from proofs_check.cli.figures import figures
from proofs_check.cli.numerics import sample, solve
from proofs_check.cli.replay import replay
from proofs_check.cli.sweep import sweep
from proofs_check.cli.threshold import threshold
from proofs_check.cli.verify import verify

PROGRAM = "proofs-check"
#: what a command keeps when it is stopped
KEPT = {"verify": "claims", "sweep": "cells"}


def print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the version and leave."""
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"{PROGRAM} {version('guidance-verifier')}")
        ctx.exit()


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 as expected, 1 not as expected, 2 bad input, 3 undecided, "
    "4 failure, 130 interrupted, 143 terminated.",
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


for _command in (verify, list_claims, show_claim, figures, solve, sample, sweep, replay, threshold):
    group.add_command(_command)


class StoppedError(BaseException):
    """A signal that asks the process to end."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


_interrupted = False


def on_interrupt(signum: int, frame: FrameType | None) -> None:
    """Interrupt, and remember it: an import that is cut short may report something else."""
    global _interrupted
    _interrupted = True
    raise KeyboardInterrupt


def on_stop(signum: int, frame: FrameType | None) -> None:
    """End as on an interrupt: workers are stopped, what is finished is kept."""
    raise StoppedError(signum)


def say(text: str) -> None:
    """Write a line on stderr, if it is still there."""
    with contextlib.suppress(OSError, ValueError):
        click.echo(text, err=True)


def stopped(how: str, arguments: Sequence[str]) -> None:
    """Say that the run was stopped and, where something is kept, how it goes on."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    line = f"{PROGRAM}: {how}"
    if command in KEPT:
        line += f"; finished {KEPT[command]} are kept; resume: {shlex.join([PROGRAM, *arguments])}"
    say(line)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    given, debug = list(arguments), "--debug" in arguments
    arguments = [word for word in given if word != "--debug"]  # it may stand anywhere
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
        stopped("interrupted", given)
        return errors.INTERRUPTED
    except StoppedError as error:
        stopped(f"stopped by {signal.Signals(error.signum).name}", given)
        return errors.SIGNALS + error.signum
    except click.ClickException as error:
        say(f"{PROGRAM}: error: {errors.one_line(errors.worded(error))}")
        return error.exit_code
    except BrokenPipeError:
        # Python flushes stdout once more at exit: give it a place to flush to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return errors.PIPE_CLOSED
    except Exception as error:
        if _interrupted:
            stopped("interrupted", given)
            return errors.INTERRUPTED
        if debug:
            traceback.print_exc()
        what = errors.one_line(f"{type(error).__name__}: {error}")
        say(f"{PROGRAM}: failure: {what}" + ("" if debug else " (--debug shows where)"))
        return errors.FAILURE


def leave(codes: list[int]) -> None:
    """End with the exit code of a run that a signal stopped.

    Python itself may end with another one, where the interrupt passed through an import.
    """
    if codes:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(codes[0])


def main() -> None:
    """Run the command line of this process and exit."""
    leaving: list[int] = []
    atexit.register(leave, leaving)  # the first to be registered is the last to be called
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started this process
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
    signal.signal(signal.SIGINT, on_interrupt)
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, on_stop)
    # The matrices are small and the work is shared among processes: threads inside BLAS would
    # only compete with them. It must be said before numpy is imported; workers inherit it.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    code = run(sys.argv[1:])
    if code > errors.SIGNALS:
        leaving.append(code)
    sys.exit(code)
