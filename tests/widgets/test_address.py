"""A link that the command writes opens the calculator at the same cards."""

from urllib.parse import urlsplit

import pytest

from llmcap_kernel import address, catalog, design
from llmcap_kernel.spec import Slo, Tail, Workload
from widgets.calculators import scorecard
from widgets.form import meaning

H100 = {"model": "llama-3.1-70b", "gpu": "h100-sxm", "tp": 2}
ASKED = {
    "the worked spec": (design.worked_spec(), design.WORKED_WORKLOAD, design.WORKED_SLO),
    "every option": (
        (
            catalog.deployment(
                **H100,
                pp=2,
                weights="fp8",
                kv="fp8",
                engine="sglang",
                memory_fraction=0.85,
                usd_h=1.25,
                max_num_seqs=64,
                max_num_batched_tokens=4096,
                max_model_len=9000,
                block_size=32,
                eager=True,
            ),
            catalog.deployment(
                model="deepseek-v3", gpu="h200-sxm", tp=8, ep=8, dp_attention=True
            ),
        ),
        Workload(6000, 700, 12, 5000),
        Slo(itl_s=0.0123, ttft_s=1.7, usd_h=12.5),
    ),
    "percentiles, four columns, no budget": (
        (
            catalog.deployment(model="llama-3.1-8b", gpu="apple-m3-max-64gb"),
            catalog.deployment(model="qwen3-32b", gpu="rtx-5090+rtx-4090", pp=2, weights="fp8"),
            catalog.deployment(model="gpt-oss-120b", gpu="mi300x"),
            catalog.deployment(model="llama-3.1-8b", gpu="l4"),
        ),
        Workload(1000, 100, 1),
        Slo(tails=(Tail("itl", 95, 0.05), Tail("ttft", 99, 2))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_the_calculator_reads_what_the_command_meant(name):
    columns, load, slo = ASKED[name]
    query = urlsplit(address.scorecard(columns, load, slo)).query
    state, messages = scorecard.FORM.parse(query)
    assert messages == []
    read = [meaning.deployment(state, f"{letter}.") for letter in "abcd"[: state["columns"]]]
    made = design.scorecard(read, meaning.load(state), meaning.limits(state))
    assert made.text() == design.scorecard(columns, load, slo).text()
    assert made.explain() == design.scorecard(columns, load, slo).explain()
