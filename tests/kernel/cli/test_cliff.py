"""`llmcap cliff`: the ledger's users by context."""

from llmcap_kernel import capacity

from .plain import B, D, strict


def test_rows_are_the_ledgers(run):
    told = strict(run("cliff", *B, "--users", "16", "--json")[1])
    for row in told["rows"]:
        assert row["users"] == capacity.max_concurrent(D, row["context_tokens"])
    assert told["rows"][-1]["context_tokens"] == told["window_tokens"] == 131_072


def test_the_longest_context_is_the_last_that_fits(run):
    longest = strict(run("cliff", *B, "--users", "16", "--json")[1])["longest_context_tokens"]
    assert capacity.max_concurrent(D, longest) >= 16 > capacity.max_concurrent(D, longest + 16)
    assert f"16 users fit up to {longest:,} tokens each" in run("cliff", *B, "--users", "16")[1]


def test_one_user_is_wanted_where_none_is_given(run):
    assert "One user fits at every length" in run("cliff", *B)[1]


def test_what_does_not_start_says_why(run):
    status, out, _ = run("cliff", *B[:4])
    assert status == 0 and "at no length. Does not start: the weights alone take 131" in out
