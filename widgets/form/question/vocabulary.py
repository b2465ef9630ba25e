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
    able advantage against annual benefit bytes capable compared fastest fine footprint good
    happens hold if k8s kubernetes long max_num_seqs memory month monthly possible process
    processing request roi savings sequence session slo slos slower smaller speedup usage value w
    year yearly
    """.split()  # noqa: SIM905 - a list has a line a word
)
