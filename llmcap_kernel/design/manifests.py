"""Hand-over to a cluster or to a host's containers: the launch command as a manifest.

Every kind contains the command of `handover.launch`, so that what was predicted is started.
"""

import json
import math
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

from .. import capacity, catalog
from ..explain import GIB, counted
from ..refuse import BadInput, one_of
from ..spec import Deployment, Gpu, Workload
from .handover import HEAD, OTHERS, PORTS, Command, hosts, launch

# Images that the engines' projects publish, by engine and vendor of the card.
IMAGES = {
    ("vllm", "nvidia"): "vllm/vllm-openai:v{version}",
    ("vllm", "amd"): "vllm/vllm-openai-rocm:v{version}",
    ("vllm", "google"): "vllm/vllm-tpu:v{version}",
    ("sglang", "nvidia"): "lmsysorg/sglang:v{version}",
    ("trtllm", "nvidia"): "nvcr.io/nvidia/tensorrt-llm/release:{version}",
    ("llama.cpp", "nvidia"): "ghcr.io/ggml-org/llama.cpp:server-cuda",
    ("llama.cpp", "amd"): "ghcr.io/ggml-org/llama.cpp:server-rocm",
    ("llama.cpp", "intel"): "ghcr.io/ggml-org/llama.cpp:server-intel",
    ("llama.cpp", "x86"): "ghcr.io/ggml-org/llama.cpp:server",
}
# SGLang's images for AMD, by the generation of the card.
SGLANG_ROCM = {"cdna3": "rocm720-mi30x", "cdna4": "rocm720-mi35x"}
# Resource names of the vendors' device plugins, by family or vendor.
RESOURCES = {
    "amd": "amd.com/gpu",
    "aws": "aws.amazon.com/neuron",
    "gaudi2": "habana.ai/gaudi",
    "gaudi3": "habana.ai/gaudi",
    "google": "google.com/tpu",
    "huawei": "huawei.com/Ascend910",
    "intel": "gpu.intel.com/xe",
    "nvidia": "nvidia.com/gpu",
    "xe-hpc": "gpu.intel.com/i915",
    "xe-hpg": "gpu.intel.com/i915",
}
SHARED_MEMORY = "16Gi"  # for communication between the processes of a split model
# A public checkpoint needs no token, so the secret may be missing.
TOKEN = {
    "name": "HF_TOKEN",
    "valueFrom": {"secretKeyRef": {"name": "hf-token", "key": "token", "optional": True}},
}
MODELS = "/models"  # a volume for weights, so that a restart does not download them again
# Guesses: weights are downloaded at 2 Gbit/s, and kernels and graphs take a quarter of an hour.
FETCH_BYTES_S, WARM_UP_S, PROBE_S = 250e6, 900, 10
ROOM = 1.1  # size of the volume claim over that of the weights
MB, GB = 1e6, 1e9
# CPUs and memory that a pod requests for processes and buffers, without offloaded weights.
CPUS, CPUS_OF_CARD, MEMORY_GIB, MEMORY_OF_CARD_GIB = 4, 2, 16, 8
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
    """Write the manifest that starts a deployment on a cluster, or in containers of a host.

    Parameters
    ----------
    deployment : Deployment
        What to run.
    workload : Workload
        Its load.
    kind : str
        "kubernetes" (a Deployment and a Service), "kserve" (an LLMInferenceService),
        "production-stack" (values of vLLM's chart), or "compose" (a service of Docker Compose for
        each copy).
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
    KServe 0.20, LLMInferenceService v1alpha2 and its templates at aaac4e2; vLLM production-stack,
    chart vllm-stack 0.1.12 at a6c01db; LeaderWorkerSet 0.6; docs.docker.com/compose/how-tos/
    gpu-support.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> b = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> print(manifest(b, Workload(7000, 1000, 16)).splitlines()[2])
    # needs a volume claim named models of 80 GB, which all copies can mount
    """
    kind = one_of("kind", kind, KINDS)
    if kind in OF_VLLM and deployment.engine.family != "vllm":
        raise BadInput("kind", f"kind {kind} runs vLLM: kubernetes takes {deployment.engine.name}.")
    if deployment.gpu.vendor == "apple":
        raise BadInput(
            "gpu", f"gpu {deployment.gpu.name} is in no container: run the command on it."
        )
    command = launch(deployment, workload, model=model, prefix_cache=prefix_cache)
    documents = KINDS[kind](deployment, command, copies)
    requirements = _needs(deployment, kind)
    automatic = (HEAD, OTHERS)  # what the manifest does itself
    kept_notes = [note for note in command.notes if not any(word in note for word in automatic)]
    notes = "".join(f"# {note}\n" for note in (*kept_notes, *requirements))
    return "---\n".join(notes * (i == 0) + _yaml(document) for i, document in enumerate(documents))


def _name(d: Deployment) -> str:
    return re.sub(r"[^a-z0-9]+", "-", d.model.name.lower()).strip("-")[:50]


def _place(gpu: Gpu) -> str:
    """Name the vendor whose device plugin and images apply; "x86" for a processor."""
    return "x86" if gpu.family == "x86" else gpu.vendor


def _gpus(d: Deployment) -> dict[str, Any]:
    """Write the card limits of one pod, which is on one host."""
    if _place(d.gpu) == "x86":
        return {}
    name = RESOURCES.get(d.gpu.family) or RESOURCES[d.gpu.vendor]
    return {"limits": {name: str(math.ceil(d.num_gpus / hosts(d)))}}


def _image(d: Deployment) -> str:
    family, place, version = d.engine.family, _place(d.gpu), _version(d)
    if family == "sglang" and d.gpu.family in SGLANG_ROCM:
        return f"lmsysorg/sglang:v{version}-{SGLANG_ROCM[d.gpu.family]}"
    template = IMAGES.get((family, place))
    return (
        template.format(version=version) if template else f"YOUR_IMAGE_OF_{family}_FOR_{d.gpu.name}"
    )


def _version(d: Deployment) -> str:
    # SGLang's command is written for the newest of its records
    engine = catalog.engine("sglang") if d.engine.family == "sglang" else d.engine
    return ".".join([*map(str, engine.release), "0"][:3])


def _weights_bytes(d: Deployment) -> float:
    return capacity.ledger(d, context_tokens=1).weights_bytes * d.num_gpus


def _probes(d: Deployment) -> int:
    """Count the startup probes that may fail before the pod is restarted."""
    return math.ceil((WARM_UP_S + _weights_bytes(d) / FETCH_BYTES_S) / PROBE_S)


SECRET = "needs a secret hf-token with the key token, where the checkpoint is not public"


def _needs(d: Deployment, kind: str) -> Iterator[str]:
    """Note what the cluster must have before, and what was guessed."""
    if kind == "kserve":
        yield "a checkpoint that is not public needs the token where KServe fetches it"
        return
    size = math.ceil(_weights_bytes(d) / GB * ROOM)
    if kind == "kubernetes":
        yield f"needs a volume claim named models of {size:,} GB, which all copies can mount"
    if kind == "compose":
        yield f"weights stay in the folder models beside it: {size:,} GB"
        yield "a checkpoint that is not public needs the token in HF_TOKEN"
        yield from _own_image(d)
        return
    yield SECRET
    wait_minutes, mb_s = math.ceil(_probes(d) * PROBE_S / 60), FETCH_BYTES_S / MB
    yield f"waits {wait_minutes:,} minutes for a start: a guess, with {mb_s:,.0f} MB/s of weights"
    if kind == "production-stack":
        yield "requestCPU and requestMemory are a guess: take what your hosts have for each card"
        return
    if "-rocm" in _image(d) and d.engine.family == "sglang":
        yield f"check that {_image(d)} has been built: its tags are by ROCm's release too"
    yield from _own_image(d)
    if hosts(d) > 1:
        yield "needs LeaderWorkerSet 0.6 or later"


def _own_image(d: Deployment) -> Iterator[str]:
    """Note that the image is the reader's own, where no project publishes one."""
    if _image(d).startswith("YOUR_IMAGE"):
        yield f"put an image of {d.engine.family} for {d.gpu.title} in place of {_image(d)}"


# Path of an engine's program in its image, and options to listen on all interfaces.
PROGRAM = {"llama-server": "/app/llama-server"}
LISTEN = dict.fromkeys(("sglang", "trtllm", "llama.cpp"), ("--host", "0.0.0.0"))


def _in_a_pod(d: Deployment, command: Command) -> list[str]:
    """Adapt the command to a container: paths of its program and file, and the listen address."""
    program, *words = command.words
    if d.engine.family == "llama.cpp":
        file_index = words.index("-m") + 1
        words[file_index] = f"{MODELS}/{words[file_index]}"
    listen_options = LISTEN.get(d.engine.family, ())
    return [PROGRAM.get(program, program), *words, *listen_options]


def _container(d: Deployment, command: Command, words: list[str]) -> dict[str, Any]:
    port = PORTS[d.engine.family]
    if command.files:  # the container writes them before it starts the engine
        texts = [f"cat > {n} <<'END'\n{t}\nEND" for n, t in command.files.items()]
        words = ["sh", "-c", "\n".join([*texts, "exec " + shlex.join(words)])]
    probe = {"httpGet": {"path": "/health", "port": port}, "periodSeconds": PROBE_S}
    variables = {"HF_HOME": MODELS, **command.env}
    resources = _gpus(d)
    return {
        "name": "engine",
        "image": _image(d),
        "command": words,
        "env": [TOKEN, *({"name": name, "value": value} for name, value in variables.items())],
        "ports": [{"containerPort": port}],
        **({"resources": resources} if resources else {}),
        "startupProbe": probe | {"failureThreshold": _probes(d)},
        "readinessProbe": probe,
        "livenessProbe": probe | {"failureThreshold": 6},
        "volumeMounts": [
            {"name": "shm", "mountPath": "/dev/shm"},
            {"name": "models", "mountPath": MODELS},
        ],
    }


def _pod(container: dict[str, Any]) -> dict[str, Any]:
    return {
        "containers": [container],
        "volumes": [
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": SHARED_MEMORY}},
            {"name": "models", "persistentVolumeClaim": {"claimName": "models"}},
        ],
    }


def _service(name: str, selector: dict[str, str], port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": selector, "ports": [{"port": 80, "targetPort": port}]},
    }


def _kubernetes(d: Deployment, command: Command, copies: int) -> list[dict[str, Any]]:
    if hosts(d) > 1:
        return _over_hosts(d, command, copies)
    name = _name(d)
    labels = {"app": name}
    pod = _pod(_container(d, command, _in_a_pod(d, command)))
    spec = {
        "replicas": copies,
        # a surge copy would wait for cards that the old copy still has
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
        },
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment"}
    return [
        deployment | {"metadata": {"name": name}, "spec": spec},
        _service(name, labels, PORTS[d.engine.family]),
    ]


# Variables that LeaderWorkerSet sets in each pod, as Kubernetes fills them into a command.
LEADER, RANK = "$(LWS_LEADER_ADDRESS)", "$(LWS_WORKER_INDEX)"


def _over_hosts(d: Deployment, command: Command, copies: int) -> list[dict[str, Any]]:
    """Write a LeaderWorkerSet: one pod per host, of which the leader serves requests."""
    if d.engine.family not in ("vllm", "sglang") or "ray" in command.words:
        raise BadInput(
            "kind",
            f"kind kubernetes runs {d.engine.name} on one host, and {d.num_gpus} {d.gpu.name} are "
            f"in {hosts(d)}: take vLLM from 0.12 or SGLang, or start each host yourself.",
        )
    leader, worker = (_of_host(d, command, leader_container) for leader_container in (True, False))
    name, port = _name(d), PORTS[d.engine.family]
    leader_container = _container(d, command, leader)
    worker_container = {
        k: v for k, v in _container(d, command, worker).items() if not k.endswith("Probe")
    }
    labels = {"app": name, "role": "leader"}
    template = {
        "size": hosts(d),
        "restartPolicy": "RecreateGroupOnPodRestart",
        "leaderTemplate": {"metadata": {"labels": labels}, "spec": _pod(leader_container)},
        "workerTemplate": {"metadata": {"labels": {"app": name}}, "spec": _pod(worker_container)},
    }
    group = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": name},
        "spec": {"replicas": copies, "leaderWorkerTemplate": template},
    }
    return [group, _service(name, labels, port)]


def _of_host(d: Deployment, command: Command, is_leader: bool) -> list[str]:
    """Write the command of the leader, or of a worker."""
    words = [word.replace(HEAD, LEADER) for word in _in_a_pod(d, command)]
    if "--node-rank" in words:
        words[words.index("--node-rank") + 1] = RANK
    if is_leader or d.engine.family == "sglang":
        return words
    words.append("--headless")
    if "--data-parallel-size-local" in words:
        per_host = words[words.index("--data-parallel-size-local") + 1]
        start = f"exec {shlex.join(words)} --data-parallel-start-rank"
        words = ["sh", "-c", f"{start} $((LWS_WORKER_INDEX * {per_host}))"]
    return words


# Options that KServe's templates set themselves (config/llmisvcconfig at aaac4e2): on one host only
# the tensor-parallel degree, over several hosts also the data-parallel ones.
OF_ONE_HOST = ("--tensor-parallel-size",)
OF_HOSTS = (
    *(*OF_ONE_HOST, "--data-parallel-size", "--data-parallel-size-local"),
    *("--data-parallel-address", "--data-parallel-rpc-port"),
)
KSERVE_PROBES = 60  # of ten seconds, after its storage container has downloaded the weights


def _kserve(d: Deployment, command: Command, copies: int) -> list[dict[str, Any]]:
    host_count, replicas = hosts(d), d.attention_replicas
    if host_count > 1 and "--data-parallel-size-local" not in command.words:
        raise BadInput(
            "kind",
            f"kind kserve spreads replicas of attention alone over hosts, and {d.num_gpus} "
            f"{d.gpu.name} are in {host_count}: take kubernetes.",
        )
    parallel: dict[str, Any] = {"tensor": d.tp // replicas} if d.tp > replicas else {}
    checkpoint, options = command.words[2], list(command.words[3:])
    options = _without(tuple(options), OF_HOSTS if host_count > 1 else OF_ONE_HOST, ())
    if host_count > 1:
        parallel |= {"data": replicas, "dataLocal": replicas // host_count}
        parallel |= {"expert": True} if d.ep > 1 else {}
        options = [word for word in options if word != "--enable-expert-parallel"]
    main = _kserve_container(d, command, options)
    spec = {
        "model": {"uri": f"hf://{checkpoint}", "name": checkpoint},
        "replicas": copies,
        "parallelism": parallel,
        "router": {"gateway": {}, "route": {}, "scheduler": {}},
        "template": {"containers": [main]},
        "worker": {"containers": [main]} if host_count > 1 else {},
    }
    return [
        {
            "apiVersion": "serving.kserve.io/v1alpha2",
            "kind": "LLMInferenceService",
            "metadata": {"name": _name(d)},
            "spec": {name: value for name, value in spec.items() if value != {}},
        }
    ]


def _kserve_container(d: Deployment, command: Command, options: list[str]) -> dict[str, Any]:
    # the template evaluates the variable as a shell does
    variables = {"VLLM_ADDITIONAL_ARGS": shlex.join(options), **command.env}
    main: dict[str, Any] = {
        "name": "main",
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "resources": _gpus(d),
    }
    if d.gpu.vendor != "nvidia":
        main["image"] = _image(d)  # the default image is built for NVIDIA
    if _probes(d) > KSERVE_PROBES:
        main["startupProbe"] = {"failureThreshold": _probes(d)}
    return main


# Fields of the production stack's `vllmConfig`, by the option that each stands for.
STACK_FIELDS = {
    "--tensor-parallel-size": "tensorParallelSize",
    "--max-model-len": "maxModelLen",
    "--max-num-seqs": "maxNumSeqs",
    "--gpu-memory-utilization": "gpuMemoryUtilization",
}


def _production_stack(d: Deployment, command: Command, copies: int) -> list[dict[str, Any]]:
    if hosts(d) > 1:
        cards = counted(d.num_gpus, "card")
        raise BadInput(
            "kind",
            f"kind production-stack starts a copy on one host, and {cards} are in {hosts(d)}: take "
            "kubernetes.",
        )
    image, _, tag = _image(d).partition(":")
    host_weights_gib = d.offload_share * _weights_bytes(d) / GIB
    memory_gib = math.ceil(MEMORY_GIB + MEMORY_OF_CARD_GIB * d.num_gpus + host_weights_gib)
    env = [{"name": name, "value": value} for name, value in command.env.items()]
    resource = next(iter(_gpus(d).get("limits", {})), "")
    model = {
        "name": _name(d),
        "repository": image,
        "tag": tag,
        "modelURL": command.words[2],
        "replicaCount": copies,
        "requestCPU": CPUS + CPUS_OF_CARD * d.num_gpus,  # the chart starts nothing without these
        "requestMemory": f"{memory_gib}Gi",
        "requestGPU": d.num_gpus,
        **({} if resource == RESOURCES["nvidia"] else {"requestGPUType": resource}),
        **({"env": env} if env else {}),
        "shmSize": SHARED_MEMORY,
        "pvcStorage": f"{math.ceil(_weights_bytes(d) * ROOM / GIB)}Gi",
        "pvcAccessMode": ["ReadWriteMany" if copies > 1 else "ReadWriteOnce"],
        "hf_token": {"secretName": "hf-token", "secretKey": "token"},
        "vllmConfig": _stack_config(command.words[3:]),
    }
    # the chart's ten minutes are too short to download a large model
    probe = {"periodSeconds": PROBE_S, "failureThreshold": _probes(d)}
    return [{"servingEngineSpec": {"startupProbe": probe, "modelSpec": [model]}}]


def _stack_config(words: tuple[str, ...]) -> dict[str, Any]:
    """Write options by the chart's names where it has them, and the others as arguments."""
    config: dict[str, Any] = {
        key: float(words[words.index(flag) + 1])
        for flag, key in STACK_FIELDS.items()
        if flag in words
    }
    config = {key: int(v) if v == int(v) else v for key, v in config.items()}
    config["enablePrefixCaching"] = "--no-enable-prefix-caching" not in words
    config["extraArgs"] = _without(words, tuple(STACK_FIELDS), ("--no-enable-prefix-caching",))
    return config


def _without(
    words: tuple[str, ...], valued: tuple[str, ...], switches: tuple[str, ...]
) -> list[str]:
    """Remove some options and their values."""
    remaining, skip_value = [], False
    for word in words:
        if skip_value:
            skip_value = False
        elif word in valued:
            skip_value = True
        elif word not in switches:
            remaining.append(word)
    return remaining


# What a container needs of the host to reach its cards, by vendor; "x86" needs nothing.
DEVICES: dict[str, dict[str, Any]] = {
    "amd": {"devices": ["/dev/kfd", "/dev/dri"], "group_add": ["video"]},
    "intel": {"devices": ["/dev/dri"]},
    "nvidia": {},
    "x86": {},
}
# Variables by which the drivers of other vendors are told their cards.
CHOSEN = {"amd": "ROCR_VISIBLE_DEVICES", "intel": "ZE_AFFINITY_MASK"}


def _compose(d: Deployment, command: Command, copies: int) -> list[dict[str, Any]]:
    """Write a service for each copy: replicas of one would all get the same cards."""
    if _place(d.gpu) not in DEVICES:
        raise BadInput(
            "kind",
            f"kind compose reaches cards of NVIDIA, AMD and Intel, and {d.gpu.name} is of "
            f"{d.gpu.vendor}: take kubernetes.",
        )
    if copies * d.num_gpus > d.gpu.max_per_node:
        cards, hold = counted(copies * d.num_gpus, "card"), d.gpu.max_per_node
        raise BadInput(
            "kind",
            f"kind compose starts all on one host: {cards} are more than the {hold} of one. Take "
            "kubernetes.",
        )
    name = _name(d)
    services = {
        name if copies == 1 else f"{name}-{i + 1}": _compose_service(d, command, i)
        for i in range(copies)
    }
    return [{"services": services}]


def _compose_service(d: Deployment, command: Command, number: int) -> dict[str, Any]:
    """Write the service of one copy, on cards of its own."""
    program, *words = _container(d, command, _in_a_pod(d, command))["command"]
    port, place = PORTS[d.engine.family], _place(d.gpu)
    ids = [str(number * d.num_gpus + i) for i in range(d.num_gpus)]
    variables = {"HF_TOKEN": "${HF_TOKEN:-}", "HF_HOME": MODELS, **command.env}
    service: dict[str, Any] = {
        "image": _image(d),
        "entrypoint": [program],
        "command": [word.replace("$", "$$") for word in words],
        "environment": variables,
        "ports": [f"{port + number}:{port}"],
        "volumes": [f".{MODELS}:{MODELS}"],
        "shm_size": SHARED_MEMORY.removesuffix("i").lower() + "b",
        "restart": "unless-stopped",
        **DEVICES[place],
    }
    if place in CHOSEN:
        service["environment"] = variables | {CHOSEN[place]: ",".join(ids)}
    if place == "nvidia":
        device = {"driver": "nvidia", "device_ids": ids, "capabilities": ["gpu"]}
        service["deploy"] = {"resources": {"reservations": {"devices": [device]}}}
    return service


KINDS: dict[str, Callable[[Deployment, Command, int], list[dict[str, Any]]]] = {
    "kubernetes": _kubernetes,
    "kserve": _kserve,
    "production-stack": _production_stack,
    "compose": _compose,
}
OF_VLLM = ("kserve", "production-stack")


def _yaml(value: Any) -> str:
    return "\n".join(_lines(value, "")) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    """Write YAML in block style, with JSON quotes around text that YAML would read otherwise."""
    pairs = value.items() if isinstance(value, dict) else (("-", item) for item in value)
    for key, item in pairs:
        head = f"{indent}-" if key == "-" else f"{indent}{_scalar(key)}:"
        if not isinstance(item, (dict, list)) or not item:
            yield f"{head} {_scalar(item)}"
        elif key == "-":
            first, *rest = _lines(item, f"{indent}  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield head
            yield from _lines(item, f"{indent}  ")


def _scalar(value: Any) -> str:
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS_OF_YAML:
        return value
    return json.dumps(value)
