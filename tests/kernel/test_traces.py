"""Traces: every documented format, and files that nobody vouches for."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel.evidence import traces
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.simulation import Request

AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
"""
AZURE_2024 = """TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-10 00:00:00.009930+00:00,2162,5
2024-05-10 00:00:01.017335+00:00,2399,6
"""
BURSTGPT = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45,ChatGPT,1087,0,1087,API log
118,GPT-4,417,276,693,Conversation log
"""
MOONCAKE = """{"timestamp": 0, "input_length": 1100, "output_length": 52, "hash_ids": [46, 47, 48]}
{"timestamp": 3500, "input_length": 600, "output_length": 9, "hash_ids": [46, 99]}
"""
BAILIAN = "\n".join(
    json.dumps(
        {"chat_id": chat, "parent_chat_id": -1, "timestamp": time, "type": "text", "turn": 1}
        | {"input_length": prompt, "output_length": answer, "hash_ids": ids}
    )
    for chat, time, prompt, answer, ids in [
        (159, 61.114, 40, 132, [7, 8, 9]),
        (160, 62.5, 17, 32, [7, 10]),
    ]
)
VIDUR = "arrived_at,num_prefill_tokens,num_decode_tokens\n0.5,374,44\n1.75,396,109\n"
SPLITWISE = """request_id,arrival_timestamp,batch_size,prompt_size,token_size
0,0.0,1,120,30
1,0.5,1,300,50
"""
OWN_DATES = "time,prompt_tokens,completion_tokens\n2025-01-01T00:00:00Z,100,50\n\
2025-01-01T00:00:02.5Z,200,60\n"
OWN_MS = "id,Arrival ms,Input len,Output len\n1,0,100,50\n2,1500,200,60\n"
RESULT = {"input_lens": [100, 200], "output_lens": [3, 2], "start_times": [10.0, 11.5]}
SGLANG = """[2026-01-05 10:00:00] server_args=ServerArgs(log_requests=True)
[2026-01-05 10:00:07] Receive: obj=GenerateReqInput(rid='a')
[2026-01-05 10:00:10 TP0] Finish: obj=GenerateReqInput(rid='a', text='prompt_tokens: 7'), \
out={'text': 'x', 'meta_info': {'id': 'a', 'prompt_tokens': 320, 'completion_tokens': 22, \
'cached_tokens': 0, 'e2e_latency': 2.5}}
[2026-01-05 10:00:12] INFO: "POST /generate HTTP/1.1" 200 OK
[2026-01-05 10:00:12] Finish: obj=GenerateReqInput(rid='b'), \
out={'meta_info': {'id': 'b', 'prompt_tokens': 30, 'completion_tokens': 5, 'e2e_latency': 1.0}}
"""
SGLANG_JSON = json.dumps(
    {
        "timestamp": "2026-01-05T10:00:10.5",
        "event": "request.finished",
        "out": {
            "meta_info": {"prompt_tokens": 320, "completion_tokens": 22, "e2e_latency": 2.5},
        },
    }
)
VLLM = """INFO 01-05 10:00:00 [api_server.py:1] vLLM API server
INFO 01-05 10:00:07 [logger.py:43] Received request cmpl-1: prompt: 'a, b', \
params: SamplingParams(n=1), prompt_token_ids: [1, 2, 3], prompt_embeds shape: None.
INFO 01-05 10:00:08 [logger.py:43] Received request cmpl-2: prompt: 'a', \
params: SamplingParams(n=1), prompt_token_ids: [1], prompt_embeds shape: None.
INFO 01-05 10:00:09 [logger.py:77] Generated response cmpl-2 (streaming complete): \
output: 'x', output_token_ids: [5, 6], finish_reason: stop
INFO 01-05 10:00:09 [logger.py:77] Generated response cmpl-1: \
output: 'x', output_token_ids: [5, 6, 7, 8], finish_reason: stop
"""


@pytest.fixture
def read(whole):
    """Read the requests of a text."""

    def of(text, most=None):
        return whole(text, most).requests

    return of


@pytest.fixture
def whole(tmp_path):
    """Read a text as a trace."""

    def of(text, most=None):
        path = tmp_path / "trace"
        path.write_text(text, encoding="utf-8")
        return traces.read(path, most)

    return of


def lengths(found):
    return [(one.input_tokens, one.output_tokens) for one in found]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BURSTGPT, "3 requests of the trace: 1 without an answer."),
        (BURSTGPT + "9,x,0,7,7,y\n9,x,0,0,0,y\n", "5 requests of the trace: 2 without a prompt "),
        (AZURE + "2023-11-16 18:15:52,374,0\n", "3 requests of the trace: 1 without an answer."),
        (MOONCAKE.replace(": 52", ": 0"), "2 requests of the trace: 1 without an answer."),
        (json.dumps({**RESULT, "output_lens": [0, 2]}), "2 requests of the trace: 1 without an"),
        (SGLANG.replace("_tokens': 5", "_tokens': 0"), "2 requests of the trace: 1 without an"),
        (VLLM.rpartition("INFO")[0], "2 requests of the trace: 1 without an answer."),
    ],
    ids=["burstgpt", "no prompts", "azure", "mooncake", "client", "sglang", "vllm, not over"],
)
def test_requests_without_an_answer_are_counted(whole, text, told):
    assert whole(text).left_out.startswith(f"Left out of {told}")
    assert whole(AZURE).left_out == ""


# vllm/entrypoints/openai/chat_completion/serving.py logs each piece of a stream with its token
# ids, and at its end the whole text with `output_token_ids=None`.
ASKED = """INFO 01-05 10:00:07 [logger.py:43] Received request chatcmpl-1: prompt: 'a', \
params: SamplingParams(n=1), prompt_token_ids: [1, 2, 3], prompt_embeds shape: None.
"""
PIECES = """INFO 01-05 10:00:08 [logger.py:77] Generated response chatcmpl-1 (streaming delta): \
output: 'x', output_token_ids: [5], finish_reason: None
INFO 01-05 10:00:08 [logger.py:77] Generated response chatcmpl-1 (streaming delta): \
output: 'yz', output_token_ids: [6, 7], finish_reason: length
"""
END = """INFO 01-05 10:00:09 [logger.py:77] Generated response chatcmpl-1 (streaming complete): \
output: 'xyz', output_token_ids: None, finish_reason: streaming_complete
"""


def test_the_pieces_of_a_stream_are_one_answer(read):
    assert lengths(read(ASKED + PIECES + END)) == [(3, 3)]
    counted = END.replace("'xyz'", "'<streaming_complete: 40 tokens>'")
    assert lengths(read(ASKED + counted)) == [(3, 40)]
    with pytest.raises(BadInput, match=r"output_token_ids is None: .* --enable-log-deltas"):
        read(ASKED + END)


@pytest.mark.parametrize(
    ("text", "wanted", "gap_s"),
    [
        (AZURE, [(374, 44), (396, 109)], 4.314579),
        (AZURE_2024, [(2162, 5), (2399, 6)], 1.007405),
        (BURSTGPT, [(472, 18), (417, 276)], 113),
        (MOONCAKE, [(1100, 52), (600, 9)], 3.5),
        (BAILIAN, [(40, 132), (17, 32)], 1.386),
        (VIDUR, [(374, 44), (396, 109)], 1.25),
        (SPLITWISE, [(120, 30), (300, 50)], 0.5),
        (OWN_DATES, [(100, 50), (200, 60)], 2.5),
        (OWN_MS, [(100, 50), (200, 60)], 1.5),
        (json.dumps(RESULT), [(100, 3), (200, 2)], 1.5),
        (json.dumps(RESULT, indent=2), [(100, 3), (200, 2)], 1.5),
        (SGLANG, [(320, 22), (30, 5)], 3.5),
        (SGLANG_JSON, [(320, 22)], 0),
        (VLLM, [(1, 2), (3, 4)], -1),
    ],
    ids=[
        *("azure", "2024", "burstgpt", "mooncake", "bailian", "vidur", "splitwise", "dates", "ms"),
        *("vllm", "indented", "sglang", "json", "log"),
    ],
)
def test_every_format_gives_times_and_lengths(read, text, wanted, gap_s):
    found = read(text)
    assert lengths(found) == wanted
    assert found[-1].arrival_s - found[0].arrival_s == pytest.approx(gap_s, abs=1e-6)
    assert read("\ufeff" + text.replace("\n", "\r\n")) == found


def test_mooncakes_hashes_are_pieces_of_a_prefix(read):
    first, second = read(MOONCAKE)
    assert first.prefix == ((46, 512), (47, 512), (48, 76))
    assert second.prefix == ((46, 512), (99, 88))


def test_an_id_of_alibabas_traces_is_sixteen_tokens(read):
    first, second = read(BAILIAN)
    assert first.prefix == ((7, 16), (8, 16), (9, 8))
    assert second.prefix == ((7, 16), (10, 1))


def test_how_long_a_block_is_follows_from_how_many_ids_a_prompt_has(read):
    line = '{{"timestamp": 0, "input_length": {}, "output_length": 5, "hash_ids": {}}}'
    # 60 tokens of one id say nothing yet; 200 of four are blocks of 64
    known = line.format(60, [1]) + "\n" + line.format(200, [1, 2, 3, 4])
    assert [one.prefix[-1] for one in read(known)] == [(1, 60), (4, 8)]
    assert read(known)[1].prefix[0] == (1, 64)
    with pytest.raises(BadInput, match=r"line 1: hash_ids is '9 ids of 40 tokens': it takes one"):
        read(line.format(40, [*range(9)]))


def test_a_result_without_times_is_as_fast_as_its_rate(read):
    lists = {name: RESULT[name] for name in ("input_lens", "output_lens")}
    assert [one.arrival_s for one in read(json.dumps({**lists, "request_rate": 4.0}))] == [0, 0.25]
    assert [one.arrival_s for one in read(json.dumps({**lists, "request_rate": "inf"}))] == [0, 0]
    with pytest.raises(BadInput, match="nothing says when requests came"):
        read(json.dumps(lists))


def test_as_many_are_read_as_are_wanted(read):
    assert read(AZURE + "not a row\n", most=2) == read(AZURE)
    assert lengths(read(MOONCAKE + "{", most=1)) == [(1100, 52)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("hello\nworld\n", "trace begins with 'hello': it takes a CSV of Azure"),
        (AZURE.splitlines()[0], "has no request with an answer"),
        (AZURE + "2023-11-16 18:15:51,-5,3", "line 4: ContextTokens is '-5': it takes a whole"),
        (AZURE + "2023-11-16 18:15:51,5.5,3", "line 4: ContextTokens is '5.5'"),
        (AZURE + "2023-11-16 18:15:51,5", "line 4 has 2 cells where the header has 3"),
        (AZURE + "yesterday,5,3", "line 4: TIMESTAMP is 'yesterday': it takes a date and time"),
        (BURSTGPT + "9,x,1e999,3,4,y", "line 5: Request tokens is '1e999'"),
        (BURSTGPT + "nan,x,9,3,4,y", "line 5: Timestamp is 'nan'"),
        (MOONCAKE + "{", "line 3 is '{': it takes JSON"),
        (MOONCAKE + '{"timestamp": 0, "input_length": 5}', "line 3: output_length is None"),
        (MOONCAKE.replace("[46, 99]", '{"a": 1}'), "line 2: hash_ids is {'a': 1}"),
        (MOONCAKE.replace("600", "true"), "line 2: input_length is True"),
        ('{"a": 1}', "line 1 has the fields ['a']"),
        (json.dumps({**RESULT, "output_lens": [1]}), "input_lens has 2 values and output_lens 1"),
        (json.dumps({**RESULT, "start_times": [1]}), "start_times is [1]: it takes a list of 2"),
        (json.dumps({**RESULT, "input_lens": 3}), "input_lens is 3: it takes a list"),
        (SGLANG.replace("'completion_tokens': 5, ", ""), "line 5: completion_tokens is None"),
        (VLLM.replace("[1, 2, 3]", "None"), "line 2: prompt_token_ids is None: it takes a list"),
    ],
)
def test_what_is_malformed_costs_a_sentence_with_line_and_field(read, text, told):
    with pytest.raises(BadInput) as problem:
        read(text)
    assert told in str(problem.value) and "\n" not in str(problem.value)


def test_a_huge_line_or_file_is_not_held(read, monkeypatch):
    with pytest.raises(BadInput, match="line 4 is longer than 1,000,000 characters"):
        read(AZURE + "9" * 1_000_001)
    monkeypatch.setattr(traces, "MAX_REQUESTS", 10)
    with pytest.raises(BadInput, match="over 10 requests: take fewer"):
        read(AZURE + "2023-11-16 18:15:51,5,3\n" * 20)
    monkeypatch.setattr(traces, "MAX_VALUES", 4)
    with pytest.raises(BadInput, match="over 4 values"):
        read(json.dumps(RESULT))
    monkeypatch.setattr(traces.line, "MAX_BYTES", 100)
    with pytest.raises(BadInput, match="longer than 100 bytes"):
        read(AZURE)


def test_what_is_no_file_costs_a_sentence(tmp_path):
    for path in (tmp_path, tmp_path / "none", "a\0b", "x" * 10_000):
        with pytest.raises(BadInput, match="trace"):
            traces.read(path)


SAMPLES = [AZURE, AZURE_2024, BURSTGPT, MOONCAKE, json.dumps(RESULT), SGLANG, SGLANG_JSON, VLLM]


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path_factory, data):
    raw = bytearray(data.draw(st.sampled_from(SAMPLES)).encode())
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, len(raw)))
        end = min(start + data.draw(st.integers(0, 12)), len(raw))
        raw[start:end] = data.draw(
            st.binary(max_size=8)
            | st.sampled_from(
                [b",", b"\n", b"{", b"}", b"[", b"-1", b"1e999", b"null", b"\0", b'"']
            )
        )
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(raw)
    try:
        found = traces.read(path)
    except BadInput as problem:
        assert len(str(problem)) < 600 and "\n" not in str(problem)
    else:
        assert all(isinstance(one, Request) and one.input_tokens > 0 for one in found.requests)
        assert all(sum(n for _, n in one.prefix) <= one.input_tokens for one in found.requests)
