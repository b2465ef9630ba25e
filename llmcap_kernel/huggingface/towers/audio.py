"""Audio towers: Whisper's encoder and those that follow it."""

from .pieces import Fields, Part, chain, matrix, norms, table, times, vector

# By model_type of the audio config: whether positions are learned, whether keys have a bias,
# whether sound comes in by three convolutions over a picture of it.
WHISPERS = {
    "qwen2_audio_encoder": (True, False, False),
    "voxtral_encoder": (True, False, False),
    "audioflamingo3_encoder": (True, False, False),
    "musicflamingo_encoder": (True, False, False),
    "glmasr_encoder": (False, False, False),
    "qwen2_5_omni_audio_encoder": (False, False, False),
    "qwen3_omni_moe_audio_encoder": (False, True, True),
    "qwen3_asr_encoder": (False, True, True),
}


def whisper(a: Fields, learned: bool, key_bias: bool, picture: bool) -> Part:
    """List an encoder of Whisper's kind.

    Parameters
    ----------
    a : Fields
        The audio config.
    learned : bool
        Whether it has learned positions.
    key_bias : bool
        Whether keys have a bias.
    picture : bool
        Whether three convolutions of two dimensions stand before it, instead of two of one.

    Returns
    -------
    Part
        Its weights.
    """
    hidden = a.width("d_model", "hidden_size", default=1280)
    depth = a.whole("encoder_layers", "num_hidden_layers", default=32, limit="layers")
    size = a.whole("encoder_ffn_dim", "intermediate_size", default=5120, limit="ffn")
    mels = a.whole("num_mel_bins", default=128, limit="width")
    layer = Part(
        (
            matrix("audio.attn", "vision", hidden, 4 * hidden),
            matrix("audio.mlp", "vision", hidden, 2 * size),
            vector("audio.bias", (5 if key_bias else 4) * hidden + size),
        )
    ) + norms(hidden, 2, True, "audio.norm")
    part = times(layer, depth) + norms(hidden, 1, True, "audio.norm")
    if learned:
        positions = a.whole("max_source_positions", default=1500, limit="tokens")
        part += table("audio.position", positions, hidden)
    return part + (_picture(a, hidden, mels) if picture else _sound(hidden, mels))


def _sound(hidden: int, mels: int) -> Part:
    rows = (
        matrix("audio.conv1", "vision", 3 * mels, hidden),
        matrix("audio.conv2", "vision", 3 * hidden, hidden),
        vector("audio.conv.bias", 2 * hidden),
    )
    return Part(rows)


def _picture(a: Fields, hidden: int, mels: int) -> Part:
    wide = a.width("downsample_hidden_size", default=480)
    bands = -(-(-(-(-(-mels // 2)) // 2)) // 2)
    rows = (
        matrix("audio.conv2d1", "vision", 9, wide),
        matrix("audio.conv2d", "vision", 9 * wide, wide, copies=2),
        vector("audio.conv.bias", 3 * wide),
        matrix("audio.conv_out", "vision", wide * bands, hidden),
    )
    return Part(rows)


def audio(c: Fields, text: int) -> Part | None:
    """List a model's audio tower and projector; None for a kind that is not known."""
    a = c.sub("audio_config")
    if a is None:
        return Part()
    kind = a.text("model_type")
    if kind not in WHISPERS:
        return OTHERS[kind](a, c, text) if kind in OTHERS else None
    hidden = a.width("d_model", "hidden_size", default=1280)
    out = a.width("output_dim", default=text)
    part = whisper(a, *WHISPERS[kind])
    if kind == "qwen2_audio_encoder":
        return part + chain("audio.projector", hidden, text)
    if kind == "qwen2_5_omni_audio_encoder":
        return part + chain("audio.projector", hidden, out) + table("audio.bos_eos", 2, out)
    if kind.startswith("qwen3"):
        return part + chain("audio.projector", hidden, hidden, out)
    if kind in ("voxtral_encoder", "glmasr_encoder"):
        size = a.whole("intermediate_size", default=4 * hidden, limit="ffn")
        glm = kind == "glmasr_encoder"
        return part + chain("audio.projector", size, 2 * text if glm else text, text, bias=glm)
    return part + chain("audio.projector", hidden, text, text)


def muse_spark(a: Fields, c: Fields, text: int) -> Part:
    """Muse Spark: stages of depthwise convolutions, each on patches of the one before."""
    widths = a.wholes("hidden_sizes", low=1, limit="width")
    depths = a.wholes("depths", low=1, limit="layers")
    patches = a.wholes("patch_sizes", low=1, limit="head")
    taps = a.whole("conv_kernel_size", default=7, limit="head")
    ratio = min(max(a.real("mlp_ratio", 4.0), 0.01), 64.0)
    part, before = Part(), 1
    for width, depth, patch in zip(widths, depths, patches, strict=False):
        block = chain("audio.mlp", width, int(ratio * width), width)
        block += Part((vector("audio.conv", width * (taps + 1)),)) + norms(width)
        part += times(block, depth) + chain("audio.patch", before * patch, width) + norms(width)
        before = width
    return part + norms(before) + chain("audio.projector", before, text) + norms(text)


def dots3(a: Fields, c: Fields, text: int) -> Part:
    """dots3: gated layers behind three convolutions, and an adapter of two matrices."""
    hidden = a.width("hidden_size")
    depth = a.whole("num_hidden_layers", limit="layers")
    size = a.whole("intermediate_size", limit="ffn")
    layer = Part(
        (
            matrix("audio.attn", "vision", hidden, 4 * hidden),
            matrix("audio.mlp", "vision", hidden, 3 * size),
            vector("audio.bias", 4 * hidden + 2 * size),
        )
    ) + norms(hidden, 2, name="audio.norm")
    out = a.width("adapter_out_dim", default=text)
    part = times(layer, depth) + norms(hidden) + norms(hidden, 1, True)
    part += _picture(a, hidden, a.whole("feature_size", default=128, limit="width"))
    return part + chain("audio.adapter", hidden, out, out)


def inkling(a: Fields, c: Fields, text: int) -> Part:
    """Inkling: a table of audio tokens."""
    rows = a.whole("vocab_size", default=20_480, limit="vocab")
    return table("audio.embed", rows, text) + norms(text)


OTHERS = {
    "muse_spark_audio": muse_spark,
    "dots3_note_audio_encoder": dots3,
    "inkling_audio": inkling,
}
