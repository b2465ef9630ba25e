"""Words of a question that name nothing by themselves, and the quants that a bare name is."""

# Quants by their bits alone, as the usual file of them is called.
QUANTS = {"iq1": "iq1_s", "iq2": "iq2_xs", "iq3": "iq3_xxs", "iq4": "iq4_xs"}
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
    a able advantage against an and annual any api are as at average avg batch be beat beats
    benefit best better between biggest bill break break-even breakeven bring brings budget but
    buy by bytes cache can capable card cards change changes chatbot cheap cheaper cheapest
    compare compared completion concurrent context cost costs could decode deploy did difference
    do does draw draws each electricity energy enough even expect extra fast faster fastest fine
    first fit fits footprint for from gain gap gaps get give gives going good got gpu gpus grow
    growing grows handle happens hardware has have help helps hey hold home host hosting hours
    how i if in inference is it itl k8s kubernetes kv kwh laptop laptops largest latency least
    length limit limits llm llms load locally log long machine many max max_num_seqs maximum me
    mean memory million minimal minimum model models month monthly more most much must my need
    needed needs node nodes number of off off-peak ok on one or our out over own p95 pay per
    please possible power prefill price process processing quant quantization quants rag ratio
    request required requirements rig roi run running runs save savings says scale self
    self-hosting sequence serve server session setup should show single size slo slos slower
    smaller speed speedup t/s take takes than that the their them then throughput to tok tok/s
    token tokens tokens/s ttft under up us usage usd use user users using value versus volume
    vram vs w want watt watts way we well what what's when where which why will window with
    within worth would year yearly
    """.split()  # noqa: SIM905 - a list has a line a word
)
