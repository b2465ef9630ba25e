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
    bands = (mels + 7) // 8  # each convolution halves them
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
    if c.family.startswith("granite_speech"):
        return granite(c, text)
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
    rows = a.whole("mel_vocab_size", default=256, limit="vocab")
    rows *= a.whole("n_mel_bins", default=80, limit="head")
    return table("audio.embed", rows, text) + norms(text)


def gemma(a: Fields, c: Fields, text: int) -> Part:
    """Gemma 3n's and 4's conformer: two feed-forwards around attention and a convolution."""
    hidden = a.width("hidden_size", default=1536)
    depth = a.whole("num_hidden_layers", "conf_num_hidden_layers", default=12, limit="layers")
    taps = a.whole("conv_kernel_size", "conf_conv_kernel_size", default=5, limit="head")
    heads = a.whole("num_attention_heads", "conf_num_attention_heads", default=8, limit="heads")
    mels = a.whole("input_feat_size", default=128, limit="width")
    name = (
        "sscp_conv_channel_size" if a.has("sscp_conv_channel_size") else "subsampling_conv_channels"
    )
    first, second = (*a.wholes(name, [128, 32], low=1, limit="width"), 32, 32)[:2]
    layer = Part(
        (
            matrix("audio.feed_forward", "vision", hidden, 16 * hidden),
            matrix("audio.attn", "vision", hidden, 5 * hidden),
            matrix("audio.conv", "vision", hidden, 3 * hidden),
            vector("audio.conv.taps", hidden * taps + hidden // max(1, heads)),
        )
    ) + norms(hidden, 9, name="audio.norm")
    part = times(layer, depth) + norms(first) + norms(second)
    part += chain("audio.subsample", 9, first, bias=False)
    part += chain("audio.subsample", 9 * first, second, bias=False)
    part += chain("audio.input", max(1, mels // 4) * second, hidden, bias=False)
    if a.text("model_type") == "gemma3n_audio":
        rows = a.whole("vocab_size", default=128, limit="vocab")
        part += table("audio.embedding", rows, hidden) + norms(hidden, 2)
        return part + chain("audio.projector", hidden, text, bias=False)
    out = a.width("output_proj_dims", default=1536)
    part += chain("audio.output", hidden, out)
    return part + chain("audio.projector", out, text, bias=False)


def phi4(a: Fields, c: Fields, text: int) -> Part:
    """Phi-4's conformer, and a projector for sound alone and one for sound beside images."""
    hidden = a.width("hidden_size", default=1024)
    depth = a.whole("num_blocks", default=24, limit="layers")
    size = a.whole("intermediate_size", default=1536, limit="ffn")
    taps = a.whole("kernel_size", default=3, limit="head")
    heads = a.whole("num_attention_heads", default=16, limit="heads")
    final = a.whole("nemo_final_size", default=10)
    reach = a.whole("bias_max_distance", default=1000, limit="tokens")
    layer = Part(
        (
            matrix("audio.feed_forward", "vision", hidden, 6 * size),
            matrix("audio.attn", "vision", hidden, 4 * hidden),
            matrix("audio.conv", "vision", hidden, 4 * hidden),
            vector("audio.bias", 4 * size + 13 * hidden + hidden * (taps + 1)),
        )
    ) + norms(hidden, 5, True, "audio.norm")
    part = times(layer, depth) + table("audio.relative", 2 * reach, heads)
    part += times(Part((vector("audio.embed.taps", 10 * hidden),)), 3)
    part += times(chain("audio.embed", hidden, hidden), 2)
    part += chain("audio.embed.out", hidden * final, hidden)
    return part + times(chain("audio.projector", hidden, text, text), 2)


def wavtokenizer(a: Fields, c: Fields, text: int) -> Part:
    """Apertus's tokenizer of sound: convolutions that widen, and two layers of an LSTM."""
    width = a.width("num_filters", default=32)
    taps = a.whole("kernel_size", default=7, limit="head")
    inner = a.whole("residual_kernel_size", default=3, limit="head")
    part = chain("audio.conv", taps, width)
    for ratio in reversed(a.wholes("upsampling_ratios", [6, 5, 5, 4], low=1, limit="head")[:16]):
        half = max(1, width // 2)
        part += chain("audio.block", inner * width, half) + chain("audio.block", half, width)
        part += chain("audio.shortcut", width, width)
        part += chain("audio.conv", 2 * ratio * width, 2 * width)
        width *= 2
    depth = a.whole("num_lstm_layers", default=2, limit="layers")
    part += times(Part((matrix("audio.lstm", "vision", width, 8 * width),)), depth)
    last = a.whole("last_kernel_size", default=7, limit="head")
    return part + chain("audio.conv", last * width, a.width("hidden_size", default=512))


def granite(c: Fields, text: int) -> Part:
    """Granite Speech: a conformer, and a Q-Former that reads it window by window."""
    a, q = c.need("encoder_config"), c.need("projector_config")
    hidden = a.width("hidden_dim", default=1024)
    wide = a.whole("num_heads", default=8, limit="heads") * a.whole("dim_head", limit="head")
    inner = hidden * a.whole("feedforward_mult", default=4, limit="head")
    conv = hidden * a.whole("conv_expansion_factor", default=2, limit="head")
    taps = a.whole("conv_kernel_size", default=15, limit="head")
    reach = 2 * a.whole("max_pos_emb", default=512, limit="tokens") + 1
    layer = times(chain("audio.feed_forward", hidden, inner, hidden), 2)
    layer += chain("audio.qkv", hidden, 3 * wide, bias=False) + chain("audio.out", wide, hidden)
    layer += chain("audio.conv.up", hidden, 2 * conv) + chain("audio.conv.down", conv, hidden)
    layer += Part((vector("audio.conv.taps", conv * (taps + 2)),)) + norms(hidden, 5, True)
    layer += table("audio.relative", reach, a.whole("dim_head", limit="head"))
    classes = a.width("output_dim", default=42)
    part = times(layer, a.whole("num_layers", default=10, limit="layers"))
    part += chain("audio.input", a.width("input_dim", default=160), hidden)
    part += chain("audio.classes", hidden, classes, hidden)
    width = q.width("hidden_size", default=768)
    queries = c.whole("window_size", default=15) // c.whole("downsample_rate", default=5)
    part += table("audio.query", queries, width)
    return part + qformer(q, width) + chain("audio.projector", width, text)


def qformer(q: Fields, width: int) -> Part:
    """List BLIP-2's Q-Former: queries that look at themselves, and every so often at a tower."""
    depth = q.whole("num_hidden_layers", default=12, limit="layers")
    step = q.whole("cross_attention_frequency", default=2, limit="head")
    seen = q.width("encoder_hidden_size", default=1408)
    size = q.whole("intermediate_size", default=4 * width, limit="ffn")
    layer = times(chain("audio.qformer.attn", width, width), 4)
    layer += chain("audio.qformer.mlp", width, size, width) + norms(width, 2, True)
    cross = times(chain("audio.qformer.cross", width, width), 2) + norms(width, 1, True)
    cross += times(chain("audio.qformer.cross", seen, width), 2)
    return times(layer, depth) + times(cross, -(-depth // step)) + norms(width, 1, True)


def voxtral_realtime(a: Fields, c: Fields, text: int) -> Part:
    """Voxtral Realtime: gated layers in a window, frames joined before the projector."""
    hidden = a.width("hidden_size")
    heads = a.whole("num_attention_heads", limit="heads")
    wide = heads * a.whole("head_dim", default=max(1, hidden // heads), limit="head")
    size = a.whole("intermediate_size", limit="ffn")
    layer = Part(
        (
            matrix("audio.attn", "vision", hidden, 4 * wide),
            matrix("audio.mlp", "vision", hidden, 3 * size),
            vector("audio.bias", 2 * wide + 2 * hidden),
        )
    ) + norms(hidden, 2, name="audio.norm")
    part = times(layer, a.whole("num_hidden_layers", limit="layers")) + norms(hidden)
    part += _sound(hidden, a.whole("num_mel_bins", default=128, limit="width"))
    joined = hidden * c.whole("downsample_factor", default=4, limit="head")
    return part + chain("audio.projector", joined, text, text, bias=False)


OTHERS = {
    "voxtral_realtime_encoder": voxtral_realtime,
    "wavtokenizer_encoder": wavtokenizer,
    "gemma3n_audio": gemma,
    "gemma4_audio": gemma,
    "phi4_multimodal_audio": phi4,
    "muse_spark_audio": muse_spark,
    "dots3_note_audio_encoder": dots3,
    "inkling_audio": inkling,
}
