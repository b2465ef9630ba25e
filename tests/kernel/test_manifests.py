"""Manifests: YAML that parses, holds the launch command, and comes back as the same deployment."""

from dataclasses import replace

import pytest
import yaml

from llmcap_kernel import catalog, design
from llmcap_kernel.design import handover, manifests
from llmcap_kernel.evidence import launch
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Workload

LOAD = Workload(7000, 1000, 16)
B = design.worked_spec()[1]


@pytest.mark.parametrize("engine", ["vllm-0.33", "sglang-0.5.9", "trtllm-1.0"])
def test_kubernetes_runs_the_command_on_as_many_cards(engine):
    d = replace(B, engine=catalog.engine(engine))
    deployment, service = yaml.safe_load_all(manifests.manifest(d, LOAD, copies=3))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert deployment["spec"]["replicas"] == 3
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "2"}
    command = handover.launch(d, LOAD)
    said = container["command"]
    assert said == list(command.words) or " ".join(command.words) in said[-1]
    port = container["ports"][0]["containerPort"]
    assert service["spec"]["ports"][0]["targetPort"] == port
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]


@pytest.mark.parametrize("kind", manifests.KINDS)
def test_a_manifest_is_read_back_as_what_it_runs(kind):
    text = manifests.manifest(replace(B, max_num_seqs=64), LOAD, kind, copies=2)
    found = launch.read(text)
    assert not found.unknown
    assert (found.engine, found.tp, found.num_gpus) == ("vllm", 2, 2)
    assert (found.max_model_len, found.max_num_seqs) == (8000, 64)
    assert found.memory_fraction == B.fraction
    read = launch.deployment(found, gpu="h100-sxm")
    assert read.title == B.title


def test_replicas_of_attention_are_kserve_s_data_parallelism():
    c = replace(design.worked_spec()[2], dp_attention=True, ep=8)
    spec = yaml.safe_load(manifests.manifest(c, LOAD, "kserve"))["spec"]
    assert spec["parallelism"] == {"data": 8, "dataLocal": 8, "expert": True}
    extra = spec["template"]["containers"][0]["env"][0]["value"]
    assert "parallel" not in extra and "--max-num-seqs" in extra


def test_a_card_of_amd_is_asked_for_by_its_name():
    d = catalog.deployment(model="llama-3.1-70b", gpu="mi300x", weights="fp8")
    text = manifests.manifest(d, LOAD)
    assert 'amd.com/gpu: "1"' in text


def test_what_a_kind_does_not_run_is_refused():
    with pytest.raises(BadInput, match="kserve runs vLLM: kubernetes takes sglang"):
        manifests.manifest(replace(B, engine=catalog.engine("sglang-0.5")), LOAD, "kserve")
    with pytest.raises(BadInput, match="Did you mean kserve"):
        manifests.manifest(B, LOAD, "kserv")


@pytest.mark.parametrize(
    "text", ["yes", "1e3", "a: b", "- x", "", "#no", "0x1f", "null", "~", "ok"]
)
def test_a_text_stays_a_text(text):
    assert yaml.safe_load(manifests._yaml({"key": [text]})) == {"key": [text]}
