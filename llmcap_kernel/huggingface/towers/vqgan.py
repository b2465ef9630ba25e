"""Tokenizers of images: a VQGAN's encoder, codebook and, where images are made too, decoder."""

from .pieces import Fields, Part, chain, matrix, norms, table, times, vector


def _block(inside: int, outside: int) -> Part:
    """List a residual block of two convolutions of 3 x 3."""
    rows = [
        matrix("visual.vq.conv", "vision", 9 * inside, outside),
        matrix("visual.vq.conv", "vision", 9 * outside, outside),
        vector("visual.vq.bias", 4 * outside + 2 * inside),
    ]
    if inside != outside:
        rows += [
            matrix("visual.vq.shortcut", "vision", inside, outside),
            vector("visual.vq.bias", outside),
        ]
    return Part(tuple(rows))


def _attention(width: int) -> Part:
    return times(chain("visual.vq.attn", width, width), 4) + norms(width, 1, True)


def _levels(widths: list[int], first: int, blocks: int, attended: set[int], order: int) -> Part:
    """List the levels of an encoder, or of a decoder from the last level to the first."""
    part, before = Part(), first
    indices = range(len(widths))[::order]
    for i in indices:
        for _ in range(blocks):
            part += _block(before, widths[i])
            before = widths[i]
            part += _attention(before) if i in attended else Part()
        if i != indices[-1]:
            part += chain("visual.vq.resample", 9 * before, before)
    return part


def vqgan(q: Fields, attended: set[int], decoder: bool) -> Part:
    """List a VQGAN.

    Parameters
    ----------
    q : Fields
        Its config.
    attended : set of int
        Levels whose blocks are followed by attention.
    decoder : bool
        Whether it makes images too.

    Returns
    -------
    Part
        Its weights.
    """
    base = q.width("base_channels", default=128)
    factors = q.wholes("channel_multiplier", [1, 1, 2, 2, 4], low=1, limit="head")[:16]
    widths = [base * f for f in factors] or [base]
    blocks = q.whole("num_res_blocks", default=2, limit="head")
    latent = q.width("latent_channels", default=256)
    embed = q.width("embed_dim", default=latent)
    top = widths[-1]
    middle = times(_block(top, top), 2) + _attention(top) + norms(top, 1, True)
    channels = q.whole("in_channels", default=3, limit="head")
    part = chain("visual.vq.conv_in", 9 * channels, base) + middle
    part += _levels(widths, base, blocks, attended, 1)
    part += chain("visual.vq.conv_out", 9 * top, latent) + chain("visual.vq.quant", latent, embed)
    codes = q.whole("num_embeddings", "codebook_size", default=8192, limit="vocab")
    part += table("visual.vq.codebook", codes, embed)
    if decoder:
        part += chain("visual.vq.post_quant", embed, latent)
        part += chain("visual.vq.conv_in", 9 * latent, top) + middle
        part += _levels(widths, top, blocks + 1, attended, -1)
        part += chain("visual.vq.conv_out", 9 * base, q.whole("out_channels", default=3))
    return part


def pictures(c: Fields, text: int) -> Part:
    """List a model's tokenizer of images, and what stands between it and the text model."""
    q = c.sub("vision_config" if c.family == "apertus1p5" else "vq_config")
    if q is None:
        return Part()
    levels = len(q.items("channel_multiplier", [1] * 5, most=16))
    if c.family == "apertus1p5":
        return vqgan(q, {levels - 1}, decoder=False)
    if c.family == "chameleon":
        return vqgan(q, set(), decoder=False)
    if c.family == "emu3":
        return vqgan(q, set(q.wholes("attn_resolutions")), decoder=True)
    part = vqgan(q, {levels - 1}, decoder=True)
    wide = q.width("image_token_embed_dim", default=2048)
    codes = q.whole("num_embeddings", default=16_384, limit="vocab")
    embed = q.width("embed_dim", default=8)
    return (
        part
        + table("visual.generation.embeddings", codes, embed)
        + chain("visual.generation.aligner", embed, wide, wide)
        + chain("visual.generation.head", wide, wide, codes)
    )
