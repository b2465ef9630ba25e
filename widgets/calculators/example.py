"""A small result file to try Validate with: public rows of a source that no fit has seen."""

NAME = "example.csv"
# Qwen2-7B-Instruct on one A100 80GB with vLLM 0.10.1.1, `vllm bench serve` with so many prompts at
# once, gpu_memory_utilization 0.25. From the README of github:dennislee22/vLLM-benchmarking, test
# 4, as `benchmarks/newer.csv` has it, one of the sources that stand in no fit.
DEPLOYMENT = {
    "model": "Qwen2-7B-Instruct",
    "engine": "vLLM",
    "engine_version": "0.10.1.1",
    "gpu": "A100 80GB",
    "tp": 1,
    "memory_fraction": 0.25,
}
# Users, prompt and answer [tokens]; row and mean time between tokens [ms], row and rate [tok/s].
LOADS = (
    (1, 1024, 1024, "h00427", 11.76, "h00428", 84.88),
    (10, 1024, 1024, "h00430", 13.46, "h00431", 715.43),
    (20, 1023, 1019, "h00433", 14.36, "h00434", 1338.72),
    (30, 1023, 1021, "h00436", 15.19, "h00437", 1830.69),
    (50, 1020, 1022, "h00439", 18.46, "h00440", 2338.38),
    (75, 1021, 1023, "h00442", 24.02, "h00443", 2131.91),
    (100, 1021, 1016, "h00445", 28.69, "h00446", 2124.52),
    (200, 1020, 1000, "h00448", 29.87, "h00449", 2057.51),
)
SAID = (
    "The example is public: Qwen2-7B on one A100 80GB under vLLM, by dennislee22/vLLM-benchmarking "
    "on GitHub. Its source stands in no fit."
)


def raw():
    """Write the example as the CSV that a reader would bring.

    Returns
    -------
    bytes
        Rows in the columns of `benchmarks/measured.csv`.
    """
    lines = ["id,concurrency,input_tokens,output_tokens,metric,value," + ",".join(DEPLOYMENT)]
    same = ",".join(map(str, DEPLOYMENT.values()))
    for users, prompt, answer, gap, itl_ms, rate, tok_s in LOADS:
        for name, metric, value in ((gap, "itl_ms", itl_ms), (rate, "output_tok_s_total", tok_s)):
            lines.append(f"{name},{users},{prompt},{answer},{metric},{value},{same}")
    return "\n".join(lines).encode()
