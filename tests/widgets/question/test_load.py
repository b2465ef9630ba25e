"""The load of a question: users, requests, tokens in a time, and what requests share."""

import re
from urllib.parse import urlencode

import pytest

from llmcap_kernel import design
from tests.widgets.asking import all_text, answer
from widgets.form import meaning
from widgets.session import Calculator


@pytest.mark.parametrize(
    ("text", "rate"),
    [("120 requests/min", 2), ("7200 requests per hour", 2), ("86400 requests a day", 1)],
)
def test_requests_of_a_longer_time_are_those_of_a_second(text, rate):
    state, _ = answer("design", f"qwen3-8b on H100, {text}")
    assert state["rate"] == rate
    state, _ = answer("calculate", f"qwen3-8b on 4x H100, {text}, 1000 in, 100 out")
    assert (state["rate"], state["in"], state["out"]) == (rate, 1000, 100)
    state, _ = answer("compare", f"qwen3-8b on H100 or H200, {text}")
    assert (state["rate"], state["sweep"]) == (rate, "requests")
    _, messages = answer("calculate", "qwen3-8b on L4, 400 requests/s, 1000 in, 100 out")
    assert any("How many cards answer them all" in one["text"] for one in messages)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("86.4 million output tokens a day", 1),
        ("86.4M output tokens daily", 1),
        ("8.64M input tokens per hour", 0.3429),  # 2,400 a second of prompts of 7,000
        ("691.2M tokens/day", 1),
        ("60 rpm", 1),
        ("20.736 billion tokens per month", 1),  # of thirty days
    ],
)
def test_tokens_a_day_are_a_mean_rate_of_requests(text, rate):
    state, messages = answer("design", f"qwen3-8b on H100, 7000 in, 1000 out, {text}")
    assert state["rate"] == pytest.approx(rate, rel=1e-3)
    said = any("A busy hour has more than the average" in one["text"] for one in messages)
    assert said == ("token" in text)
    assert not [one for one in messages if one["level"] == "warning" and one["field"] == "ask"]


def test_tokens_a_day_are_led_to_the_search_that_finds_the_cards():
    text = "5M tokens a day with llama 3.3 70b on H100"
    _, messages = answer("calculate", text)
    assert [one["link"]["name"] for one in messages if "link" in one] == ["design"]
    view = Calculator("design", urlencode({"ask": text})).view
    assert view["status"]["text"].startswith("Run 2x H100 SXM5 80GB TP-2, FP8 weights")


def test_how_many_users_is_answered_with_the_most():
    state, _ = answer("calculate", "How many users at 32K on two H200 with Qwen3-32B")
    assert state["users"] is None and state["in"] == 28_000  # seven eighths
    assert answer("calculate", "max throughput llama 8b H100")[0]["users"] is None
    state, _ = answer("calculate", "Qwen3-32B on two H200 for 8 users, how many users at most")
    assert state["users"] == 8


def test_a_card_for_a_desk_serves_one_person_unless_more_is_said():
    state, messages = answer("calculate", "llama 3.3 70b q4 on M4 Max 128GB")
    assert (state["users"], state["in"], state["out"], state["itl"]) == (1, 2000, 500, 100)
    assert any("for one person unless said: 1 user" in one["text"] for one in messages)
    state, _ = answer("calculate", "qwen3-8b on 4090, 8 users")  # a service
    assert (state["users"], state["in"], state["itl"]) == (8, 7000, 50)
    state, _ = answer("calculate", "qwen3-8b on 4090", "v=5&users=7")  # a reader chose
    assert state["users"] == 7
    state, _ = answer("calculate", "qwen3-8b on L40S")
    assert state["users"] == 16


def test_a_shared_prefix_is_no_context():
    state, messages = answer("calculate", "qwen3-14b on L40S, 6k shared, 7k in 200 out")
    assert (state["prefix"], state["in"], state["out"]) == (6000, 7000, 200)
    assert "context" not in messages[0]["text"]


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10k tok/s output of gpt-oss-120b on H100", 10),  # 10,000 / 1,000 tokens of an answer
        ("gpt-oss-120b on H100, 2,000 output tokens per second", 2),
        ("gpt-oss-120b on H100, 16k tok/s in total", 2),  # 16,000 / 8,000 tokens of a request
    ],
)
def test_what_all_users_get_in_a_second_is_a_rate_and_no_context(text, rate):
    state, messages = answer("design", text)
    assert (state["rate"], state["in"], state["out"]) == (rate, 7000, 1000)
    assert any("are taken as of" in one["text"] for one in messages)


def test_a_rate_whose_nobody_says_is_no_context():
    state, messages = answer("design", "10k tok/s gpt-oss-120b on H100")
    assert (state["rate"], state["in"]) == (None, 7000)
    assert "Not understood: 10k tok/s." in [one["text"] for one in messages]


def test_active_experts_are_no_users():
    assert answer("calculate", "qwen3-30b-a3b, 8 active experts, on H100")[0]["users"] == 16


def test_people_and_agents_are_users_and_people_are_said_to_ask_at_once():
    assert answer("calculate", "qwen3-32b on 2 H100, 10 agents")[0]["users"] == 10
    state, messages = answer("design", "RAG chatbot for 200 employees, qwen3-32b")
    assert state["users"] == 200
    assert any("asking at once" in one["text"] for one in messages)


@pytest.mark.parametrize(
    ("text", "state", "said"),
    [
        ("20 RPS with bursts to 60", {"rate": 60}, "of 60 requests/s, not for the steady 20"),
        ("120 rpm, peaks of 300", {"rate": 5, "copies": None}, "not for the steady 2:"),
        ("20 rps, spikes of 3x", {"rate": 60}, "not for the steady 20:"),
        ("5 rps, 3x burst", {"rate": 15}, "not for the steady 5:"),
        ("50 users, peak 120", {"users": 120}, "bursts of 120 users, not for the steady 50"),
        # 1e6 / (8 x 3600 s)
        ("1M documents of 2,000 tokens overnight (8 h)", {"rate": 34.72, "in": 2000}, "8 hours"),
        ("1M documents of 2,000 tokens overnight", {"rate": 34.72}, "a night of 8 hours"),
        ("86400 docs of 500 tokens per day", {"rate": 1, "in": 500, "ttft": 0}, "length was not"),
        ("86400 docs of 500 tokens in a day, 50 ms itl", {"itl": 50, "rate": 1}, "24 hours are"),
        # 86,400 / 86,400 s; the length stands behind the time
        ("86400 emails a day of 800 tokens each", {"rate": 1, "in": 800}, "800 tokens in and"),
        # 1,000 x 36 / 3600 s
        ("1000 users, 36 requests per user per hour", {"rate": 10}, "1,000 users together send 10"),
        ("3600 employees, each 24 requests a day", {"rate": 1}, "together send 1 requests/s"),
        ("8640 daily active users, 10 messages per user per day", {"rate": 1}, "together send 1"),
        ("60M tokens/min input", {"rate": 142.9}, "taken as of prompts:"),  # of 7,000
        ("200 employees, 10% at once", {"users": 20}, "10% of 200 are 20 users at once"),
        ("5000 employees, 200 active at peak, 4k prompts", {"users": 200, "in": 4000}, "Of 5,000"),
        ("30 active of 300 people", {"users": 30}, "Of 300, 30 are users at once"),
        ("32 concurrent users", {"users": 32}, ""),
        ("64 users at once", {"users": 64}, ""),
        ("64 simultaneous users", {"users": 64}, ""),
        # 40 / 60 s, and 90 / 30 s
        ("40 requests arrive together every minute", {"users": 40}, "are 0.667 requests/s"),
        ("every 30 s 90 requests come at once", {"users": 90}, "are 3 requests/s"),
        # 200 x 10 / 3600 s
        ("200 employees, each asks 10 times an hour", {"rate": 0.5556}, "200 users together send"),
        # 500,000 / (10 x 3600 s)
        ("500k documents, 4k in 200 out, 10 hours", {"rate": 13.89, "in": 4000}, "10 hours"),
        ("8 users, prefix of 20k shared, 500 own, 300 out", {"in": 20_500, "prefix": 20_000}, ""),
        # of a month of 720 hours
        ("50 users, budget 7200$/month", {"budget": 10}, "$7200 a month are $10 an hour"),
        ("50 users, under $72k a year", {"budget": 8.219}, "8,760 hours"),
        # 7.5 tokens of a prompt for each of an answer
        ("1.5M input tokens and 200k output tokens per hour", {"in": 7500, "rate": 0.05556}, ""),
    ],
)  # fmt: skip
def test_work_in_words_becomes_a_load_and_is_said(text, state, said):
    read, messages = answer("design", f"qwen3-8b on H100, {text}")
    assert {name: read[name] for name in state} == state
    assert said in all_text(messages)
    assert "Not understood" not in all_text(messages)


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("60% prefix hits", 4200),
        ("80% of the prompt is shared", 5600),
        ("cache hit rate 0.7", 4900),
        ("95% cache hits", 6650),  # no percentile
        ("prefix cache hit rate of 50%, 2k in", 1000),
        ("system prompt of 3,000 tokens shared by all", 3000),
        ("2k system prompt shared by all users", 2000),
    ],
)
def test_what_requests_share_is_a_prefix(text, prefix):
    state, messages = answer("calculate", f"qwen3-8b on L40S, {text}")
    assert (state["prefix"], state["itlp"]) == (prefix, "p95")
    assert "Not" not in all_text(messages) and "for Design" not in all_text(messages)


def test_people_who_ask_at_once_are_counted_and_how_to_change_it_is_said():
    _, messages = answer("calculate", "5,000 students use qwen3-8b on L40S")
    assert "All 5,000 people are taken as 5,000 users asking at once" in all_text(messages)
    assert "(10% at once)" in all_text(messages)


def test_a_batch_without_a_time_is_told_how_long_it_takes():
    state, messages = answer("calculate", "how long to process 10k docs of 3k tokens, qwen3-8b, L4")
    assert state["users"] is None  # nobody waits: as many as have room, and not the page's 16
    assert "Not understood" not in all_text(messages)
    _, messages = answer("calculate", "50k pdfs of 5k tokens each on 4x L40S with qwen3 14b")
    found = re.search(r"take about ([\d.]+) hours, at ([\d.]+) requests/s", all_text(messages))
    assert float(found[1]) == pytest.approx(50_000 / float(found[2]) / 3600, rel=0.05)
    _, messages = answer("design", "50k pdfs of 5k tokens each with qwen3 14b")
    assert "Say how long it may take" in all_text(messages)


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("32k context", (28_000, 4000)),  # as `llmcap predict --context 32k`: an eighth is answered
        ("4k context, 1 user", (3500, 500)),
        ("32k context, answers of 500", (31_500, 500)),
        ("7k in, 200 out", (7000, 200)),
    ],
)
@pytest.mark.parametrize("name", ["calculate", "design", "compare"])
def test_a_context_is_parted_as_the_commands_part_it(name, text, lengths):
    state, messages = answer(name, f"qwen3-8b on H100, {text}")
    assert (state["in"], state["out"]) == lengths
    told = f"an eighth is the answer unless one is said: prompt {lengths[0]:,} tokens"
    assert (told in all_text(messages)) == ("context" in text and "answers" not in text)


@pytest.mark.parametrize(
    ("text", "count", "what"),
    [
        ("cost per 1k requests", 1000, "1,000 requests"),
        ("price per request", 1, "1 request"),
        ("price per chat of it", 1, "1 chat"),
        ("cost per 1000 chats", 1000, "1,000 chats"),
        ("what does a request cost", 1, "1 request"),
        ("$ per million queries", 1e6, "1,000,000 queries"),
        ("cost per 1k requests, 0.1 requests/s", 1000, "1,000 requests"),
    ],
)
def test_a_price_of_requests_is_the_rent_over_what_is_answered(text, count, what):
    """By hand: $2 an hour for the requests that are answered in it."""
    state, messages = answer("calculate", f"qwen3-8b on L40S at $2/h, {text}")
    assert (state["in"], state["out"]) == (7000, 1000)
    found = re.search(
        r"([\d,]+ \w+) of 7,000 tokens in and 1,000 out costs? \$([\d,.]+): "
        r"\$2.00.* s / ([\d.]+)",
        all_text(messages),
    )
    assert found[1] == what and "Not understood" not in all_text(messages)
    usd = float(found[2].replace(",", ""))
    assert usd == pytest.approx(2 / 3600 / float(found[3]) * count, rel=0.02)
    if "0.1" in text:
        assert found[3] == "0.1"  # the rate that comes, and the cards idle between
    else:  # 16 answers of 1,000 tokens take no less than the weights and the cache are read
        assert 0.05 < float(found[3]) < 16 / (1000 * 16.4 / 864)


def test_a_price_of_requests_in_a_search_is_led_to_calculate():
    _, messages = answer("design", "cost per 1000 chats, qwen3-8b on L40S")
    assert [one["link"]["name"] for one in messages if "link" in one] == ["calculate"]
    _, messages = answer("calculate", "20 tok/s per request, price of qwen3-8b on H100")
    assert "1 request of" not in all_text(messages)


def test_copies_are_so_many_at_most_in_a_search_and_one_elsewhere():
    state, _ = answer("design", "5 replicas of llama 3.1 8b on L4, 1 rps")
    assert state["copies"] == 5
    _, messages = answer("calculate", "3 replicas of qwen3-32b on 4 A100 80GB")
    assert "The numbers are of one copy" in all_text(messages)


def test_how_many_requests_a_second_is_answered_with_the_most():
    """By hand: an L40S has room for some 20 users, and reads 38 GB for each of their tokens."""
    _, messages = answer("calculate", "qwen3-8b on L40S, how many rps")
    found = re.search(r"At most ([\d.]+) requests/s of 7,000", all_text(messages))
    assert 0.1 < float(found[1]) < 20 / (1000 * (16 + 20 * 1.1) / 864)
    assert "Not" not in all_text(messages)


def test_two_cards_for_a_desk_serve_one_person_in_a_search_too():
    state, messages = answer("design", "should I buy a 3090 or an M2 Ultra for llama 70b")
    assert (state["users"], state["in"], state["itl"]) == (1, 2000, 100)
    assert "for one person unless said" in all_text(messages)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (
            "1 Mrd tokens per month, 7000 in, 1000 out",
            {"rate": 0.0482},
        ),  # 1e9 / 8,000 / 2,592,000 s
        ("weekly: 20M docs 800 tok each, answer 50", {"in": 800, "out": 50}),
        ("for 50 ppl", {"users": 50}),
        ("200 users, each sends a message every 30 seconds", {"rate": 200 / 30}),
        ("200 users, one request every 5 min", {"rate": 200 / 300}),
        ("1000 DAU, 20 msgs/day", {"rate": 20_000 / 86_400}),
        ("single request latency", {"users": 1}),
    ],
)
def test_short_words_for_a_load_are_read(text, values):
    state, _ = answer("design", f"llama-3.3-70b {text}")
    assert {name: state[name] for name in values} == pytest.approx(values, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10 rps at night, 60 at day", "Of 10 and 60 requests/s the larger is taken"),
        ("by night 10 rps, by day 60 rps", "Of 10 and 60 requests/s the larger is taken"),
        ("60 rps now but 10 rps on weekends", "Of 10 and 60 requests/s the larger is taken"),
        # 600 a minute are 10 a second
        ("600 requests/min at night, 60 rps at day", "Of 10 and 60 requests/s the larger"),
        ("between 10 and 60 rps", "Of 10 and 60 requests/s the larger is taken"),
        ("10-60 rps", "Of 10 and 60 requests/s the larger is taken"),
    ],
)
def test_of_two_rates_the_larger_is_taken_and_told(text, said):
    state, messages = answer("design", f"llama-3.1-8b on H100, {text}")
    told = " ".join(one["text"] for one in messages)
    assert state["rate"] == 60 and said in told and "Not understood" not in told


def test_what_a_dollar_buys_at_a_rate_is_what_comes_or_the_most_that_is_answered():
    """By hand: 3,600 s of 0.1 requests/s for $2."""
    _, messages = answer("calculate", "what does a dollar buy, qwen3-8b on L40S at $2/h at 0.1 rps")
    assert "3,600 s x 0.1 requests/s / $2.00 an hour, as they come" in all_text(messages)
    assert f"{3600 * 0.1 / 2 * 1000:,.0f} tokens of answers" in all_text(messages)
    _, messages = answer("calculate", "what does a dollar buy, qwen3-8b on L40S at $2/h at 9 rps")
    assert "an hour, the most that are answered" in all_text(messages)


def test_the_most_requests_are_those_within_the_limits_that_stand():
    """Whoever asks for them within a first token of 1 s was told those of any first token."""
    text = "how many requests per second does llama-3.1-8b on H100 answer within p95 ttft 1s"
    state, messages = answer("calculate", text)
    told = re.search(
        r"At most ([\d.]+) .* within the limits; late or not, ([\d.]+)\.", all_text(messages)
    )
    within_rps, most_rps = map(float, told.groups())
    assert within_rps < most_rps
    d, load, slo = meaning.deployment(state), meaning.load(state), meaning.limits(state)
    for share, meets in ((0.99, True), (1.02, False)):
        assert design.card_at_rate(d, load, slo, share * within_rps).meets_all is meets
    _, messages = answer("calculate", f"{text}, 4k of the prompt are shared")
    shared = re.search(r"At most ([\d.]+) ", all_text(messages))[1]
    assert float(shared) > within_rps


def test_users_beside_a_rate_are_told_to_count_for_nothing():
    for name in ("calculate", "design", "compare"):
        state, messages = answer(name, "qwen3-8b on H100, 3 rps, 20 users")
        assert state["rate"] == 3 and "20 users count for nothing" in all_text(messages)
        _, messages = answer(name, "qwen3-8b on H100, 3 rps")
        assert "count for nothing" not in all_text(messages)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("on 4 H100, 2 rps per card", True),
        ("on 4 H100, 2 req/s each GPU", True),
        ("on 4 H100, 120 requests/min a replica", True),
        ("on 4 H100, 2 rps", False),
        ("on H100, 2 rps per card", False),  # which is all of them
        ("on 4 H100 at $2 per card, 2 rps", False),
    ],
)
def test_a_rate_of_one_card_is_told_to_be_taken_for_all(text, told):
    state, messages = answer("calculate", f"llama-3.1-70b fp8 {text}")
    assert state["rate"] == 2 and ("A rate is of all cards" in all_text(messages)) is told
