"""What a batch script of Slurm asks for, and the variables that Slurm sets from it.

Options: Slurm's `sbatch` page. Of its output variables those that tell nodes and their cards.
"""

import re
from typing import NamedTuple

from ...catalog import names

LINE = re.compile(r"^[ \t]*#SBATCH[ \t]+([^#\n]{1,300})", re.M)
NODES = re.compile(r"(?:^|\s)(?:--nodes[= ]|-N ?)(\d{1,4})\b")
# Of each node, and of all of them.
CARDS = re.compile(
    r"(?:^|\s)(?:--gres[= ]gpu:|--gpus-per-node[= ])"
    r"(?:([A-Za-z][\w.-]{0,40})(?::|(?=\s|$)))?(\d{1,3})?"
)
ALL_CARDS = re.compile(r"(?:^|\s)(?:--gpus[= ]|-G ?)(?:([A-Za-z][\w.-]{0,40}):)?(\d{1,4})\b")


class Job(NamedTuple):
    """What a batch script asks for.

    Attributes
    ----------
    nodes : int
        Nodes; 1 where it does not say.
    cards : int
        Cards of a node; 0 where it does not say.
    gpu : str
        Their name, where it is one that the catalogue knows.
    """

    nodes: int = 1
    cards: int = 0
    gpu: str = ""

    @property
    def env(self) -> dict[str, str]:
        """The variables that Slurm sets."""
        of_nodes = dict.fromkeys(("SLURM_NNODES", "SLURM_JOB_NUM_NODES"), str(self.nodes))
        each = ("SLURM_GPUS_ON_NODE", "SLURM_GPUS_PER_NODE")
        all_of_them = {"SLURM_GPUS": str(self.nodes * self.cards)}
        return of_nodes | (dict.fromkeys(each, str(self.cards)) | all_of_them if self.cards else {})


def job(text: str) -> Job | None:
    """Read the lines of a batch script that ask for nodes and cards.

    Parameters
    ----------
    text : str
        The script.

    Returns
    -------
    Job or None
        What it asks for; None for a text that is no such script.

    Examples
    --------
    >>> job("#SBATCH -N 2\\n#SBATCH --gres=gpu:h100:8\\n"), job("vllm serve a/b")
    (Job(nodes=2, cards=8, gpu='h100'), None)
    """
    asked = " ".join(LINE.findall(text))
    if not asked:
        return None
    nodes = NODES.search(asked)
    many = int(nodes[1]) if nodes else 1
    each, whole = CARDS.search(asked), ALL_CARDS.search(asked)
    found = each or whole
    if found is None:
        return Job(many)
    cards = int(found[2] or 1) if each else max(int(found[2]) // max(many, 1), 1)
    known = found[1] and names.card(found[1]).name  # a cluster may call its cards as it likes
    return Job(many, cards, found[1] if known else "")
