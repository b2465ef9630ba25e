"""Hand-over to a cluster: the launch command as a manifest of Kubernetes.

Every kind holds the words of `handover.launch`, so a cluster starts what was predicted.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from ..refuse import BadInput, one_of
from ..spec import Deployment, Workload
from .handover import PORTS, Command, launch

IMAGES = {
    "vllm": "vllm/vllm-openai:v{version}",
    "sglang": "lmsysorg/sglang:v{version}",
    "trtllm": "nvcr.io/nvidia/tensorrt-llm/release:{version}",
    "llama.cpp": "ghcr.io/ggml-org/llama.cpp:server-cuda",
}
RESOURCES = {"amd": "amd.com/gpu", "intel": "gpu.intel.com/i915"}
SHARED_MEMORY = "16Gi"  # where the processes of a split model meet
TOKEN = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf-token", "key": "token"}}}
PLAIN = re.compile(r"[A-Za-z/][\w./ -]*")
WORDS_OF_YAML = ("true", "false", "null", "yes", "no", "on", "off", "~")


def manifest(
    deployment: Deployment,
    workload: Workload,
    kind: str = "kubernetes",
    *,
    copies: int = 1,
    model: str = "",
    prefix_cache: bool = True,
) -> str:
    """Write the manifest that starts a deployment on a cluster.

    Parameters
    ----------
    deployment : Deployment
        What to run.
    workload : Workload
        Its load.
    kind : str
        "kubernetes" (a Deployment and a Service), "kserve" (an LLMInferenceService), or
        "production-stack" (values of vLLM's chart).
    copies : int
        How many of it.
    model : str
        Checkpoint to run; the catalogue's if omitted.
    prefix_cache : bool
        Whether prompts that begin alike share their cache.

    Returns
    -------
    str
        YAML.

    Raises
    ------
    BadInput
        When there is no such kind, or it takes another engine.

    References
    ----------
    KServe 0.20, LLMInferenceService v1alpha2; vLLM production-stack, chart vllm-stack 0.1.12.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> print(manifest(b, Workload(7000, 1000, 16)).splitlines()[3])
    kind: Deployment
    """
    kind = one_of("kind", kind, KINDS)
    if kind != "kubernetes" and deployment.engine.family != "vllm":
        raise BadInput("kind", f"kind {kind} runs vLLM: kubernetes takes {deployment.engine.name}.")
    command = launch(deployment, workload, model=model, prefix_cache=prefix_cache)
    documents = KINDS[kind](deployment, command, copies)
    notes = "".join(f"# {note}\n" for note in command.notes)
    return "---\n".join(notes * (i == 0) + _yaml(one) for i, one in enumerate(documents))


def _name(d: Deployment) -> str:
    return re.sub(r"[^a-z0-9]+", "-", d.model.name.lower()).strip("-")[:50]


def _gpus(d: Deployment) -> dict[str, Any]:
    return {"limits": {RESOURCES.get(d.gpu.vendor, "nvidia.com/gpu"): str(d.num_gpus)}}


def _version(d: Deployment) -> str:
    return ".".join([*map(str, d.engine.release), "0"][:3])


def _container(d: Deployment, command: Command) -> dict[str, Any]:
    port = PORTS[d.engine.family]
    words = list(command.words)
    if command.files:  # written by the container itself before the engine reads them
        texts = [f"cat > {n} <<'END'\n{t}\nEND" for n, t in command.files.items()]
        words = ["sh", "-c", "\n".join([*texts, "exec " + " ".join(command.words)])]
    return {
        "name": "engine",
        "image": IMAGES[d.engine.family].format(version=_version(d)),
        "command": words,
        "env": [TOKEN],
        "ports": [{"containerPort": port}],
        "resources": _gpus(d),
        "startupProbe": {
            "httpGet": {"path": "/health", "port": port},
            "periodSeconds": 10,
            "failureThreshold": 180,
        },
        "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
    }


def _kubernetes(d: Deployment, command: Command, copies: int) -> list[dict[str, Any]]:
    name, port = _name(d), PORTS[d.engine.family]
    labels = {"app": name}
    pod = {
        "containers": [_container(d, command)],
        "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": SHARED_MEMORY}}],
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "replicas": copies,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": port}]},
        },
    ]


def _kserve(d: Deployment, command: Command, copies: int) -> list[dict[str, Any]]:
    split = {"tensor": d.tp // d.attention_replicas, "pipeline": d.pp}
    if d.attention_replicas > 1:
        split |= {"data": d.attention_replicas, "dataLocal": d.attention_replicas}
    parallel: dict[str, Any] = {name: n for name, n in split.items() if n > 1}
    if d.ep > 1:
        parallel["expert"] = True
    checkpoint, options = command.words[2], command.words[3:]
    # The service's own template splits the model; the rest goes to the engine as it is.
    theirs = ("--tensor-parallel-size", "--pipeline-parallel-size", "--data-parallel-size")
    rest = _without(options, theirs, ("--enable-expert-parallel",))
    main = {
        "name": "main",
        "env": [{"name": "VLLM_ADDITIONAL_ARGS", "value": " ".join(rest)}],
        "resources": _gpus(d),
    }
    spec = {
        "model": {"uri": f"hf://{checkpoint}", "name": checkpoint},
        "replicas": copies,
        "parallelism": parallel,
        "router": {"gateway": {}, "route": {}, "scheduler": {}},
        "template": {"containers": [main]},
    }
    return [
        {
            "apiVersion": "serving.kserve.io/v1alpha2",
            "kind": "LLMInferenceService",
            "metadata": {"name": _name(d)},
            "spec": {name: value for name, value in spec.items() if value != {}},
        }
    ]


def _production_stack(d: Deployment, command: Command, copies: int) -> list[dict[str, Any]]:
    named = {
        "--tensor-parallel-size": "tensorParallelSize",
        "--max-model-len": "maxModelLen",
        "--max-num-seqs": "maxNumSeqs",
        "--gpu-memory-utilization": "gpuMemoryUtilization",
    }
    words = command.words[3:]
    config: dict[str, Any] = {
        key: float(words[words.index(flag) + 1]) for flag, key in named.items() if flag in words
    }
    config = {key: int(v) if v == int(v) else v for key, v in config.items()}
    config["enablePrefixCaching"] = "--no-enable-prefix-caching" not in words
    config["extraArgs"] = _without(words, tuple(named), ("--no-enable-prefix-caching",))
    image, tag = IMAGES["vllm"].format(version=_version(d)).split(":")
    model = {
        "name": _name(d),
        "repository": image,
        "tag": tag,
        "modelURL": command.words[2],
        "replicaCount": copies,
        "requestGPU": d.num_gpus,
        "shmSize": SHARED_MEMORY,
        "hf_token": {"secretName": "hf-token", "secretKey": "token"},
        "vllmConfig": config,
    }
    return [{"servingEngineSpec": {"modelSpec": [model]}}]


def _without(
    words: tuple[str, ...], valued: tuple[str, ...], switches: tuple[str, ...]
) -> list[str]:
    """Options less some of them, and less their values."""
    out, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in valued:
            skip = True
        elif word not in switches:
            out.append(word)
    return out


KINDS: dict[str, Callable[[Deployment, Command, int], list[dict[str, Any]]]] = {
    "kubernetes": _kubernetes,
    "kserve": _kserve,
    "production-stack": _production_stack,
}


def _yaml(value: Any) -> str:
    return "\n".join(_lines(value, "")) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    """YAML in blocks; a text that could be read as anything else is quoted as JSON quotes it."""
    pairs = value.items() if isinstance(value, dict) else (("-", one) for one in value)
    for key, one in pairs:
        head = f"{indent}-" if key == "-" else f"{indent}{_scalar(key)}:"
        if not isinstance(one, (dict, list)) or not one:
            yield f"{head} {_scalar(one)}"
        elif key == "-":
            first, *rest = _lines(one, f"{indent}  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield head
            yield from _lines(one, f"{indent}  ")


def _scalar(value: Any) -> str:
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS_OF_YAML:
        return value
    return json.dumps(value)
