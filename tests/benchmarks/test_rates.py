"""The questions of a rate: what is drawn, and that an answer is simulated."""

from benchmarks import rates


def test_a_question_is_the_same_whenever_it_is_drawn():
    load, slo, asked = rates.question(201)
    assert (load, slo, asked) == rates.question(201) != rates.question(202)
    assert [tail.quantity for tail in slo.tails] == ["itl", "ttft"] and asked["rate"] > 0


def test_an_answer_is_simulated_beside_its_limits():
    title, over = rates.missed_by(200)
    assert title and 0 < over < 1
