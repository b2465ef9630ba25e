"""Manifests: YAML that parses, holds the launch command, and comes back as the same deployment."""

import re
import shlex
from collections import Counter
from dataclasses import replace

import pytest
import yaml

from llmcap_kernel import catalog, design
from llmcap_kernel.design import handover, manifests
from llmcap_kernel.design.space import cannot_run
from llmcap_kernel.evidence import launch
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Workload

from .draws import draws
from .test_handover import has_options, says

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
    listens = [] if engine.startswith("vllm") else ["--host", "0.0.0.0"]
    words = [*command.words, *listens]
    assert said == words or f"exec {shlex.join(words)}" in said[-1]
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


def test_kserve_s_template_of_one_host_hands_on_the_tensor_parallel_degree_alone():
    """config/llmisvcconfig/config-llm-template.yaml at aaac4e2: the rest is for the variable."""
    c = replace(design.worked_spec()[2], dp_attention=True, ep=8)
    spec = yaml.safe_load(manifests.manifest(c, LOAD, "kserve"))["spec"]
    assert "parallelism" not in spec and "worker" not in spec
    (container,) = spec["template"]["containers"]
    extra = shlex.split(container["env"][0]["value"])
    assert extra[:3] == ["--data-parallel-size", "8", "--enable-expert-parallel"]
    assert "--max-num-seqs" in extra and "--tensor-parallel-size" not in extra
    dense = yaml.safe_load(manifests.manifest(B, LOAD, "kserve"))["spec"]
    assert dense["parallelism"] == {"tensor": 2}


def test_a_card_of_amd_is_asked_for_by_its_name():
    d = catalog.deployment(model="llama-3.1-70b", gpu="mi300x", weights="fp8")
    text = manifests.manifest(d, LOAD)
    assert 'amd.com/gpu: "1"' in text


def container_of(d, **more):
    (deployment, _) = yaml.safe_load_all(manifests.manifest(d, LOAD, **more))
    return deployment["spec"]["template"]["spec"]["containers"][0]


# What each vendor's device plugin calls its cards, from the plugins' own guides.
PLUGINS = [
    ("h100-sxm", "nvidia.com/gpu"), ("mi300x", "amd.com/gpu"), ("gaudi-3", "habana.ai/gaudi"),
    ("tpu-v6e", "google.com/tpu"), ("trainium2", "aws.amazon.com/neuron"),
    ("arc-pro-b60", "gpu.intel.com/xe"), ("max-1100", "gpu.intel.com/i915"),
    ("ascend-910b2", "huawei.com/Ascend910"),
]  # fmt: skip


@pytest.mark.parametrize(("gpu", "plugin"), PLUGINS)
def test_cards_by_the_name_of_their_plugin(gpu, plugin):
    d = catalog.deployment(model="llama-3.1-8b", gpu=gpu)
    assert container_of(d)["resources"]["limits"] == {plugin: "1"}
    assert launch.read(manifests.manifest(d, LOAD)).num_gpus == 1


def test_images_are_of_the_card_s_vendor_or_asked_for():
    def image(gpu, engine="vllm-0.33"):
        return container_of(catalog.deployment(model="llama-3.1-8b", gpu=gpu, engine=engine))[
            "image"
        ]

    assert image("h100-sxm") == "vllm/vllm-openai:v0.33.0"
    assert image("mi300x") == "vllm/vllm-openai-rocm:v0.33.0"
    # the version whose options the command is written with, and not the first of its line
    assert image("h100-sxm", "sglang-0.5") == "lmsysorg/sglang:v0.5.23"
    assert image("mi355x", "sglang-0.5").endswith("v0.5.23-rocm720-mi35x")
    assert image("gaudi-3") == "YOUR_IMAGE_OF_vllm_FOR_gaudi-3"
    text = manifests.manifest(catalog.deployment(model="llama-3.1-8b", gpu="gaudi-3"), LOAD)
    assert "# put an image of vllm for" in text


def test_amd_s_kernels_are_turned_on():
    """docs.vllm.ai, AMD's guide: AITER is off unless VLLM_ROCM_USE_AITER is 1."""
    d = catalog.deployment(model="llama-3.1-70b", gpu="mi300x", weights="fp8")
    assert {"name": "VLLM_ROCM_USE_AITER", "value": "1"} in container_of(d)["env"]
    text = handover.launch(d, LOAD).text
    assert "\nVLLM_ROCM_USE_AITER=1 vllm serve" in text and launch.read(text).tp == 1


def test_a_pod_can_be_reached_keeps_its_weights_and_has_time_to_fetch_them():
    big = catalog.deployment(model="llama-3.1-405b", gpu="h200-sxm", tp=8)
    container = container_of(big)
    patience = container["startupProbe"]["failureThreshold"] * 10
    weights = 811.6e9  # 405.8 billion weights in 16 bits
    assert patience == pytest.approx(900 + weights / 250e6, rel=0.02)
    assert container["readinessProbe"]["httpGet"]["path"] == "/health"
    mounts = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
    assert mounts == {"shm": "/dev/shm", "models": "/models"}
    assert {"name": "HF_HOME", "value": "/models"} in container["env"]
    (secret,) = (e["valueFrom"]["secretKeyRef"] for e in container["env"] if "valueFrom" in e)
    assert secret == {"name": "hf-token", "key": "token", "optional": True}
    text = manifests.manifest(big, LOAD)
    said = next(line for line in text.splitlines() if "volume claim" in line)
    size = float(re.search(r"of ([\d,]+) GB", said).group(1).replace(",", ""))
    assert size == pytest.approx(weights * 1.1 / 1e9, rel=0.01)
    gguf = {"weights": "gguf-q4-k-m", "engine": "llama.cpp", "gpu": "l4"}
    words = container_of(catalog.deployment(model="llama-3.1-8b", **gguf))["command"]
    assert words[:3] == ["/app/llama-server", "-m", "/models/Llama-3.1-8B-Instruct-Q4_K_M.gguf"]
    assert words[-2:] == ["--host", "0.0.0.0"]  # a server listens to its own host else


def test_values_of_the_chart_are_all_that_it_requires():
    """helm/templates/_helpers.tpl and deployment-vllm-multi.yaml at a6c01db: `required` values."""
    d = catalog.deployment(model="llama-3.1-405b", gpu="h200-sxm", tp=8)
    text = manifests.manifest(d, LOAD, "production-stack", copies=2)
    spec = yaml.safe_load(text)["servingEngineSpec"]
    (model,) = spec["modelSpec"]
    assert {"repository", "tag", "requestCPU", "requestMemory", "requestGPU"} <= model.keys()
    assert isinstance(model["requestCPU"], int) and model["requestMemory"].endswith("Gi")
    patience = spec["startupProbe"]["failureThreshold"] * spec["startupProbe"]["periodSeconds"]
    assert patience == pytest.approx(900 + 811.6e9 / 250e6, rel=0.02)  # the chart's own is 600 s
    assert model["pvcAccessMode"] == ["ReadWriteMany"]  # two copies, one claim
    assert int(model["pvcStorage"].removesuffix("Gi")) > 811.6e9 / 2**30


SPREAD = {"model": "llama-3.1-405b", "gpu": "h100-sxm", "tp": 8, "pp": 2}


@pytest.mark.parametrize("engine", ["vllm-0.33", "sglang-0.5"])
def test_a_model_over_two_hosts_is_a_pod_on_each(engine):
    d = catalog.deployment(engine=engine, **SPREAD)
    group, service = yaml.safe_load_all(manifests.manifest(d, LOAD, copies=2))
    assert (group["kind"], group["spec"]["replicas"]) == ("LeaderWorkerSet", 2)
    template = group["spec"]["leaderWorkerTemplate"]
    leader, worker = (
        template[f"{who}Template"]["spec"]["containers"][0] for who in ("leader", "worker")
    )
    assert template["size"] == 2
    assert leader["resources"]["limits"] == worker["resources"]["limits"] == {"nvidia.com/gpu": "8"}
    rank = leader["command"].index("--node-rank") + 1
    assert leader["command"][rank] == worker["command"][rank] == "$(LWS_WORKER_INDEX)"
    assert ("--headless" in worker["command"]) == engine.startswith("vllm")
    assert "startupProbe" in leader and "startupProbe" not in worker  # only the first answers
    labels = template["leaderTemplate"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels != template["workerTemplate"]["metadata"]["labels"]


def test_replicas_of_attention_over_two_hosts():
    d = catalog.deployment(
        model="deepseek-v3", gpu="h200-sxm", tp=16, ep=16, dp_attention=True, engine="vllm-0.33"
    )
    group, _ = yaml.safe_load_all(manifests.manifest(d, LOAD))
    template = group["spec"]["leaderWorkerTemplate"]["workerTemplate"]
    (_, _, script) = template["spec"]["containers"][0]["command"]
    assert "--data-parallel-size 16" in script and "--data-parallel-size-local 8" in script
    assert script.endswith("--headless --data-parallel-start-rank $((LWS_WORKER_INDEX * 8))")
    spec = yaml.safe_load(manifests.manifest(d, LOAD, "kserve"))["spec"]
    assert spec["parallelism"] == {"data": 16, "dataLocal": 8, "expert": True}
    assert spec["worker"]["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "8"}


def test_what_no_kind_spreads_over_hosts_is_refused():
    d = catalog.deployment(engine="vllm-0.33", **SPREAD)
    with pytest.raises(BadInput, match="production-stack starts a copy on one host"):
        manifests.manifest(d, LOAD, "production-stack")
    # no template of KServe's starts a pipeline over hosts, and a service takes one of the two
    with pytest.raises(BadInput, match="kserve spreads replicas of attention alone over hosts"):
        manifests.manifest(d, LOAD, "kserve")
    with pytest.raises(BadInput, match=r"runs trtllm-1\.0 on one host"):
        manifests.manifest(catalog.deployment(engine="trtllm-1.0", **SPREAD), LOAD)
    laptop = catalog.deployment(model="llama-3.1-8b", gpu="apple-m4-max", engine="llama.cpp")
    with pytest.raises(BadInput, match="gpu apple-m4-max is in no container"):
        manifests.manifest(laptop, LOAD)


# docs.docker.com/compose/how-tos/gpu-support; rocm.docs.amd.com, "Accessing GPUs in containers".
COMPOSED = {"nvidia": "deploy", "amd": "group_add", "intel": "devices"}


@pytest.mark.parametrize(("gpu", "key"), [("h100-sxm", "deploy"), ("mi300x", "group_add")])
def test_copies_in_containers_of_one_host_have_cards_of_their_own(gpu, key):
    """Replicas of one service would all be given the first cards."""
    d = replace(B, gpu=catalog.gpu(gpu))
    services = yaml.safe_load(manifests.manifest(d, LOAD, "compose", copies=3))["services"]
    assert list(services) == [f"llama-3-1-70b-{n}" for n in (1, 2, 3)]
    assert [one["ports"] for one in services.values()] == [[f"800{n}:8000"] for n in range(3)]
    command = handover.launch(d, LOAD)
    for n, one in enumerate(services.values()):
        assert (*one["entrypoint"], *one["command"]) == command.words
        assert key in one and one["environment"].items() >= dict(command.env).items()
        if key == "deploy":
            (cards,) = one["deploy"]["resources"]["reservations"]["devices"]
            assert cards["device_ids"] == [str(2 * n), str(2 * n + 1)]
        else:
            assert one["environment"]["ROCR_VISIBLE_DEVICES"] == f"{2 * n},{2 * n + 1}"
    with pytest.raises(BadInput, match="10 cards are more than the 8 of one"):
        manifests.manifest(d, LOAD, "compose", copies=5)
    with pytest.raises(BadInput, match="cards of NVIDIA, AMD and Intel, and tpu-v6e is of google"):
        tpu = catalog.deployment(model="llama-3.1-8b", gpu="tpu-v6e")
        manifests.manifest(tpu, LOAD, "compose")


def test_random_deployments_come_back_from_their_manifests():
    read_back = Counter()
    for d, load, _ in draws(seed=5, count=1500):
        replicas = d.engine.family == "vllm" and d.dp_attention and not d.model.experts
        if replicas or not has_options(d) or d.gpu.vendor == "apple" or cannot_run(d.engine, d.gpu):
            continue
        kinds = manifests.KINDS if d.engine.family == "vllm" else ("kubernetes", "compose")
        for kind in kinds:
            try:
                text = manifests.manifest(d, load, kind)
            except BadInput:
                known = kind != "compose" or d.gpu.vendor in (*COMPOSED, "x86")
                assert handover.hosts(d) > 1 or not known
                continue
            found = launch.read(text)
            read = launch.deployment(found, gpu=d.gpu, model=d.model, engine=d.engine.name)
            assert not found.unknown and says(read) == says(d, load.context_tokens), text
            read_back[kind, d.engine.family] += 1
    assert all(read_back[kind, "vllm"] > 40 for kind in manifests.KINDS)
    others = ("sglang", "trtllm", "llama.cpp")
    assert all(read_back[kind, n] >= 3 for kind in ("kubernetes", "compose") for n in others)


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
