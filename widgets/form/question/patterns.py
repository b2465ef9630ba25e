"""What the words of a question mean, as patterns: numbers are known by the words beside them."""

import re

MAX_TEXT = 300
WINDOW = 7  # words of a name: "a MacBook Pro M4 Max 128 GB"
MOST_LOST = 8  # words not understood; whoever types more asks something else
NUMBER = r"(?<![\w.])(\d+(?:[.,]\d+)*\s?(?:[kKmM]i?\b)?)"  # and no comma behind it
SUM = r"(?<![\w.])(?![\d.,]*\s?k\b)(\d[\d.,]*)"  # by the thousand, it buys cards and rents none
MONEY = rf"(?:\$\s*)?{SUM}\s*(?:\$|usd\b|dollars?\b)?"
DOLLARS = rf"(?:\$\s*{SUM}|{SUM}\s*(?:\$|usd\b|dollars?\b))"
HOUR = r"\s*(?:/|\ban?\b|\bper\b|-)?\s*\b(?:h|hr|hour)s?\b"
CARD = r"\s*(?:\beach\b|(?:/|\ban?\b|\bper\b)\s*(?:gpu|card|accelerator|device|chip)s?\b)"
RENT = r"\brent(?:ed|al|s)?\b\s*(?:of|at|is|for|=|:)?\s*"
IN_ALL = r"(?:in total|total|in all|altogether|for (?:all|both))\b"
NO_MORE = r"\b(?:budget|under|below|max(?:imum)?|at most|up to|within|less than|no more than)\b|<=?"
TIME = NUMBER + r"\s*(ms|milliseconds?|s|sec|seconds?)\b"
LIMIT = r"\d[\d.,]*\s*(?:ms|milliseconds?|s|sec|seconds?)\b"  # the same in one piece
WAIT, GAP = r"\b(?:ttft|first token)\b", r"\b(?:itl|tpot|gaps?|between tokens)\b"
WHOLE_ANSWER = (
    r"\b(?:e2el?|end[\s-](?:to|2)[\s-]end|(?:whole|full|total|complete) (?:answers?|responses?"
    r"|requests?|latency)|response times?)\b"
)
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
    r"dec\w*|\beagle-?3?\b|\bmtp\b)(?:\s*(?:,|with|of|at)?\s*\d{1,2}\s*(?:draft\w*\s+)?tokens?\b)?"
    r"(?:\s*(?:,|with|at)?\s*\d\d?\s?%\s*accept\w*)?"
)
HOST = r"(?:the\s+)?(?:cpu|ram|host)\b"
OFFLOAD = (
    rf"((?:\bmoe\s+)?\bexperts?\s+(?:on|in|to)\s+{HOST}"
    rf"|\b(?:(?:cpu|ram|host)[\s-])?offload(?:ing|ed)?\b(?:\s+to\s+{HOST})?)"
)
PROCESSOR = r"((?:\bon\s+)?\bcpu(?:[\s-]only|\s+inference)?\b|\bwithout\s+(?:a\s+)?gpus?\b)"
CLOSED = (
    r"\b(gpt[\s-]?[345](?:[.-]?[\do]\w*)?(?:-\w+)*|chatgpt|claude(?:[\s-][\w.]+)?"
    r"|gemini(?:[\s-][\w.]+)?)\b"
)
# What cards are bought for: by the thousand, or a thousand and more without an hour.
PURCHASE = (
    r"((?:\bbudget\s*(?:of\s*)?)?\$\s*(?:\d[\d.,]*\s?k\b|(?:\d{1,3}(?:,\d{3})+|\d{4,})(?![\d.,]*\d)"
    rf"(?!{HOUR})(?!\s*(?:/|an?\b|per\b|every\b)\s*\w)))"
)
SIZED = r"\b(\d+)\s?gi?b\s+(?:of\s+)?(?:v?ram|gpus?|cards?|graphics cards?)\b"
MEMORY = re.compile(r"\b(\d+)\s?gi?b\b", re.I)  # whose nobody said
HOME = re.compile(
    r"\b(?:at home|home|locally|(?:my|an?|our) (?:(?:own|old|new) )*(?:pc|computer|desktop))\b",
    re.I,
)
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
JOIN = (
    r"\s*(?:,|/|\bor\b|\binstead of\b|(?:\b(?:faster|slower|cheaper|better|smaller)\s+)?\bthan\b"
    r"|(?:\bworth (?:it|the \w+)\s+)?\bover\b|\b(?:twice\s+|half\s+)?as\s+\w+\s+as\b"
    r"|\bto\b|\bvs\b\.?|\bversus\b|\band\b|\bagainst\b)\s*"
)
# What each of several cards costs: "MI300X at $2/h or H100 at $2.50/h".
RENTED = rf"(?:\bat|@|\bfor)\s*{DOLLARS}{HOUR}"
FORMAT_NAMES = (
    r"(?:int4|w4a16)[\s-](?:awq|gptq)",  # four bits, and who made them
    *(
        "fp32",
        "bf16",
        "fp16",
        "fp8",
        "int8",
        "int4",
        "fp4",
        "nvfp4",
        "mxfp4",
        "mxfp8",
        "awq",
        "gptq",
    ),
    r"(?:ud-)?i?q\d\w*",  # a GGUF file's: Q4_K_M, IQ3_XXS
    r"w\d+a\d+",
    r"(?<![\w-]-)(?<!\w)[48][\s-]?bits?",
)
FORMAT = rf"\b(?:{'|'.join(FORMAT_NAMES)})"
FORMATS = rf"({FORMAT}(?:{JOIN}{FORMAT})*)"  # several are to be set side by side
ENGINE = (
    r"\b(?:vllm|sglang|tensorrt-llm|trt-llm|(?:ik_)?llama\.?cpp|ollama|lm[\s-]?studio"
    r"|koboldcpp)(?![\w/-])(?:\s*(?:v\d[\d.]*|\d+\.\d[\d.]*))?"  # "vllm 4xH100" has no version
)
VERSION = r"v?\d+\.\d[\d.]*(?![\w%])"  # of the engine before it: "vllm 0.6 or 0.11"
SHARED = (
    r"\b(?:system\s+prompt|shared\s+prefix|prefix(?:\s+(?:cache|cached|caching))?|shared|cached)\b"
)
PEOPLE = (
    r"(?:people|ppl|persons|employees|developers|devs|engineers|customers|clients|students|seats)"
)
AT_THE_TIME = r"(?:at once|active|concurrent(?:ly)?|online|at the same time|simultaneous(?:ly)?)\b"
CROWD = (
    r"(?:(?:daily|monthly|active|simultaneous|parallel)\s+)*"
    r"(?:conc(?:urren(?:t|cy))?(?:\s+(?:requests?|users?))?|users?|sessions?|streams?|agents?"
    rf"|{PEOPLE})\b(?!\s+tokens?)(?:\s+(?:are\s+)?{AT_THE_TIME})?"
)
# Behind a number that is of something else.
OF_ELSE = (
    r"(?!\s*(?:[x×%]|gpus?\b|cards?\b|m?s\b|in\b|inputs?\b|outs?\b|outputs?\b|prompts?\b|context"
    rf"|ctx|req|[rq]ps\b|rtx|{CROWD}|[a-z][a-z]?\d))"
)
# Settings of an engine by their inputs, each of one value or several: "max-num-seqs 64 or 256".
SETTINGS = {
    "seqs": r"max[\s_-]num[\s_-]seqs|max[\s_-]running[\s_-]requests",
    "batched": r"max[\s_-]num[\s_-]batched[\s_-]tokens",
    "maxlen": r"max[\s_-]model[\s_-]len(?:gth)?",
    "fraction": r"gpu[\s_-]mem(?:ory)?[\s_-]util(?:i[sz]ation)?|mem(?:ory)?[\s_-]fraction"
    r"(?:[\s_-]static)?",
}
BETTER = r"(?:\s+(?:helps?|pays? off|better|faster|cheaper|good)(?=\s+(?:than|over|or|vs)\b))?"
IS_SET = r"\s*(?:=|:|of|at|is|to|from)?\s*"
OF_SETTINGS = {
    "seqs": rf"\d+(?:,\d{{3}})*(?![\w.]|,\d){OF_ELSE}",
    "fraction": r"(?:0?\.\d+|1\.0+|[1-9]\d\s?%)",
}
TOKENS = rf"\d+(?:[.,]\d+)*(?:\s?[kKmM]i?)?(?![\w.]|,\d){OF_ELSE}"


def _set(name):
    """A setting with its values, of which a comma alone parts no two."""
    words, value = SETTINGS[name], OF_SETTINGS.get(name, TOKENS)
    more = rf"(?:(?:{words}){IS_SET})?{value}"
    several = rf"(?:(?:\s*,\s*{value})*\s*,?{BETTER}(?!\s*,){JOIN}{more})*"
    return rf"(?<![\w.])(?:{words}){IS_SET}({value}{several})"


# How experts, or the users of attention, are spread over cards: "EP8 or TP8".
EXPERTS = r"(?:ep|expert[\s-]parallel(?:ism)?)(?:[\s-]size)?[\s=:-]*(?:of\s+)?(?:\d{1,3})?(?!\w)"
ATTENTION = r"(?:(?:dp|data[\s-]parallel)[\s-]?(?:\d{1,3})?[\s-]attention|attention[\s-]dp)(?!\w)"
TENSORS = r"(?:tp|tensor[\s-]parallel(?:ism)?)[\s=:-]*(?:of\s+)?(?:\d{1,3})?(?!\w)"
WAY = rf"(?:{EXPERTS}|{ATTENTION}|{TENSORS})"
WAYS = rf"{WAY}(?:(?:\s*(?:[+&,/]|with|plus)\s*|\s+){WAY})*"
SPREAD = (
    rf"(?<![\w-])(?:(?:with|enable|using|use)[\s-]+)?"
    rf"(?=[^,;.]{{0,40}}?(?<!\w)(?:{EXPERTS}|{ATTENTION}))({WAYS}(?:{BETTER}{JOIN}{WAYS})*)"
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
    r"\s*tok(?:ens?)?\b(?:\s+each\b|\s+(?:per|a)\s+(?:document|doc|file|pdf|page|one)\b)?"
)
DOCUMENTS = rf"{AMOUNT}\s*(documents?|docs?|files?|pdfs?|emails?|articles?|transcripts?|papers?)\b"
DEADLINE = re.compile(
    r"(?:\b(?:in|within|over)\s+)?(?<![\w.$])(\d[\d.]*|\ban?\b|\bper\b|\bone\b|/)\s*"
    r"(h|hr|hour|day|week|month)s?\b",
    re.I,
)
OVERNIGHT = re.compile(r"\bover\s?night\b|\bby (?:tomorrow|morning)\b", re.I)
TOGETHER = r"(?:all\s+)?(?:together|at once|at the same time|simultaneously)"
ARRIVE = r"(?:(?:that|which)\s+)?(?:(?:arrive|come|land|hit\w*|are sent)\s*(?:us|in)?\s*)?"
MANY_OF = r"(?<![\w.])(?P<many>\d[\d,]*k?)"
EVERY_SO = (
    r"\b(?:every|each|per|an?)\s+(?P<every>\d+(?:\.\d+)?)?\s*"
    r"(?P<unit>seconds?|secs?|s|minutes?|mins?|hours?|hrs?|h|days?)\b"
)
PART = r"(\d[\d.]*\s*%|(?<![\w.])[01]?\.\d+)"
OF_CACHE = r"(?:(?:kv|prefix|prompt)[\s-]*)?(?:(?:cache|caching)[\s-]*)?"
HITS = rf"{OF_CACHE}hits?\b(?:[\s-]*(?:rate|ratio)\b)?"
SAME = r"(?:shared|cached|the same|identical|common|reused)\b"
BY_ALL = r"(?:\s+(?:by|between|among|across|for|with)\s+(?:all|every\w*|the)?(?:\s*users\b)?)?"
A_RATE = r"(?:[rq]ps\b|(?:requests?|req)\s*/\s*(?:s|sec|second|min|minute|h|hour)\b)"
PEAK = r"\b(?:bursts?|bursting|peaks?|peaking|spikes?|spiking)\b"
EACH_ONE = rf"(?:(?:/|an?\b|per\b|by\b|from\b)?\s*\b(?:users?|person|each|{PEOPLE}))"
# Those of "5,000 users, 200 active" or "10% of them at peak" who ask at once.
ACTIVE = (
    rf"\s*(?:of (?:them|the\b|users|{PEOPLE})\s*)*(?:are\s+|is\s+)?"
    rf"(?:{AT_THE_TIME}(?:\s+at (?:the )?peak\b)?|at (?:the )?peak\b)"
)
NOT_ALONE = r"(?:users?|requests?|sessions?|streams?|agents?|experts?|param\w*)\b"
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
    *((name, _set(name)) for name in SETTINGS),
    ("spread", SPREAD),
    ("times", r"\bmax\w*\s+concurrency\D{0,20}?(\d+(?:\.\d+)?)\s*x(?!\w)"),
    ("share", rf"{PART}\s*(?:{HITS}|{SAME}(?:\s+prefix\b)?)"),
    ("share", rf"{PART}\s*(?:of\s+)?(?:the\s+|each\s+|every\s+)?(?:prompts?|inputs?|tokens?)"
     rf"\s+(?:is|are|being)?\s*{SAME}{BY_ALL}"),
    ("share", rf"{HITS}\s*(?:of|=|:|is|at)?\s*{PART}"),
    ("together", rf"{MANY_OF}\s*{REQUESTS}\s*{ARRIVE}{TOGETHER}\s*,?\s*{EVERY_SO}"),
    ("together", rf"{EVERY_SO}\s*,?\s*{MANY_OF}\s*{REQUESTS}\s*{ARRIVE}{TOGETHER}"),
    ("active", rf"(\d[\d.]*\s*%){ACTIVE}"),
    ("active", rf"{NUMBER}{ACTIVE}(?!\s+{NOT_ALONE})"),
    ("batch", BATCH),
    ("batch", DOCUMENTS),
    ("batch", rf"\b(?:queue|backlog)\s+of\s+{AMOUNT}\s*{PIECES}\b"),
    ("both", rf"{AMOUNT}\s*(?:input|prompt)\s*(?:tokens?)?\s*(?:and|,|/|\+|&)\s*{AMOUNT}\s*"
     rf"(?:output|answer|completion|generated)\s*(?:tokens?)?\s*{EVERY}"),
    ("burst", rf"{PEAK}\s*(?:of|to|up to|at|is|:|=|\s)*(\d+(?:[.,]\d+)*\s*(?:x\b|times\b|users?\b"
     rf"|{A_RATE}))"),
    ("burst", rf"(\d[\d.,]*\s*(?:x\b|users?\b|{A_RATE}))\s*(?:at|in|during)?\s*{PEAK}"),
    ("each", rf"{NUMBER}\s*{REQUESTS}\s*{EACH_ONE}\s*{EVERY}"),
    ("each", rf"{NUMBER}\s*{REQUESTS}\s*{EVERY}\s*{EACH_ONE}"),
    ("each", rf"\b(?:each|every one)\s+(?:\w+\s+)?{NUMBER}\s*(?:{REQUESTS}|times)\s*{EVERY}"),
    ("spend", rf"(?:(?:{NO_MORE})\s*(?:of|is|=|:)?\s*)?{SPEND}\s*{LONGER}"),
    ("volume", VOLUME),
    ("amount", rf"(?<![\w.])(\d+(?:[.,]\d+)*\s?[mMbB])\s*{OF_WHICH}(?:tok|tokens)\b"
     r"(?!\s*(?:of\s+)?(?:context|ctx|prompts?|windows?))"),
    ("nodes", BOXES),
    ("nodes", TWICE),
    ("lora", ADAPTERS),
    ("draft", DRAFTS),
    ("offload", OFFLOAD),
    ("processor", PROCESSOR),
    ("apart", r"\b((?:(?:prefill[\s/-]*decode|pd)\s+)?disaggregat\w+(?:\s+(?:prefill|serving))?)"),
    ("closed", CLOSED),
    ("most rps", r"\b((?:how many|max(?:imum)?|what)\s+(?:[rq]ps|requests?\s*(?:/|per|a)\s*s\w*))"
     r"\b"),
    ("copies", rf"({COUNT})\s+(?:replicas?|copies|instances)\b(?:\s+of\b)?"),
    ("goodput", r"\b(goodput)\b"),
    ("purchase", PURCHASE),
    ("memory", SIZED),
    # what an API asks for a million
    ("api_in", rf"{DOLLARS}{EACH_M}(?:\bfor\s+)?(?:in|inputs?|prompts?)\b"),
    ("api", rf"{DOLLARS}{EACH_M}(?:\bfor\s+)?(?:out|outputs?|answers?)\b"),
    ("unpriced", r"\b(?:vs\.?|versus|or|than|against|compared (?:to|with))\s+(?:an?\s+|the\s+)?"
     r"((?:\w+(?:'s)?\s+)?api)s?\b"),
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
    ("whole", rf"(?:{PERCENTILE}{BESIDE})?{WHOLE_ANSWER}{BESIDE}(?:{PERCENTILE})?{NEAR}({LIMIT})"
     rf"(?:\s*(?:at\s+)?({RANKED}))?"),
    ("whole", rf"(?:{PERCENTILE}{BESIDE})?()({LIMIT})\s*(?:for (?:an?|the)\s+)?{WHOLE_ANSWER}()"),
    ("itlp", rf"{PERCENTILE}(?={BESIDE}{GAP})"),
    ("ttftp", rf"{PERCENTILE}(?={BESIDE}{WAIT})"),
    ("itlp", rf"(?:{GAP}){BESIDE}{PERCENTILE}"),
    ("ttftp", rf"(?:{WAIT}){BESIDE}{PERCENTILE}"),
    # the first percentile of each was taken, so this is another
    ("other itl", rf"({RANKED}){BESIDE}{GAP}{NEAR}({LIMIT})"),
    ("other itl", rf"{GAP}{BESIDE}({RANKED}){NEAR}({LIMIT})"),
    ("other ttft", rf"({RANKED}){BESIDE}{WAIT}{NEAR}({LIMIT})"),
    ("other ttft", rf"{WAIT}{BESIDE}({RANKED}){NEAR}({LIMIT})"),
    ("second", rf"({RANKED})\s*(?:(?:of|is|at|under|below|at most|within|max|must be|should be|"
     rf"<=?|=|:)\s*)*({LIMIT})"
     rf"(?!\s*(?:to (?:the )?)?(?:{WAIT}|{GAP}|(?:a|per) token))"),
    ("another", r"\bbeside (p\d\d)\b"),
    ("percentile", rf"((?!\d\d%)(?:{RANKED})|\b(?:mean|median)\b)"),
    ("percent", r"\b((?:50|90|95|99)%)"),  # of the gap where it has a limit, else of anything
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
    ("users", r"\b(?:concurrency|users|load)\s+(?:goes|grows|rises|climbs|increases)\s+to\s*"
     rf"{PLAIN}"),
    ("users", rf"\busers\s*(?:of|=|:)?\s*{NUMBER}"),
    ("other tp", r"\b(?:over|instead of|vs\.?|versus|against|from|rather than|or)\s+"
     r"tp[\s=-]*(\d+)\b"),
    ("tp", r"\b(?:tp|tensor[\s-]parallel(?:ism|[\s-]size)?)[\s=:-]*(?:of\s+)?(\d+)\b"),
    ("pp", r"\b(?:pp|pipeline[\s-]parallel(?:ism|[\s-]size)?)[\s=:-]*(?:of\s+)?(\d+)\b"),
    ("seqs", r"(?<![\w.])(\d+)\s*(?:seqs|sequences)\b"),
    ("cards", r"(?<![\w.$])(\d{1,3})[\s-](?:gpus?|cards?|accelerators?)\b(?!\s*/)"),
    ("prefix", rf"\b(?:system\s+prompt|prefix)\s*(?:of|=|:|with)?\s*{NUMBER}\s*(?:tokens?)?\s*"
     rf"(?:is\s+)?{SAME}{BY_ALL}"),
    ("prefix", rf"{NUMBER}\s*(?:tokens?\s*)?(?:of\s*)?{SHARED}(?:\s+(?:(?:is|that is)\s+)?{SAME})?"
     rf"{BY_ALL}"),
    ("prefix", rf"{SHARED}\s*(?:of|=|:)?\s*{NUMBER}"),
    ("caching", r"\b((?:automatic\s+)?prefix[\s-]+(?:caching|cache))\b"),
    ("own", rf"{NUMBER}\s*(?:tokens?\s*)?(?:of\s+)?(?:their\s+|its\s+)?own\b"),
    ("in", rf"{NUMBER}\s*(?:tokens?\s*)?(?:of\s*)?(?:\bin\b{NO_FORMAT}|inputs?\b)"),
    ("in", rf"{NUMBER}\s*(?:tokens?\s*)?(?:of\s*)?prompts?\b"),
    ("in", rf"\b(?:prompts?(?:\s+processing(?:\s+(?:speed|time))?)?|inputs?|isl)\s*(?:of|=|:)?\s*"
     rf"{NUMBER}"),
    ("out", rf"{NUMBER}\s*(?:tokens?\s*)?(?:of\s*)?(?:out\b|{ANSWERS}\b)"),
    ("out", rf"\b(?:{ANSWERS}|osl)\s*(?:of|=|:)?\s*{NUMBER}"),
    ("ctx", rf"{NUMBER}\s*(?:tokens?\s*)?(?:of\s*)?(?:context|ctx)\b"),
    ("ctx", rf"\b(?:context|ctx)(?:\s+(?:length|window|size))?\s*(?:of|=|:)?\s*{NUMBER}"),
    ("ctx", rf"\b(?:num_ctx|n_ctx|ctx[_-]size)\s*=?\s*{NUMBER}"),
    ("ctx", r"\bat\s+(\d[\d.,]*\s?[kKmM]i?)\b(?!\s*/)"),
    ("ctx", r"(?<![\w.$/-])(\d[\d.,]*[kK]i?)(?![\w/-])(?!\s*tokens?\s*(?:/|a|per)\b)"
     rf"(?!\s*{RATE})"),
    ("ctx", r"(?<![\w.$/-])(\d[\d.,]*\s?(?:[kK]i?)?)\s*tokens?\b(?!\s*(?:/|an?\b|per\s+s))"),
    ("kv", rf"\b(?:kv|cache)(?:[\s_-]cache)?(?:[\s_-]d?type)?\s*(?:(?:is|were)\s+)?(?:in|=|:)?\s*"
     rf"{FORMATS}\b"),
    ("kv", rf"\b(?:kv|cache)\s+quant\w*\s+(?:to\s+|of\s+|at\s+)?{FORMATS}\b"),
    ("kv", rf"{FORMATS}\s+(?:kv|cache)\b(?:\s+cache\b)?"),
    ("weights", rf"{FORMATS}\b(?:\s+weights\b)?"),
    ("engine", rf"({ENGINE}(?:{JOIN}(?:{ENGINE}|{VERSION}))*)"),
)  # fmt: skip
# A price of tokens that is asked for.
PRICED = re.compile(
    r"(?:\$\s*(?:/|\bper\b)|\bper\b)\s*1?\s*m(?:tok|illion)?\b(?:\s+(?:output|input)(?=\s+tok))?"
    rf"|(?<![\w.])(?:1\s?|an?\s+)M(?:illion)?(?=\s+(?:(?:output|input)\s+)?tokens?\b(?!\s*(?:{EVERY}|(?:of\s+)?(?:context|ctx))))",
    re.I,
)
# A price of so many requests, and not of tokens: "cost per 1k requests".
PRICE_ASKED = re.compile(
    r"\b(?:price|costs?|cheap\w*|cents?|how much (?:is|are|does|do|would|per|for|money))\b"
    r"|\$\s*(?:/|per\b)",
    re.I,
)
CHATS = (
    r"(?:requests?|quer(?:y|ies)|calls?|messages?|questions?|chats?|conversations?|prompts?"
    r"|answers?|repl(?:y|ies)|responses?)"
)
BOUGHT = re.compile(
    r"(?<!/s )(?<!sec )(?<!second )(?:\bper|/|\beach|\ban?|\bone|\bof|\bfor)\s*"
    rf"(?P<many>\d[\d.,]*\s?[kKmM]?|thousand|million)?\s*(?P<what>{CHATS})\b"
    r"(?!\s*(?:/|(?:per|an?|every|each|of\s+\d|at once|in flight|tokens?)\b))",
    re.I,
)
# The other way round: "chats per dollar", "what does $10 buy".
FOR_A_DOLLAR = (
    rf"(?:\$\s*(?P<many>\d+(?:[.,]\d+)*)?|(?P<dollars>\d+(?:[.,]\d+)*)?\s*(?:one|an?|each|every)?\s*"
    rf"(?:us\s+)?(?:dollars?|bucks?|usd)\b)(?![\d.,]*\d|\s?[kKmM]\b|{HOUR}|\s*{LONGER}|{EACH_M}(?:in|out)\b)"
)
WORTH = rf"(?P<what>(?:(?:input|output|prompt|answer|generated)\s+)?(?:{CHATS}|tok(?:en)?s?))\b"
A_DOLLAR_BUYS = tuple(
    re.compile(one, re.I)
    for one in (
        rf"(?:\bhow many\s+)?{WORTH}(?!\s*(?:/|per\b|an?\b)\s*(?!\$|dollar|buck|usd)\w)"
        r"[^,;.$\d]{0,40}?"
        rf"(?:/|\b(?:per|for|with|from|on|out of|each|an?)\b)\s*{FOR_A_DOLLAR}",
        rf"\bhow many\s+{WORTH}[^,;.$\d]{{0,40}}?\b(?:do|does|can|will|would)\s+(?:an?\s+|one\s+)?"
        rf"{FOR_A_DOLLAR}\s*(?:\b(?:buy|get|give|pay|serve|cover|bring)s?\b(?:\s+(?:me|us|for))?)?",
        rf"\b(?:what|how much|how far)\s+(?:do|does|can|will|would)\s+(?:an?\s+|one\s+|my\s+)?"
        rf"{FOR_A_DOLLAR}\s*(?:buy|get|go|give|bring)s?\b(?:\s+(?:me|us))?",
    )
)
# May be named several times, to be set side by side.
EACH_OF = ("engine", "weights", "kv", "spread", *SETTINGS)
MOST = re.compile(
    r"\b(?:how many|most|max(?:imum)?|number of)\s+(?:\w+\s+)?(?:users|people|sessions|streams)\b"
    r"|\b(?:max(?:imum)?|largest|biggest)\s+(?:batch(?:[\s-]size)?|throughput)\b|^\s*users\b"
    r"|\bhow many concurrent\b"
    r"|\b(?:what|which)\s+(?:batch|concurrency)\b.{0,20}?\b(?:maximi[sz]\w+|best)\b"
    r"|\bmax[\s_-]num[\s_-]seqs\b(?!\s*=?\s*\d)",
    re.I,
)
# Of the memory that a model asks for, not of a service.
NEED = re.compile(
    r"\b(?:how much|min(?:imum)?)\s+(?:gpu\s+)?(?:v?ram|memory)\b"
    r"|\b(?:v?ram|memory)\s+(?:is\s+)?(?:needed|required|requirements?|needs?)\b",
    re.I,
)
CHANGING = (
    r"(?:halv|doubl|tripl|quadrupl|reduc|improv|rais)(?:es?|ing)|(?:increase|boost)(?:s|ing)?"
    r"|(?:cut|lower|hurt|matter)s?|(?:speed|slow)s? (?:up|down)|twice|half"
)
# What a user, or a token, takes of the cache.
ONE_OF = (
    r"(?:per|each|every|an?|one|single)\s+(?:(?:active|concurrent|single)\s+)?(?:user|request|session"
    r"|sequence|seq|conversation|chat|token|stream|person)s?\b"
)
OF_ONE = re.compile(
    rf"\b(?:kv|key[\s-]value)\b.{{0,40}}?\b{ONE_OF}|\bkv(?:[\s-]*cache)?\s+(?:size|footprint|memory|(?:for|of)\s+\d)"
    rf"|\b(?:how (?:big|large|much)|size of|footprint of)\b.{{0,30}}?\bkv\b"
    rf"|\b(?:memory|v?ram|gi?b|bytes|cache)\s+(?:for\s+|of\s+|does\s+)?{ONE_OF}",
    re.I,
)
# What one change buys: "what would FP8 KV buy me", "going from H100 to H200".
GAIN = re.compile(
    r"\bwhat (?:would|does|do|will|could|can|did)\b.{0,60}?"
    r"\b(?:buy|bring|give|gain|save|change)s?\b"
    r"|\bwhat (?:would )?changes?\b|\bgain\b|\b(?:does|do|would|will|is|are|can)\b.{0,60}?"
    rf"\b(?:help|pay off|worth|{CHANGING})\b|\bhow much (?:faster|cheaper|better|more|does)\b"
    r".{0,60}?\b(?:with|help|save|buy|bring|gain)s?\b|\binstead of\b"
    r"|\b(?:roi|benefits?|advantages?|speed-?ups?|savings?|difference|ratio)\b"
    r"|\bhow much (?:faster|cheaper|slower|smaller) is\b"
    r"|\b(?:is|are)\b.{0,40}?\b(?:faster|cheaper|slower|smaller)\b(?!.*\b(?:than|or|vs)\b)",
    re.I,
)
HOW_MANY = re.compile(
    r"(?<!/)\b(?:how many|(?:minimum\s+)?number of|min(?:imum)?(?:\s+of)?)\s+"
    r"(?:gpus?|cards?|accelerators?|nodes?|pods?|replicas?|copies|instances|(?=[a-z]+\d)[\w-]+"
    r"|(?:rtx\s*)?\d0[5-9]0)\b",
    re.I,
)
WHICH_CARDS = re.compile(
    r"\b(?:which|what|best|cheapest)\s+(?:gpus?|cards?|hardware|accelerators?)\b"
    r"|^\s*(?:gpus?|cards?|hardware|accelerators?)\s+(?:for|to)\b",
    re.I,
)
MONTHLY = re.compile(
    r"\bmonthly\s+(?:costs?|price|bill|rent|spend)\b"
    r"|\b(?:costs?|price|rent|bill|how much)\b.{0,30}?\b(?:per|an?|each)\s+month\b",
    re.I,
)
YEARLY = re.compile(
    r"\b(?:yearly|annual)\s+(?:costs?|price|bill|rent|spend)\b"
    r"|\b(?:costs?|price|rent|bill|how much)\b.{0,30}?\b(?:per|an?|each)\s+year\b",
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
WHICH_ONE = ("itlp", "ttftp", "percentile")
# Of several models in one memory.
ONE_CARD = re.compile(
    r"\b(?:two|2|three|3|several|multiple|both)\s+(?:llms?|models)\s+(?:on|share|in)\b"
    r"|\b(?:and|plus|\+|with)\b.{0,60}?\b(?:on|in|share)\s+(?:one|the same|a single|1)\b"
    r"|\bshar(?:e|ing)\s+(?:one|an?|the same)\s+(?:gpu|card)|\bMIG\b|\bside by side on\b",
    re.I,
)
FLAGS = {
    "starting": STARTING,
    "most": MOST,
    "count": HOW_MANY,
    "longest": LONGEST,
    "power": POWER,
    "which cards": WHICH_CARDS,
    "monthly": MONTHLY,
    "yearly": YEARLY,
    "home": HOME,
    "laptop": LAPTOP,
    "everyone": re.compile(
        rf"\d\s*[km]?\s*(?:{PEOPLE}|(?:daily|weekly|monthly|registered)(?:\s+active)?\s+users)\b",
        re.I,
    ),
    "need": NEED,
    "one card": ONE_CARD,
    "of one": OF_ONE,
    "gain": GAIN,
    "onward": re.compile(r"\bgain from\b", re.I),
}
OVER = r"\b(?:over|by|along|with|as|against)\s+(?:the\s+)?(?:growing\s+|number of\s+)?"
SWEEPS = {"ctx": "context", "users": "users", "in": "prompts?", "out": "answers?"}
SHOWS = {
    "price": r"\b(?:price|cost|costs|value|cheap\w*|per million|\$/m)\b",
    "ttft": WAIT,
    "rate": r"\b(?:speed|fast\w*|tok/s|tokens a second)\b",
    "gap": GAP,
    "fit": rf"\b(?:fits?|room)\b|{MOST.pattern}",
}
