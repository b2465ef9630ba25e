"""The format that each method of quantisation stores a weight in, and its bits by arithmetic.

`record.py` says what a scheme is; a file for each kind of method reads its config: `whole.py`,
`floats.py`, `codebooks.py`, and the libraries of several formats, `torchao.py`, `compressed.py`
and `quark.py`.
"""

from collections.abc import Callable

from ..config import Fields
from . import codebooks, compressed, floats, quark, torchao, whole
from .compressed import inputs_of, of_weights, weights_of
from .quark import of_quark
from .record import AS_IT_WAS, FIXED, Scheme, fixed
from .torchao import of_torchao, torchao_modules

__all__ = [
    "ALGORITHMS",
    "ALIKE",
    "AS_IT_WAS",
    "FIXED",
    "METHODS",
    "Scheme",
    "fixed",
    "inputs_of",
    "is_mlx",
    "method_of",
    "of_method",
    "of_quark",
    "of_torchao",
    "of_weights",
    "torchao_modules",
    "weights_of",
]

# Values of modelopt's quant_algo, and of TensorRT-LLM's.
ALGORITHMS = {
    "FP8": "fp8",
    "FP8_PER_CHANNEL_PER_TOKEN": "fp8",
    "FP8_PB_WO": "fp8-block",
    "FP8_BLOCK_SCALES": "fp8-block",
    "FP8_PB_REAL": "fp8-block",
    "MXFP8": "mxfp8",
    "NVFP4": "nvfp4",
    "NVFP4_AWQ": "nvfp4",
    "W4A16_NVFP4": "nvfp4-a16",
    "W4A8_NVFP4_FP8": "nvfp4-afp8",
    "MXFP4": "mxfp4",
    "W4A16_MXFP4": "mxfp4-a16",
    "W4A8_MXFP4_FP8": "mxfp4-afp8",
    "W4A8_MXFP4_MXFP8": "mxfp4-afp8",
    "W4A16_AWQ": "int4-awq",
    "W4A8_AWQ": "int4-awq-afp8",
    "W4A16_GPTQ": "int4-gptq",
    "W4A16": "int4-gptq",
    "W4A8_QSERVE_PER_GROUP": "int4-gptq-a8",
    "W4A8_QSERVE_PER_CHANNEL": "int4-channel-a8",
    "INT8": "int8",
    "INT8_SQ": "int8",
    "W8A8_SQ_PER_CHANNEL": "int8",
    "W8A16": "int8-channel",
    "W8A16_GPTQ": "int8-channel",
    "INT8_WO": "int8-channel",
}

METHODS: dict[str, Callable[[Fields], Scheme | None]] = {
    "aqlm": codebooks.aqlm,
    "auto-round": whole.auto_round,
    "awq": whole.awq,
    "bitnet": whole.bitnet,
    "bitsandbytes": whole.bitsandbytes,
    "compressed-tensors": compressed.compressed,
    "deepspeedfp": floats.deepspeed,
    "exl2": codebooks.exl("exl2"),
    "exl3": codebooks.exl("exl3"),
    "fp-quant": floats.fp_quant,
    "fp8": floats.fp8,
    "gptq": whole.gptq,
    "higgs": codebooks.higgs,
    "hqq": whole.hqq,
    "modelopt": compressed.compressed,
    "quanto": whole.quanto,
    "qqq": whole.qqq,
    "quark": quark.quark,
    "spqr": codebooks.spqr,
    "torchao": torchao.torchao,
    "vptq": codebooks.vptq,
}
# Values of quant_method with one format.
ALIKE = {
    "fbgemm-fp8": "fp8",
    "ptpc-fp8": "fp8",
    "w8a8-fp8": "fp8",
    "deepgemm-fp8": "fp8-block",
    "mxfp4": "mxfp4",
    "mxfp6": "mxfp6",
    "mxfp8": "mxfp8",
    "nvfp4": "nvfp4",
    "modelopt-fp4": "nvfp4",
    "petit-nvfp4": "nvfp4-a16",
    "eetq": "int8-channel",
    "tpu-int8": "int8-channel",
    "w8a8-int8": "int8",
    "experts-int8": "experts-int8",
    "w4afp8": "int4-g128-afp8",
    "gguf": "gguf-q8-0",
}
# Other names of a method: kernels that engines wrote into a config, and older spellings.
SPELLED = {
    **dict.fromkeys(("gptq-marlin", "gptq-marlin-24", "gptq-v2", "gptqmodel", "marlin"), "gptq"),
    **dict.fromkeys(("gptq-bitblas", "bitblas", "optimum-gptq", "moe-wna16"), "gptq"),
    "marlin-24": "gptq",
    **dict.fromkeys(("awq-marlin", "llm-awq", "autoawq"), "awq"),
    **dict.fromkeys(("intel/auto-round", "autoround", "inc"), "auto-round"),
    **dict.fromkeys(("bnb", "bitsandbytes-4bit", "bitsandbytes-8bit"), "bitsandbytes"),
    **dict.fromkeys(("modelopt-mixed", "modelopt-fp8", "modelopt-mxfp8"), "modelopt"),
    **dict.fromkeys(("compressed-tensor", "llm-compressor", "sparseml"), "compressed-tensors"),
    "fpquant": "fp-quant",
    "torch-ao": "torchao",
}


def method_of(quant: Fields) -> str:
    """The method of a config by its own name, in lower case; "" where none is stated."""
    said = quant.text("quant_method").strip().lower().replace("_", "-")
    return SPELLED.get(said, said)


def is_mlx(quant: Fields) -> bool:
    """Say whether a config is MLX's, which names no method and states bits.

    Parameters
    ----------
    quant : Fields
        A `quantization_config`.

    Returns
    -------
    bool
        Whether it is; embedding and head are converted too then.
    """
    return not method_of(quant) and quant.has("bits") and not quant.has("quant_algo")


def of_method(quant: Fields) -> Scheme | None:
    """Name the format that the method of a config makes.

    Parameters
    ----------
    quant : Fields
        A `quantization_config`.

    Returns
    -------
    Scheme or None
        Its name and bits; None for an unknown method.

    Raises
    ------
    BadInput
        When a field is out of its range.

    Examples
    --------
    >>> of_method(Fields({"quant_method": "aqlm", "num_codebooks": 2, "nbits_per_codebook": 8}))
    Scheme(name='aqlm-2bpw', bits=2.0, pinned=False, codebook_bits=65536.0)
    """
    method = method_of(quant)
    if method in ALIKE:
        return fixed(ALIKE[method])
    if is_mlx(quant):
        return whole.mlx(quant)
    reader = METHODS.get(method, compressed.compressed)
    return reader(quant)
