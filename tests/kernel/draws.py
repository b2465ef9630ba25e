"""Random deployments and loads of the whole catalogue, the same for the same seed."""

import random
from dataclasses import replace

from llmcap_kernel import catalog
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Speculation, Workload

MODELS, GPUS, ENGINES = catalog.models(), catalog.gpus(), catalog.engines()
WEIGHTS, KV = catalog.formats(), catalog.formats(kv=True)


def _log(dice, low, high):
    """A whole number, as likely between 10 and 20 as between 1 000 and 2 000."""
    return round(low * (high / low) ** dice.random())


def deployment(dice):
    """Draw until the parts go together."""
    while True:
        tp = dice.choice((1, 1, 2, 4, 8, 16))
        try:
            drawn = catalog.deployment(
                model=dice.choice(MODELS),
                gpu=dice.choice(GPUS),
                engine=dice.choice(ENGINES),
                weights=dice.choice((None, None, *WEIGHTS)),
                kv=dice.choice(KV),
                tp=tp,
                pp=dice.choice((1, 1, 1, 2)),
                ep=dice.choice((1, 1, tp)),
                dp_attention=tp > 1 and dice.random() < 0.3,
                memory_fraction=dice.choice((None, 0.8, 0.95)),
                usd_h=dice.choice((None, 2.0)),
                offload_share=dice.choice((0.0, 0.0, 0.0, 0.3)),
            )
            if dice.random() < 0.1:
                drawn = replace(drawn, speculation=Speculation(_log(dice, 1, 8), dice.random()))
        except BadInput:
            continue
        return drawn


def load(dice):
    prompt = _log(dice, 16, 100_000)
    shared = dice.choice((0, 0, dice.randrange(prompt)))
    return Workload(prompt, _log(dice, 8, 8000), _log(dice, 1, 3000), shared)


def draws(seed, count):
    dice = random.Random(seed)
    for _ in range(count):
        yield deployment(dice), load(dice), dice
