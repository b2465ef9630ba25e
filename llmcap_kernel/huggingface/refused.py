"""Kinds of model that are refused by name, and what a refusal says."""

import difflib
import re

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
    "vision": "sees pictures and writes no text",
    "images": "is a part of what makes pictures or film by diffusion, and writes no text",
    "draft": "is a draft model that reads the cache of another one",
    "judge": "gives a text a class or a score, and writes none",
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
        convbert esm eurobert ibert jina_bert jina_embeddings_v3 layoutlm layoutlmv3 longformer
        luke mobilebert neobert new squeezebert tapas colbert colmodernvbert colpali colqwen2 gte
        snowflake-gte
    """,
    "vision": """
        aimv2 align beit chinese_clip clip convnext convnextv2 deit depth_anything detr dinov2
        dinov2_with_registers dinov3_vit grounding-dino mask2former owlv2 owlvit radio resnet
        sam sam2 segformer siglip siglip2 swin swinv2 timm_wrapper vit vit_mae vitpose yolos
        clip_vision_model siglip_vision_model siglip2_vision_model intern_vit_6b
    """,
    "sound": """
        canary clvp cohere_asr csm dia fun_asr_nano gradium_phonon_tts
        higgs_audio_v2 kyutai_speech_to_text moonshine moonshine_streaming moshi
        moss_transcribe_diarize musicgen musicgen_melody nemo_speechlm omniasr pocket_tts pop2piano
        speech_to_text speecht5 vibevoice vibevoice_asr wav2vec2 whisper bark vits
    """,
    "picture": "glm_image",
    "diffusion": """
        diffusion_gemma llada llada_moe llada2_moe dream diffucoder sdar sdar_moe rdlm pi0
        fast_dllm
    """,
    "draft": """
        gemma4_assistant gemma4_unified_assistant eagle eagle3 llama_eagle medusa mlp_speculator
    """,
    "other": """
        blip blip-2 evolla git hymba idefics instructblip instructblipvideo kosmos-2 kosmos-2.5
        reformer
    """,
}
SHARING = ("deepseek_v41",)  # not what a text model of DeepSeek V4 within would make of them
REFUSED = {name: REASONS[kind] for kind, names in NAMES.items() for name in names.split()}


# What the ending of a class says that loads a model of an unknown type.
CLASSES = {
    **dict.fromkeys(("ForMaskedLM", "ForTokenClassification"), "encoder"),
    **dict.fromkeys(("ForQuestionAnswering", "ForMultipleChoice"), "encoder"),
    **dict.fromkeys(("ForImageClassification", "ForObjectDetection"), "vision"),
    **dict.fromkeys(("ForSemanticSegmentation", "ForDepthEstimation"), "vision"),
    **dict.fromkeys(("ForCTC", "ForSpeechSeq2Seq", "ForAudioClassification"), "sound"),
    **dict.fromkeys(("ForSeq2SeqLM",), "pair"),
}


# How the name of a class ends, of one that writes and of others; and of one that drafts.
WRITES = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel")
ENDING = re.compile(rf"(?:{'|'.join((*WRITES, *CLASSES))}|Model|ForRetrieval|PreTrainedModel)$")
DRAFTS = re.compile(
    r"Eagle\d?$|^P?[Ee]agle\d?\w*(?:LM|Model)$|^Medusa|Speculator\w*$|^DFlash|MTP(?:Model)?$|NextN$|"
    r"(?:Draft|DSpark|XPress|Assistant)Model$"
)
JUDGES = re.compile(r"For(?:Sequence|Token)Classification$|For(?:Process)?Reward\w*$|RewardModel$")
BY_DIFFUSION = re.compile(r"diffusion|dllm|llada", re.I)


def classes(c: Fields) -> list[str]:
    """List the classes that a config names.

    Parameters
    ----------
    c : Fields
        The top-level config.

    Returns
    -------
    list of str
        Their names.
    """
    return [one for one in c.items("architectures", most=100) if isinstance(one, str)]


def stem(name: str) -> str:
    """Write a class and the model_type that it is of alike.

    Parameters
    ----------
    name : str
        Of a class, or a model_type.

    Returns
    -------
    str
        Small letters and digits.

    Examples
    --------
    >>> stem("Qwen3MoeForCausalLM"), stem("qwen3_moe")
    ('qwen3moe', 'qwen3moe')
    """
    return re.sub(r"[_-]", "", ENDING.sub("", name)).lower()


def _by_class(c: Fields) -> str:
    """The reason that the name of a config's class tells; "" for none."""
    named = {stem(name): reason for name, reason in REFUSED.items()}
    for one in classes(c):
        for end, kind in CLASSES.items():
            if one.endswith(end):
                return REASONS[kind]
        if stem(one) in named:
            return named[stem(one)]
        if BY_DIFFUSION.search(one):
            return REASONS["diffusion"]
    return ""


def of_a_draft(c: Fields) -> BadInput | None:
    """Refuse what guesses for another model, whose model_type is often that model's.

    Parameters
    ----------
    c : Fields
        The top-level config.

    Returns
    -------
    BadInput or None
        One sentence; None for another model.
    """
    named = next((one for one in classes(c) if DRAFTS.search(one)), "")
    return (
        _no_decoder("architectures", f"architectures {shown(named)} {REASONS['draft']}")
        if (named)
        else None
    )


def of_a_judge(c: Fields) -> BadInput | None:
    """Refuse a decoder with a small head of classes or scores in place of a vocabulary's.

    Parameters
    ----------
    c : Fields
        The top-level config.

    Returns
    -------
    BadInput or None
        One sentence; None for a model that has a class which writes.
    """
    named = classes(c)
    judge = next((one for one in named if JUDGES.search(one)), "")
    if not judge or any(one.endswith(WRITES) for one in named):
        return None
    return _no_decoder("architectures", f"architectures {shown(judge)} {REASONS['judge']}")


# Other files of a checkpoint's folder, by a field of each.
OTHER_FILES = {
    "siblings": "a hub's list of a repository",
    "modelId": "a hub's list of a repository",
    "peft_type": "an adapter's",
    "weight_map": "the index of a checkpoint's files",
    "tokenizer_class": "a tokenizer's",
    "added_tokens": "a tokenizer's",
    "image_processor_type": "an image processor's",
    "processor_class": "a processor's",
    "eos_token_id": "of how tokens are chosen",
    "quant_method": "a quantisation's",
    "desc_act": "a quantisation's",
    "quantization": "a quantisation's",
}
HOLDERS = ("config", "model_config", "hf_config")  # where other files keep a config


def of_another_file(c: Fields) -> BadInput | None:
    """Refuse another file that lies beside a config.

    Parameters
    ----------
    c : Fields
        The top-level fields.

    Returns
    -------
    BadInput or None
        One sentence; None where it might be a config.
    """
    if c.tells("hidden_size") or c.has("architectures"):
        return None
    field = next((name for name in OTHER_FILES if name in c.data), "")
    if not field:
        return _held(c)
    base = c.data.get("base_model_name_or_path")
    of = f" of {shown(base)}" if isinstance(base, str) else ""
    told = f"model_type is missing, and {field} is there: this file is {OTHER_FILES[field]}"
    return BadInput("model_type", f"{told}; give the model's config.json{of}.")


def _held(c: Fields) -> BadInput | None:
    """Refuse a file that keeps a config within, of which only that part is one."""
    held = ((name, c.data.get(name)) for name in HOLDERS)
    name = next((n for n, one in held if isinstance(one, dict) and "model_type" in one), "")
    told = f"model_type is missing, and {name} has one: give the object of {name} alone"
    return BadInput("model_type", f"{told}.") if name else None


def unnamed(c: Fields) -> BadInput:
    """Refuse a config that names no model.

    Parameters
    ----------
    c : Fields
        The top-level config.

    Returns
    -------
    BadInput
        One sentence.
    """
    named = classes(c)
    if named and (why := _by_class(c)):
        return _no_decoder("architectures", f"architectures {shown(named[0])} {why}")
    said = f"architectures {shown(named[0])} is" if named else "architectures names"
    none = "no family that is known" if not named else "of no family that is known"
    return BadInput(
        "model_type",
        f"model_type is missing, and {said} {none}: it takes a Hugging Face config.json.",
    )


def of_diffusers(c: Fields) -> BadInput | None:
    """Refuse a file of the library that makes pictures, which has a class and no model_type.

    Parameters
    ----------
    c : Fields
        The top-level config.

    Returns
    -------
    BadInput or None
        One sentence; None for another file.
    """
    name = c.data.get("_class_name")
    if not isinstance(name, str):
        return None
    return _no_decoder("_class_name", f"_class_name {shown(name)} {REASONS['images']}")


def both_ways(c: Fields, kind: str) -> BadInput:
    """Refuse a decoder that was made an encoder, such as one of embeddings.

    Parameters
    ----------
    c : Fields
        The top-level config.
    kind : str
        Its model_type.

    Returns
    -------
    BadInput
        One sentence.
    """
    field = "is_causal" if c.data.get("is_causal") is False else "use_bidirectional_attention"
    said = f"{field} is {shown(c.data[field])}: this {shown(kind)} {REASONS['encoder']}"
    return _no_decoder(field, said)


def _no_decoder(field: str, said: str) -> BadInput:
    return BadInput(field, f"{said}: take a model that only decodes, {ELSE}.")


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
    why = REFUSED.get(kind.lower(), "") or _by_class(c)
    if not why and BY_DIFFUSION.search(kind):
        why = REASONS["diffusion"]
    if why or c.data.get("is_encoder_decoder") is True:
        why = why or REASONS["pair"]
        return _no_decoder("model_type", f"model_type {shown(kind)} {why}")
    if not why and kind.lower() in SHARING:
        told = "has layers that read the caches of others, which the importer cannot count"
        return BadInput(
            "model_type", f"model_type {shown(kind)} {told}: take another model, {ELSE}."
        )
    near = difflib.get_close_matches(kind[:60], FAMILIES, n=3, cutoff=0.75)
    hint = f" (near to it: {', '.join(near)})" if near else ""
    return BadInput(
        "model_type",
        f"model_type {shown(kind)} is not an architecture the importer knows, of "
        f"{len(FAMILIES)}{hint}: its tensors cannot be counted; take a model of a known one, "
        f"{ELSE}.",
    )
