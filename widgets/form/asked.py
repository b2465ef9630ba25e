"""A question typed in a line, such as "gpt-oss-120b on H100, 32K context", read word by word.

Numbers are known by the words beside them, names by the catalogue.
"""

import re
from typing import Any, NamedTuple

from llmcap_kernel import catalog
from llmcap_kernel.address import MEAN
from llmcap_kernel.catalog import names
from llmcap_kernel.refuse import BadInput, shown, typed_number

from . import from_name, lists

MAX_TEXT = 300
WINDOW = 7  # words of a name: "a MacBook Pro M4 Max 128 GB"
MOST_LOST = 8  # words not understood; whoever types more asks something else
NUMBER = r"(?<![\w.])(\d[\d.,]*\s?(?:[kKmM]i?\b)?)"
SUM = r"(?<![\w.])(?![\d.,]*\s?k\b)(\d[\d.,]*)"  # by the thousand, it buys cards and rents none
MONEY = rf"(?:\$\s*)?{SUM}\s*(?:\$|usd\b|dollars?\b)?"
DOLLARS = rf"(?:\$\s*{SUM}|{SUM}\s*(?:\$|usd\b|dollars?\b))"
HOUR = r"\s*(?:/|\ban?\b|\bper\b|-)?\s*\b(?:h|hr|hour)s?\b"
CARD = r"\s*(?:\beach\b|(?:/|\ban?\b|\bper\b)\s*(?:gpu|card|accelerator|device|chip)s?\b)"
RENT = r"\brent(?:ed|al|s)?\b\s*(?:of|at|is|for|=|:)?\s*"
IN_ALL = r"(?:in total|total|in all|altogether|for (?:all|both))\b"
NO_MORE = r"\b(?:budget|under|below|max(?:imum)?|at most|up to|within|less than|no more than)\b|<=?"
TIME = NUMBER + r"\s*(ms|milliseconds?|s|sec|seconds?)\b"
WAIT, GAP = r"\b(?:ttft|first token)\b", r"\b(?:itl|tpot|gaps?|between tokens)\b"
NEAR = r"[^\d$]{0,24}?"  # words that may stand between a name and its number
BESIDE = r"(?:(?!\band\b)[^,;\d$]){0,20}?"  # or between a percentile and what it is of
RANKED = r"\bp(?:50|90|95|99)\b|\b(?:50|90|95|99)(?:th|%| (?:of|in) 100)(?:\s*percentile)?"
PERCENTILE = rf"({RANKED}|\b(?:mean|average|median)\b)"
RATE = r"(?:tok|tokens?|t)\s*(?:/|\ba\b|\bper\b)\s*s(?:ec|econd)?\b"
PAIR = r"(?<![\w.$/])(\d[\d.,]*[kK]?i?)\s*/\s*(\d[\d.,]*[kK]?i?)(?![\w/%])"  # as "8k/1k"
REQUESTS = r"(?:requests?|req|queries|calls|messages?|questions?)"
PER = {
    **{"min": 60, "hour": 3_600, "hr": 3_600, "h": 3_600, "day": 86_400, "dai": 86_400},
    **{"week": 604_800, "month": 2_592_000, "year": 31_536_000},
}  # seconds; a month has thirty days
EVERY = (
    rf"(?:(?:/|\ba\b|\ban\b|\bper\b|\bevery\b)\s*({'|'.join(PER)})(?:ute)?s?\b"
    r"|\b(hour|dai|week|month)ly\b)"
)
OF_WHICH = r"((?:(?:input|prompt|output|answer|generated|completion|total)\s+)?)"
VOLUME = (
    rf"(?<![\w.])(\d[\d.,]*\s?(?:[kKmMbB]i?\b)?)\s*{OF_WHICH}(?:tok|tokens?)"
    rf"(?:\s*(?:in total|total))?\s*{EVERY}"
)
# What all users get together, where the words beside a rate say so: of one user it is a speed.
WHOLE = (
    r"(output|answers?|generated|generation|completion|input|prompts?|total|in total|throughput"
    r"|aggregate|overall|combined|altogether)"
)
THROUGHPUTS = (rf"{NUMBER}\s*{WHOLE}\s+{RATE}", rf"{NUMBER}\s*{RATE}\s*(?:of\s+)?{WHOLE}\b")
STRAY = rf"{NUMBER}\s*{RATE}|{TIME}"  # limits of something else
MANY = {
    **{"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8},
    **{"a": 1, "single": 1, "dual": 2},
}
COUNT = rf"(?:(?<![\w.]){'|'.join(MANY)}|(?<![\w.$])[1-9]\d?)"
BOXES = (
    rf"\b({COUNT})[\s-]+(?:nodes?|servers?|machines?|hosts?|boxes)\b"
    r"\s*((?:of|with|x|×|each)\b)?"
)
# "2x8 H100", no size of a mixture as 8x7B
TWICE = r"(?<![\w.])([1-9]\d?)\s*[x×](?=\d{1,2}(?:\s*[x×]\s*|\s+)[A-Za-z])"
DRAFTS = (
    r"(?:\b(?:with|and|an?)\s+)*((?:[\w.-]+\s+)?draft(?:s|\s+models?)?\b|\bspec(?:ulative)?[\s-]"
    r"dec\w*|\beagle-?3?\b|\bmtp\b)"
)
HOST = r"(?:the\s+)?(?:cpu|ram|host)\b"
OFFLOAD = (
    rf"((?:\bmoe\s+)?\bexperts?\s+(?:on|in|to)\s+{HOST}"
    rf"|\b(?:(?:cpu|ram|host)[\s-])?offload(?:ing|ed)?\b(?:\s+to\s+{HOST})?)"
)
PROCESSOR = r"((?:\bon\s+)?\bcpu(?:[\s-]only|\s+inference)?\b|\bwithout\s+(?:a\s+)?gpus?\b)"
CLOSED = (
    r"\b(gpt-?[345](?:[.-]?[\do]\w*)?(?:-\w+)*|chatgpt|claude(?:[\s-][\w.]+)?"
    r"|gemini(?:[\s-][\w.]+)?)\b"
)
PURCHASE = r"((?:\bbudget\s*(?:of\s*)?)?\$\s*\d[\d.,]*\s?k\b)"
SIZED = r"\b(\d+)\s?gi?b\s+(?:of\s+)?(?:v?ram|gpus?|cards?|graphics cards?)\b"
MEMORY = re.compile(r"\b(\d+)\s?gi?b\b", re.I)  # whose nobody said
HOME = re.compile(r"\b(?:at home|home|locally|my (?:own )?(?:pc|computer|desktop))\b", re.I)
LAPTOP = re.compile(r"\b(?:laptop|notebook)s?\b", re.I)
LONGEST = re.compile(
    r"\b(?:max(?:imum)?|longest|largest|biggest|how (?:long|large|much))(?:\s+(?:an?|of a))?"
    r"\s+(?:context|ctx)|\bwhat (?:context|ctx)\b(?=.*\b(?:fits?|can|get)\b)",
    re.I,
)
ADAPTERS = (
    rf"(?:\bwith\s+)?((?:{COUNT}\s+)?(?:q?lora|peft)s?\b(?:\s+adapters?\b)?"
    r"(?:\s+(?:of\s+)?rank)?(?:\s*\d+\b)?)"
)
EACH_M = r"\s*(?:/|\bper\b)?\s*(?:1?\s*m(?:tok|illion)?\b)?\s*(?:tokens?\s*)?"
JOIN = r"\s*(?:,|/|\bor\b|\bvs\b\.?|\bversus\b|\band\b|\bagainst\b)\s*"
FORMAT = (
    r"\b(?:(?:int4|w4a16)[\s-](?:awq|gptq)|fp32|bf16|fp16|fp8|int8|int4|nvfp4|mxfp4|mxfp8|awq|gptq"
    r"|(?:ud-)?i?q\d[\w]*|[w]\d+a\d+|(?<![\w-][-])(?<!\w)[48][\s-]?bits?)"
)
FORMATS = rf"({FORMAT}(?:{JOIN}{FORMAT})*)"  # several are to be set side by side
ENGINE = (
    r"\b(?:vllm|sglang|tensorrt-llm|trt-llm|(?:ik_)?llama\.?cpp|ollama|lm[\s-]?studio"
    r"|koboldcpp)(?![\w/-])(?:\s*v?\d[\d.]*)?"
)
SHARED = (
    r"\b(?:system\s+prompt|shared\s+prefix|prefix(?:\s+(?:cache|cached|caching))?|shared|cached)\b"
)
PEOPLE = r"(?:people|persons|employees|developers|devs|engineers|customers|clients|students|seats)"
CROWD = (
    r"(?:(?:daily|monthly|active)\s+)*(?:conc(?:urren(?:t|cy))?(?:\s+(?:requests?|users?))?|users?|sessions?|streams?|agents?"
    rf"|{PEOPLE})\b"
    r"(?!\s+tokens?)"
)
PLAIN = r"(?<![\w.])(\d+(?:,\d{3})*)(?!\d|\s?[kKmM]i?\b|\s?/)"  # no length of a prompt
AT_ONCE = r"requests? (?:at once|in flight)"
ANSWERS = r"(?:outputs?|answers?|completions?|generations?|responses?)"
NO_FORMAT = r"(?!\s+(?:fp|bf|int|nv|mx))"  # "in FP8" is no prompt
AMOUNT = r"(?<![\w.])(\d[\d.,]*\s?(?:[kKmMbB]\b)?)"
# Work that is done once, as "1M documents of 2,000 tokens", and until when.
PIECES = (
    r"((?:documents?|docs?|files?|pdfs?|emails?|pages?|records?|rows?|articles?|tickets?|reviews?"
    r"|transcripts?|abstracts?|papers?|prompts?|requests?))"
)
BATCH = (
    rf"{AMOUNT}\s*{PIECES}\s*(?:(?:,|of|with|at|x|about|averaging|each)\s*)*{AMOUNT}"
    r"\s*tokens?(?:\s+each\b|\s+(?:per|a)\s+(?:document|doc|file|pdf|page|one)\b)?"
)
DEADLINE = re.compile(
    r"(?:\b(?:in|within|over)\s+)?(?<![\w.$])(\d[\d.]*|\ban?\b|\bper\b|\bone\b|/)\s*"
    r"(h|hr|hour|day|week|month)s?\b",
    re.I,
)
OVERNIGHT = re.compile(r"\bover\s?night\b|\bby (?:tomorrow|morning)\b", re.I)
PART = r"(\d[\d.]*\s*%|(?<![\w.])[01]?\.\d+)"
OF_CACHE = r"(?:(?:kv|prefix|prompt)[\s-]*)?(?:(?:cache|caching)[\s-]*)?"
HITS = rf"{OF_CACHE}hits?\b(?:[\s-]*(?:rate|ratio)\b)?"
SAME = r"(?:shared|cached|the same|identical|common|reused)\b"
BY_ALL = r"(?:\s+(?:by|between|among|across|for|with)\s+(?:all|every\w*|the)?(?:\s*users\b)?)?"
A_RATE = r"(?:[rq]ps\b|(?:requests?|req)\s*/\s*(?:s|sec|second|min|minute|h|hour)\b)"
PEAK = r"\b(?:bursts?|bursting|peaks?|peaking|spikes?|spiking)\b"
EACH_ONE = rf"(?:(?:/|an?\b|per\b|by\b|from\b)?\s*\b(?:users?|person|each|{PEOPLE}))"
AT_THE_TIME = r"(?:at once|active|concurrent(?:ly)?|online|at the same time|simultaneous(?:ly)?)\b"
SPEND = r"(?:\$\s*(\d[\d.,]*\s?k?)(?:usd\b)?|(?<![\w.])(\d[\d.,]*\s?k?)\s*(?:\$|usd\b|dollars?\b))"
LONGER = (
    r"(?:(?:/|\ban?\b|\bper\b|\bevery\b)\s*(day|week|month|year)s?\b"
    r"|\b(dai|week|month|year)ly\b)"
)
NO_MODEL = (
    r"(?<![\w-])((?:text[\s-])?embeddings?|bge-[\w-]+|e5-[\w-]+|rerank(?:er|ing)|whisper[\w-]*"
    r"|stable[\s-]diffusion[\w-]*|sdxl|flux[\w.-]*)(?![\w-])"
)
# What is no number of anything: "-5 users", "0 H100", "0 ms".
ABSURD = (
    r"(?<![\w)\]-])(-\d[\d.,]*\s*(?:users?|tokens?|requests?|ms|s|gpus?|cards?|rps)\b"
    r"|(?<![\w.,$-])0\s*(?:x\s*)?(?:gpus?|cards?|ms|seconds?|users?|(?:[hablt]|mi|gb|rtx\s?)\d+\w*)\b)"
)
# What is read, in this order: each takes its words out of the question.
NUMBERS = (
    ("absurd", ABSURD),
    ("no model", NO_MODEL),
    ("times", r"\bmax\w*\s+concurrency\D{0,20}?(\d+(?:\.\d+)?)\s*x(?!\w)"),
    ("share", rf"{PART}\s*(?:{HITS}|{SAME}(?:\s+prefix\b)?)"),
    ("share", rf"{PART}\s*(?:of\s+)?(?:the\s+|each\s+|every\s+)?(?:prompts?|inputs?|tokens?)"
     rf"\s+(?:is|are|being)?\s*{SAME}{BY_ALL}"),
    ("share", rf"{HITS}\s*(?:of|=|:|is|at)?\s*{PART}"),
    ("active", rf"(\d[\d.]*\s*%)\s*(?:of (?:them|the\b|users|{PEOPLE})\s*)*(?:are\s+|is\s+)?"
     rf"{AT_THE_TIME}"),
    ("batch", BATCH),
    ("both", rf"{AMOUNT}\s*(?:input|prompt)\s*(?:tokens?)?\s*(?:and|,|/|\+|&)\s*{AMOUNT}\s*"
     rf"(?:output|answer|completion|generated)\s*(?:tokens?)?\s*{EVERY}"),
    ("burst", rf"{PEAK}\s*(?:of|to|up to|at|is|:|=|\s)*(\d+(?:[.,]\d+)*\s*(?:x\b|times\b|users?\b"
     rf"|{A_RATE}))"),
    ("burst", rf"(\d[\d.,]*\s*(?:x\b|users?\b|{A_RATE}))\s*(?:at|in|during)?\s*{PEAK}"),
    ("each", rf"{NUMBER}\s*{REQUESTS}\s*{EACH_ONE}\s*{EVERY}"),
    ("each", rf"{NUMBER}\s*{REQUESTS}\s*{EVERY}\s*{EACH_ONE}"),
    ("each", rf"\b(?:each|every one)\s+(?:\w+\s+)?{NUMBER}\s*{REQUESTS}\s*{EVERY}"),
    ("spend", rf"(?:(?:{NO_MORE})\s*(?:of|is|=|:)?\s*)?{SPEND}\s*{LONGER}"),
    ("volume", VOLUME),
    ("nodes", BOXES),
    ("nodes", TWICE),
    ("lora", ADAPTERS),
    ("draft", DRAFTS),
    ("offload", OFFLOAD),
    ("processor", PROCESSOR),
    ("closed", CLOSED),
    ("purchase", PURCHASE),
    ("memory", SIZED),
    # what an API asks for a million
    ("api_in", rf"{DOLLARS}{EACH_M}(?:\bfor\s+)?(?:in|inputs?|prompts?)\b"),
    ("api", rf"{DOLLARS}{EACH_M}(?:\bfor\s+)?(?:out|outputs?|answers?)\b"),
    # a rent is of one card, a budget of all
    ("usd", rf"{DOLLARS}{HOUR}{CARD}"),
    ("usd", rf"{DOLLARS}{CARD}(?:{HOUR})?"),
    ("usd", rf"{RENT}{DOLLARS}(?:{HOUR})?(?:{CARD})?"),
    ("usd", rf"{RENT}(\d[\d.,]*){HOUR}(?:{CARD})?"),
    ("budget", rf"(?:{NO_MORE})\s*(?:of|is|=|:)?\s*{DOLLARS}(?:{HOUR})?"),
    ("budget", rf"\bbudget\s*(?:of|is|=|:)?\s*{MONEY}(?:{HOUR})?"),
    ("rented of all", rf"{DOLLARS}{HOUR}\s*{IN_ALL}"),
    ("rented", rf"(\bat|@|\bfor)\s*{DOLLARS}{HOUR}"),
    ("budget", rf"(?<!at )(?<!@)(?<!@ ){DOLLARS}{HOUR}"),
    ("itlp", rf"{PERCENTILE}(?={BESIDE}{GAP})"),
    ("ttftp", rf"{PERCENTILE}(?={BESIDE}{WAIT})"),
    ("itlp", rf"(?:{GAP}){BESIDE}{PERCENTILE}"),
    ("ttftp", rf"(?:{WAIT}){BESIDE}{PERCENTILE}"),
    ("second", rf"({RANKED})\s*(?:(?:of|is|at|under|below|at most|within|max|must be|should be|"
     rf"<=?|=|:)\s*)*(\d[\d.,]*\s*(?:ms|milliseconds?|s|sec|seconds?)\b)"
     rf"(?!\s*(?:to (?:the )?)?(?:{WAIT}|{GAP}|(?:a|per) token))"),
    ("percentile", rf"({RANKED}|\bmean\b)"),
    ("ttft", rf"{WAIT}{NEAR}{TIME}"),
    ("ttft", rf"{TIME}\s*(?:to (?:the )?)?{WAIT}"),
    ("itl", rf"{GAP}{NEAR}{TIME}"),
    ("itl", rf"{TIME}\s*(?:{GAP}|(?:a|per) token)"),
    ("itl", rf"{NUMBER}\s*(ms|milliseconds?)\b"),
    ("speed", rf"{NUMBER}\s*{RATE}\s*(?:/|\ba\b|\bper\b)?\s*(?:user|stream|request|each)\b"),
    *(("volume", one) for one in THROUGHPUTS),
    ("rate", rf"{NUMBER}\s*(?:(?:requests?|req|r)\s*(?:/|a|per)\s*s(?:ec|econd)?|[rq]ps)\b"),
    ("rate", rf"{NUMBER}\s*{REQUESTS}\s*{EVERY}"),
    ("users", rf"\b(?:conc(?:urrency)?|batch(?:[\s-]size)?|bs)\s*(?:of|=|:)?\s*{PLAIN}"),
    ("users", rf"{NUMBER}\s*(?:{CROWD}|{AT_ONCE})"),
    ("users", rf"\busers\s*(?:of|=|:)?\s*{NUMBER}"),
    ("other tp", r"\b(?:over|instead of|vs\.?|versus|against|from|rather than|or)\s+"
     r"tp[\s=-]*(\d+)\b"),
    ("tp", r"\b(?:tp|tensor[\s-]parallel(?:ism|[\s-]size)?)[\s=:-]*(?:of\s+)?(\d+)\b"),
    ("pp", r"\b(?:pp|pipeline[\s-]parallel(?:ism|[\s-]size)?)[\s=:-]*(?:of\s+)?(\d+)\b"),
    ("seqs", r"\bmax[\s_-]num[\s_-]seqs\s*=?\s*(\d+)\b"),
    ("seqs", r"(?<![\w.])(\d+)\s*(?:seqs|sequences)\b"),
    ("fraction", r"\bgpu[\s_-]memory[\s_-]utili[sz]ation\s*=?\s*([01]?\.\d+)"),
    ("cards", r"(?<![\w.$])(\d{1,3})[\s-](?:gpus?|cards?|accelerators?)\b(?!\s*/)"),
    ("maxlen", rf"\bmax[\s_-]model[\s_-]len\s*=?\s*{NUMBER}"),
    ("prefix", rf"\bsystem\s+prompt\s*(?:of|=|:|with)?\s*{NUMBER}\s*(?:tokens?)?\s*(?:is\s+)?"
     rf"{SAME}{BY_ALL}"),
    ("prefix", rf"{NUMBER}\s*(?:tokens?\s*)?(?:of\s*)?{SHARED}{BY_ALL}"),
    ("prefix", rf"{SHARED}\s*(?:of|=|:)?\s*{NUMBER}"),
    ("caching", r"\b((?:automatic\s+)?prefix[\s-]+(?:caching|cache))\b"),
    ("in", rf"{NUMBER}\s*(?:tokens?\s*)?(?:of\s*)?(?:\bin\b{NO_FORMAT}|inputs?\b)"),
    ("in", rf"{NUMBER}\s*(?:tokens?\s*)?(?:of\s*)?prompts?\b"),
    ("in", rf"\b(?:prompts?|inputs?|isl)\s*(?:of|=|:)?\s*{NUMBER}"),
    ("out", rf"{NUMBER}\s*(?:tokens?\s*)?(?:of\s*)?(?:out\b|{ANSWERS}\b)"),
    ("out", rf"\b(?:{ANSWERS}|osl)\s*(?:of|=|:)?\s*{NUMBER}"),
    ("ctx", rf"{NUMBER}\s*(?:tokens?\s*)?(?:of\s*)?(?:context|ctx)\b"),
    ("ctx", rf"\b(?:context|ctx)(?:\s+(?:length|window|size))?\s*(?:of|=|:)?\s*{NUMBER}"),
    ("ctx", r"\bat\s+(\d[\d.,]*\s?[kKmM]i?)\b"),
    ("ctx", r"(?<![\w.$/-])(\d[\d.,]*[kK]i?)(?![\w/-])(?!\s*tokens?\s*(?:/|a|per)\b)"
     rf"(?!\s*{RATE})"),
    ("ctx", r"(?<![\w.$/-])(\d[\d.,]*\s?(?:[kK]i?)?)\s*tokens?\b(?!\s*(?:/|an?\b|per\s+s))"),
    ("kv", rf"\b(?:kv|cache)(?:[\s_-]cache)?(?:[\s_-]d?type)?\s*(?:in|=|:)?\s*{FORMATS}\b"),
    ("kv", rf"{FORMATS}\s+(?:kv|cache)\b(?:\s+cache\b)?"),
    ("weights", rf"{FORMATS}\b(?:\s+weights\b)?"),
    ("engine", rf"({ENGINE}(?:{JOIN}{ENGINE})*)"),
)  # fmt: skip
PRICED = re.compile(
    r"(?:\$\s*(?:/|\bper\b)|\bper\b)\s*1?\s*m(?:tok|illion)?\b(?:\s+(?:output|input)(?=\s+tok))?",
    re.I,
)  # a price that is asked for
# Quants by their bits alone, as the usual file of them is called.
QUANTS = {"iq1": "iq1_s", "iq2": "iq2_xs", "iq3": "iq3_xxs", "iq4": "iq4_xs"}
EACH_OF = ("engine", "weights", "kv")  # may be named several times, to be set side by side
MOST = re.compile(
    r"\b(?:how many|most|max(?:imum)?|number of)\s+(?:\w+\s+)?(?:users|people|sessions|streams)\b"
    r"|\b(?:max(?:imum)?|largest|biggest)\s+batch(?:[\s-]size)?\b|^\s*users\b",
    re.I,
)
# Of the memory that a model asks for, not of a service.
NEED = re.compile(
    r"\b(?:how much|min(?:imum)?)\s+(?:gpu\s+)?(?:v?ram|memory)\b"
    r"|\b(?:v?ram|memory)\s+(?:is\s+)?(?:needed|required|requirements?|needs?)\b",
    re.I,
)
# What one change buys: "what would FP8 KV buy me", "going from H100 to H200".
GAIN = re.compile(
    r"\bwhat (?:would|does|do|will|could|can|did)\b.{0,60}?"
    r"\b(?:buy|bring|give|gain|save|change)s?\b"
    r"|\bwhat (?:would )?changes?\b|\bgain\b|\b(?:does|do|would|will|is|are|can)\b.{0,60}?"
    r"\b(?:help|pay off|worth)\b|\bhow much (?:faster|cheaper|better|more|does)\b.{0,60}?"
    r"\b(?:with|help|save|buy|bring|gain)s?\b",
    re.I,
)
HOW_MANY = re.compile(
    r"(?<!/)\b(?:how many|(?:minimum\s+)?number of|min(?:imum)?(?:\s+of)?)\s+"
    r"(?:gpus?|cards?|accelerators?|nodes?|(?=[a-z]+\d)[\w-]+)\b",
    re.I,
)
POWER = re.compile(r"\b(?:power|watts?|kwh|energy|electricity)\b", re.I)
# How long it takes until the first request can be answered.
STARTING = re.compile(
    r"\b(?:cold[\s-]?starts?|(?:load(?:ing)?|start-?up|starting|boot)[\s-]times?"
    r"|time to (?:load|start|boot)|how long\b.{0,80}\b(?:load|start|boot)(?:s|\s+up)?)\b",
    re.I,
)
OF_STARTING = re.compile(
    r"\b(?:cold|starts?|starting|startup|start-up|up|loads?|loading|boots?|times?|long)\b", re.I
)
FOREIGN = r"(?:€|£|\b(?:euros?|eur|gbp)\b)"  # money that is no dollar
WHICH_ONE = ("itlp", "ttftp", "percentile")
FLAGS = {
    "starting": STARTING,
    "most": MOST,
    "count": HOW_MANY,
    "longest": LONGEST,
    "power": POWER,
    "home": HOME,
    "laptop": LAPTOP,
    "everyone": re.compile(rf"\d\s*{PEOPLE}\b", re.I),
    "need": NEED,
    "gain": GAIN,
    "onward": re.compile(r"\bgain from\b", re.I),
}
# A size of Llama without its number is the newest of it, in a question of today.
NEWEST = {"8": "llama-3.1-8b", "70": "llama-3.3-70b", "405": "llama-3.1-405b"}
# Words about a load that are typed with a slip, and those that are a letter from them and right.
SLIPPED = ("users", "concurrent", "concurrency", "requests", "context", "tokens", "prompt",
           "output", "budget", "llama", "mistral", "gemma", "mixtral", "deepseek")  # fmt: skip
NO_SLIP = {"user", "uses", "used", "request", "content", "contest", "contexts", "token", "prompts",
           "outputs", "budgets", "concurrently", "llava", "llada", "llamas"}  # fmt: skip
# Other spellings of what is read below, in this order.
COUNTED = (
    r"(?=\s*(?:tok\w*|users?|requests?|prompts?|in\b|inputs?|out\b|outputs?|answers?|context"
    rf"|documents?|{PEOPLE}))"
)
REWRITTEN: tuple[tuple[str, Any], ...] = (
    (r"[()]", " "),
    (r"\b24\s*/\s*7\b", " "),  # no pair of lengths
    # thousands and decimals as other languages write them: "7.000 tokens", "1 000 users", "1,5 s"
    (rf"(?<![\w.,$-])(\d{{1,3}})[.\s'’](\d{{3}}){COUNTED}", r"\1\2"),
    (r"(?<![\w.,])(\d+),(\d{1,2})(?=\s*(?:(?:ms|s|sec\w*|eur\w*|usd)\b|[€$]))", r"\1.\2"),
    (r"([€$]\s*\d+),(\d{1,2})(?!\d)", r"\1.\2"),
    (r"\b([LT]4|L40S)s\b", r"\1"),
    (
        r"\b(?:go|going|mov(?:e|ing)|upgrad(?:e|ing)|switch(?:ing)?|chang(?:e|ing))\s+"
        r"(?:[\w ]{0,20}?)?from\s+(.{1,30}?)\s+to\s+",
        r" gain from \1 vs ",
    ),
    # what retrieval puts into a prompt
    (
        r"(?<![\w.])(\d+)\s*(?:chunks?|passages?|snippets?)\s*(?:of|with|at|x)?\s*(\d+)\s*tokens?\b",
        lambda found: f" {int(found[1]) * int(found[2])} tokens prompt ",
    ),
    # a side behind its time: "100k tokens/min input"
    (
        rf"\btokens?\s*((?:/|per\b|an?\b)\s*(?:{'|'.join(PER)})\w*)\s+(?:of\s+)?"
        r"(input|output|prompt|answer)s?\b",
        r"\2 tokens \1",
    ),
    # as vLLM's log has it
    (
        r"\b(max\w*\s+concurrency)\s+(?:for|at)\s+([\d.,]+\s?k?i?)\s*tokens(?:\s+per\s+request)?"
        r"\s*(?::|is|of|says)?\s*(\d+(?:\.\d+)?)\s*x",
        r"\1 \3x for \2 tokens",
    ),
    (rf"{FOREIGN}\s*(?=\d)", "$"),
    (rf"(?<![\w.$])(\d[\d.,]*k?)\s*{FOREIGN}", r"$\1"),
    (r"\bllama[ -](8|70|405)b\b", lambda found: NEWEST[found[1]]),
    # "2 million"
    (r"(?<=\d)[\s-]*(thousand|million|billion)\b", lambda found: found[1][0].upper()),
    (r"\bisl\s*/\s*osl\b", " "),  # of a pair behind it
    (r"(?<!\w)--?(?=[a-z]{2})", " "),  # options of a command
    (r"\b(awq|gptq)[\s-]*(?:int)?[48][\s-]?bits?\b", r"\1"),
    (r"\bon[\s-]prem(?:ises?)?\b", " , "),
    (r"\brpm\b", " requests/min"),
    # a burst without a unit has that of the steady rate
    (
        rf"(\d[\d.,]*)\s*({A_RATE}|users?\b)([^\d]{{0,30}}?{PEAK}[^\d]{{0,12}})(\d+(?:[.,]\d+)*)"
        rf"(?!\s*(?:\d|k\b|x\b|times|users?\b|{A_RATE}))",
        r"\1 \2\3\4 \2",
    ),
    (r"(\bmac\s?\w+)\s+with\s+(?=\d+\s?gi?b\b)", r"\1 "),  # its own memory
    (r"\bsingle[\s-](?=user|stream|session)", "1 "),
)
OVER = r"\b(?:over|by|along|with|as|against)\s+(?:the\s+)?(?:growing\s+|number of\s+)?"
SWEEPS = {"ctx": "context", "users": "users", "in": "prompts?", "out": "answers?"}
SHOWS = {
    "price": r"\b(?:price|cost|costs|cheap\w*|per million|\$/m)\b",
    "ttft": WAIT,
    "rate": r"\b(?:speed|fast\w*|tok/s|tokens a second)\b",
    "gap": GAP,
    "fit": rf"\b(?:fits?|room)\b|{MOST.pattern}",
}
SIZES = (
    "small",
    "medium",
    "large",
    "nano",
    "mini",
    "tiny",
    "super",
    "ultra",
    "pro",
    "flash",
    "lite",
)
ARTICLES = ("a", "an", "my", "our", "the", "this", "is")
# Words that ask and join, and tell nothing.
SILENT = frozenset(
    """
    a an and any api are as at average avg batch be best better between biggest bring brings
    budget but buy by cache can card cards change changes chatbot cheap cheaper cheapest compare
    completion concurrent context cost costs could decode did do does draw draws each
    electricity energy enough expect extra fast faster first fit fits for from gain gap gaps get
    give gives going gpu gpus grow growing grows handle hardware have help helps home host how i
    in inference is it itl kv kwh laptop laptops largest latency least length limit limits llm
    llms load locally log machine many max maximum me mean million minimal minimum model models
    more most much my need needed needs node nodes number of off on one or out over p95 pay per
    please power prefill price quant quantization quants rag required requirements rig run
    running runs save says serve server setup should show single size speed t/s take takes than
    that the their them then throughput to tok/s token tokens tokens/s ttft under up us usd use
    user users using versus vram vs want watt watts way we what what's when where which why will
    window with within worth would
    """.split()  # noqa: SIM905 - a list has a line a word
)


class Read(NamedTuple):
    """What a question says.

    Attributes
    ----------
    models, cards : list
        Names of models; names of cards, each with how many.
    numbers : dict
        What else it says, by the input's name.
    lost : list of str
        What was not understood.
    also : dict
        Further engines and formats beside the first, as in "vLLM vs SGLang", by the input's name.
    """

    models: list[str]
    cards: list[tuple[str, int]]
    numbers: dict[str, Any]
    lost: list[str]
    also: dict[str, list[str]]


def read(text):
    """Read a question.

    Parameters
    ----------
    text : str
        As it was typed.

    Returns
    -------
    Read
        What it says.

    Examples
    --------
    >>> read("Qwen3-32B on two H200, 32K context")
    Read(models=['qwen3-32b'], cards=[('h200-sxm', 2)], numbers={'ctx': '32K'}, lost=[], also={})
    """
    text, slips = _spelled(text.strip()[:MAX_TEXT])
    rest = f" {text} "
    for pattern, written in REWRITTEN:
        rest = re.sub(pattern, written, rest, flags=re.I)
    numbers, rest = _flags(rest)
    numbers |= {"slips": slips} if slips else {}
    numbers |= {"foreign": found[0]} if (found := re.search(FOREIGN, text, re.I)) else {}
    also: dict[str, list[str]] = {}
    rest = PRICED.sub(" ", rest)
    for name, pattern in NUMBERS:
        found = re.search(pattern, rest, re.I)
        if found and name not in numbers:
            numbers[name], *also[name] = _values(name, found)
            of_which = name in WHICH_ONE
            # what a percentile is of has its number still to come
            start, end = found.span(1) if of_which else found.span()
            rest = rest[:start] + (" " if of_which else " , ") + rest[end:]
    rest = re.sub(DRAFTS, " , ", rest, flags=re.I)
    if "batch" in numbers:
        rest = _until(numbers, rest)
    pair = re.search(PAIR, rest)
    if pair and not numbers.keys() & {"in", "out"}:
        numbers["in"], numbers["out"] = (one.strip(",.") for one in pair.groups())
        rest = rest[: pair.start()] + " , " + rest[pair.end() :]
    stray = [found[0].strip() for found in re.finditer(STRAY, rest, re.I)]
    own = [one for one in stray if re.search(RATE, one, re.I)]
    if own and numbers.get("users") == "1":  # what all get is what the only one gets
        numbers.setdefault("speed", re.findall(NUMBER, own[0])[0])
        stray.remove(own[0])
    said = _named(re.sub(rf"{STRAY}|\b{RATE}", " , ", rest, flags=re.I), numbers)
    also = {name: more for name, more in also.items() if more}
    return said._replace(lost=[*said.lost, *stray][:MOST_LOST], also=also)


def _until(numbers, rest):
    """Read until when the work of a batch is to be done, and give what is left of a question."""
    if found := DEADLINE.search(rest):
        many = typed_number(found[1]) or 1
        numbers["hours"] = f"{many * PER[found[2].lower()] / 3600:g}"
        rest = rest[: found.start()] + " , " + rest[found.end() :]
    if OVERNIGHT.search(rest):
        numbers.setdefault("hours", "overnight")
        rest = OVERNIGHT.sub(" , ", rest)
    return rest


def _spelled(text):
    """A question without the slips of its words about a load, and what each is read as."""
    slips = {}
    for word in re.findall(r"(?<![\w.-])[a-z]{4,}(?![\w.-])", text, re.I):
        low = word.lower()
        if low in SLIPPED or low in NO_SLIP:
            continue
        if meant := next((one for one in SLIPPED if _one_slip(low, one)), ""):
            slips[word] = meant
            text = re.sub(rf"(?<![\w.-]){word}(?![\w.-])", meant, text)
    return text, [f"{shown(one)} is read as {meant}." for one, meant in slips.items()]


def _one_slip(word, meant):
    """Whether one letter was left out, put in, struck wrong, or two changed places."""
    same = next((i for i, (a, b) in enumerate(zip(word, meant, strict=False)) if a != b), len(word))
    if word == meant or not same:  # a first letter is seldom wrong
        return False
    mine, its = word[same:], meant[same:]
    swapped = mine[:2] == its[:2][::-1] and mine[2:] == its[2:]
    return swapped or mine[1:] == its[1:] or mine == its[1:] or mine[1:] == its


def _flags(rest):
    """What a question is about, as far as a word says it, and what is left of it."""
    numbers: dict[str, Any] = {name: True for name, words in FLAGS.items() if words.search(rest)}
    if "starting" in numbers:
        rest = OF_STARTING.sub(" ", rest)
    for name, pattern in SHOWS.items():
        if re.search(pattern, rest, re.I):
            numbers.setdefault("show", name)
    for name, word in SWEEPS.items():
        if found := re.search(rf"{OVER}{word}\b", rest, re.I):
            numbers.setdefault("sweep", name)
            rest = rest[: found.start()] + " , " + rest[found.end() :]
    return numbers, rest


def _values(name, found):
    """What was found for an input; more than one where several are set side by side."""
    said = " ".join(part.strip(" .,") for part in found.groups() if part)  # a time keeps its unit
    if name in EACH_OF:
        names = [QUANTS.get(one.lower(), one) for one in re.split(JOIN, said)]
        return list(dict.fromkeys(names))
    if name in ("rate", "each") and found.re.groups > 1:
        number, *units = found.groups()
        return [_a_second(number, next(filter(None, units)), 4 if name == "rate" else 10)]
    if name == "volume":
        return [" ".join(found[0].split())]
    if name == "nodes":
        many = found[1].lower()
        return [(MANY.get(many) or int(many), bool(found.re.groups == 1 or found[2]))]
    return [_percentile(said) if name in WHICH_ONE else said]


def _a_second(number, unit, figures):
    """Requests a minute, an hour or a day as requests a second."""
    return f"{(typed_number(number) or 0) / PER[unit.lower()]:.{figures}g}"


def _percentile(words):
    """The name of a percentile, or of the mean, as the inputs spell it."""
    digits = re.search(r"\d+", words)
    if digits:
        return f"p{digits[0]}"
    return "p50" if words.lower() == "median" else MEAN


def _named(rest, numbers):
    """Find the names in what is left: the longest run of words that means a card, or a model."""
    models: list[str] = []
    cards: list[tuple[str, int]] = []
    lost: list[str] = []
    counts: list[int] = []  # before their card, as in "1, 2 or 4 H100"
    for phrase in re.split(r"[,;?!]|\b(?:or|and|vs\.?|versus|on|for|with)\b", rest, flags=re.I):
        words = phrase.split()
        if len(words) == 1 and (alone := re.fullmatch(r"([1-9]\d?)x?", words[0], re.I)):
            counts.append(int(alone[1]))
            continue
        while words and len(lost) < MOST_LOST:
            if words[0].lower() in ARTICLES and len(words) > 1:  # "a 70B" is no fine-tune
                del words[0]
            found, length = _first_name(words)
            if not found:
                word = words.pop(0)
                bare = word.lower().strip(".:'\"()")
                if bare in ("one", "single"):
                    numbers["uncounted"] = False
                if bare in lists.VENDORS:
                    numbers["vendor"] = lists.VENDORS[bare]
                elif bare not in SILENT and any(map(str.isalnum, word)):
                    lost.append(word)
                continue
            del words[:length]
            if found.field == "gpu" and found.guessed and found.said.startswith(OPEN):
                numbers["open"] = found.said
            if found.field == "model":
                models.append(found.name)
                numbers |= {k: v for k, v in found.more.items() if k not in numbers}
            else:
                # of nodes whose cards are not said, 0: as many as one has
                many = [*counts, found.more.get("tp", 0 if "nodes" in numbers else 1)]
                numbers["uncounted"] = numbers.get("uncounted", True) and (
                    not counts and "tp" not in found.more
                )
                cards += [(found.name, n) for n in many]
                counts = []
    if counts or not numbers.get("uncounted"):
        numbers.pop("uncounted", None)
    if cards:  # "2x H100 or 4x"
        cards += [(cards[-1][0], n) for n in counts]
    else:
        lost += map(str, counts)
        lost = _memory_alone(lost, numbers)
    return Read(models, cards, numbers, lost, {})


def _memory_alone(lost, numbers):
    """What is lost without a memory that no card was named with, which a number then is."""
    found = MEMORY.search(" ".join(lost))
    if not found or "memory" in numbers:
        return lost
    numbers["memory"] = found[1]
    words = " ".join(lost)
    return (words[: found.start()] + words[found.end() :]).split()


def _first_name(words):
    """The longest run of the first words that is a name as it stands, else the best guess.

    Nearly any words after a model's name can be taken for a fine-tune's: those are no part of it.
    """
    guess: tuple[Any, int] = None, 0
    for length in range(min(WINDOW, len(words)), 0, -1):
        found = _meant(" ".join(words[:length])) or _one_of(words[:length])
        if found and found.guessed and words[0].lower() in SILENT:
            continue  # "should I buy 4x3090" is no model
        if found and found.said.startswith(OPEN):
            return guess if guess[1] and guess[0].field == "gpu" else (found, length)
        if found and found.field == "model" and (card := _card_before(words[:length], found)):
            return card
        if found and found.guessed and _begins_later(words[:length], found):
            return None, 0
        if found and not found.guessed:
            return guess if _another_size(words[length : guess[1]], found) else (found, length)
        less = guess[1] and (found is None or found.field != "model" or _says_more(guess[0], found))
        if found and not less and not _another_size(words[length : guess[1]], found):
            guess = found, length
    return guess


SAME_SIZE = 0.2  # of a model's parameters, as its name rounds them
OPEN = "Several cards are "


def _one_of(words):
    """The least of the cards that words leave open: "M3 36GB" is a Pro or a Max."""
    text = " ".join(words)
    found = names.card(text) if re.search(r"\d", text) else None
    if not found or not found.choices:
        return None
    every = map(catalog.gpu, found.choices)
    least = min(every, key=lambda gpu: (gpu.memory_sold_bytes, gpu.bandwidth_bytes_s))
    sized = names.card(f"{least.name} {_memory(text)}").name or least.name
    said = f"{OPEN}{text}: {lists.listed_title(sized)} is taken, the slowest of them."
    return from_name.Understood("gpu", sized, {"tp": max(found.count, 1)}, said, True)


def _memory(text):
    found = re.search(r"\d+\s?gi?b\b", text, re.I)
    return found[0] if found else ""


def _another_size(more, model):
    """Whether the words of a longer guess say another size than a model has: no "Super" of 49B."""
    said = [
        float(one[1]) for word in more if (one := re.fullmatch(r"(\d+(?:\.\d+)?)b", word, re.I))
    ]
    if model.field != "model" or not said:
        return False
    params = catalog.model(model.name).params
    return all(abs(1e9 * size / params - 1) > SAME_SIZE for size in said)


def _card_before(words, model):
    """The card that words begin with where the rest is the same model: "H200 Llama 3.1 8B"."""
    for length in range(len(words) - 1, 0, -1):
        rest = _meant(" ".join(words[length:]), (from_name.model,))
        card = _meant(" ".join(words[:length]), (from_name.card,)) or _one_of(words[:length])
        own = rest and not rest.guessed and model.name not in catalog.models()
        if card and rest and (own or rest.name == model.name):
            return card, length
    return None


def _says_more(longer, shorter):
    """Whether a longer guess is another model of the catalogue: "mistral small" is no Mistral."""
    return longer.name != shorter.name and longer.name in catalog.models()


def _begins_later(words, model):
    """Whether a fine-tune that was guessed is a model's own name behind other words."""
    later = (_meant(" ".join(words[i:]), (from_name.model,)) for i in range(1, len(words)))
    return model.field == "model" and any(
        one and not one.guessed and one.name == model.name for one in later
    )


def _meant(text, readers=(from_name.card, from_name.model)):
    """The card or the model that words mean; None where they mean neither."""
    if len(text) < 2 or all(word.lower() in SILENT for word in text.split()):
        return None
    if text.lower() in SIZES:  # of a family that was not understood
        return None
    for reads in readers:
        try:
            return reads(text)
        except BadInput:
            continue
    return None
