"""Kinds of model that are refused by name, and what a refusal says."""

import difflib

from ..refuse import BadInput, shown
from .config import Fields
from .registry import FAMILIES

ELSE = "or give its size alone, as in 'dense 12B' or '119B-A6B MoE'"

REASONS = {
    "pair": "is an encoder with a decoder, whose cross-attention keeps a cache of its own",
    "encoder": "is an encoder, which keeps no cache of the tokens it writes",
    "sound": "makes or transcribes sound with models beside its text model",
    "picture": "keeps a tokenizer of images, which the importer cannot count",
    "diffusion": "writes by diffusion, many tokens at once, over and over",
    "draft": "is a draft model that reads the cache of another one",
    "other": "is of a kind that no engine known here serves",
}

NAMES = {
    "pair": """
        bart bigbird_pegasus blenderbot blenderbot-small encoder-decoder florence2 fsmt led longt5
        m2m_100 marian mbart mt5 mvp nllb-moe pegasus pegasus_x pix2struct plbart pp_formulanet
        prophetnet seamless_m4t seamless_m4t_v2 switch_transformers t5 t5gemma t5gemma2 trocr udop
        umt5 vision-encoder-decoder
    """,
    "encoder": """
        bert bert-generation big_bird camembert data2vec-text electra ernie flaubert megatron-bert
        rembert roberta roberta-prelayernorm roc_bert roformer xlm xlm-roberta xlm-roberta-xl xlnet
        xmod deberta deberta-v2 distilbert modernbert albert mpnet nomic_bert funnel
    """,
    "sound": """
        canary clvp cohere_asr csm dia fun_asr_nano gradium_phonon_tts
        higgs_audio_v2 kyutai_speech_to_text moonshine moonshine_streaming moshi
        moss_transcribe_diarize musicgen musicgen_melody nemo_speechlm omniasr pocket_tts pop2piano
        speech_to_text speecht5 vibevoice vibevoice_asr wav2vec2 whisper bark vits
    """,
    "picture": "glm_image",
    "diffusion": "diffusion_gemma llada dream pi0",
    "draft": "gemma4_assistant gemma4_unified_assistant eagle eagle3 llama_eagle",
    "other": """
        blip blip-2 evolla git idefics instructblip instructblipvideo kosmos-2 kosmos-2.5 reformer
    """,
}
REFUSED = {name: REASONS[kind] for kind, names in NAMES.items() for name in names.split()}


def refusal(c: Fields, kind: str) -> BadInput:
    """Say why a model cannot be read, and what can be done instead.

    Parameters
    ----------
    c : Fields
        The top-level config.
    kind : str
        Its model_type, which no builder knows.

    Returns
    -------
    BadInput
        One sentence, with the nearest names where some are near.
    """
    if kind in REFUSED or c.data.get("is_encoder_decoder") is True:
        why = REFUSED.get(kind, REASONS["pair"])
        return BadInput(
            "model_type",
            f"model_type {shown(kind)} {why}: take a model that only decodes, {ELSE}.",
        )
    near = difflib.get_close_matches(kind[:60], FAMILIES, n=3, cutoff=0.75)
    hint = f" (near to it: {', '.join(near)})" if near else ""
    return BadInput(
        "model_type",
        f"model_type {shown(kind)} is not an architecture the importer knows, of "
        f"{len(FAMILIES)}{hint}: its tensors cannot be counted; take a model of a known one, "
        f"{ELSE}.",
    )
