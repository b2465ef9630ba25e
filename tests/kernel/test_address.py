"""The links that the kernel writes: their stamps, and what no link can say.

That a calculator reads them as they are meant is in `tests/widgets/test_address.py`.
"""

from dataclasses import replace

import pytest

from llmcap_kernel import address, catalog, design
from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Slo, Tail

ONE = catalog.deployment(model="llama-3.1-8b", gpu="l4")


def test_a_stamp_follows_the_files_it_stands_for(tmp_path):
    one = tmp_path / "one.toml"
    one.write_text("date = 2026-05-01\n")
    before = address._hash([one])
    assert address._latest([one]) == "2026-05-01"
    one.write_text("date = 2026-05-02\n")
    assert address._latest([one]) == "2026-05-02"
    assert address._hash([one]) != before


def test_the_site_is_this_machine_or_the_one_that_is_named(monkeypatch):
    monkeypatch.delenv("LLMCAP_SITE", raising=False)
    assert address.site() == "http://127.0.0.1:8866"
    monkeypatch.setenv("LLMCAP_SITE", "https://llmcap.example.com/tools/")
    link = address.scorecard([ONE, ONE], WORKED_WORKLOAD, WORKED_SLO)
    assert link.startswith("https://llmcap.example.com/tools/apps/scorecard?v=5&")


def _own_card():
    catalog.add_gpu(catalog.read_gpu(catalog.gpu_file("l4").replace('"l4"', '"my-own-l4"', 1)))
    return catalog.deployment(model="llama-3.1-8b", gpu="my-own-l4")


@pytest.mark.parametrize(
    ("columns", "load", "slo", "said"),
    [
        ([ONE], {}, Slo(), "takes 2 to 4"),
        ([ONE] * 5, {}, Slo(), "takes 2 to 4"),
        ([ONE, ONE], {"shared_prefix_tokens": 10, "hit_share": 0.5}, Slo(), "some requests miss"),
        ([ONE, ONE], {}, Slo(usd_mtok=1), "one limit for the gap"),
        ([ONE, ONE], {}, Slo(itl_s=0.1, tails=(Tail("itl", 95, 0.2),)), "one limit for the gap"),
        ([ONE, ONE], {}, Slo(tails=(Tail("e2e", 95, 9),)), "one limit for the gap"),
        ([ONE, ONE], {}, Slo(tails=(Tail("itl", 75, 1),)), "limit on p75"),
        ([ONE, "own"], {}, Slo(), "card of your own"),
        ([ONE, replace(ONE, offload_share=0.5)], {}, Slo(), "offloading"),
    ],
)
def test_what_no_link_can_say_is_said(columns, load, slo, said):
    columns = [_own_card() if one == "own" else one for one in columns]
    with pytest.raises(BadInput, match=said):
        address.scorecard(columns, replace(WORKED_WORKLOAD, **load), slo)


def test_experts_split_otherwise_have_no_link():
    odd = replace(design.worked_spec()[2], ep=4)
    with pytest.raises(BadInput, match="ep is 4"):
        address.scorecard([odd, ONE], WORKED_WORKLOAD, WORKED_SLO)
