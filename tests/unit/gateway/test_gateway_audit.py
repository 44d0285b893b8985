from services.gateway.audit import Budget


def test_so_many_a_second_and_the_rest_is_counted() -> None:
    now = [10.0]
    budget = Budget(2, lambda: now[0])
    assert [budget.spend() for _ in range(5)] == [True, True, False, False, False]
    now[0] = 11.2
    assert budget.spend()
    assert (budget.take_left_out(), budget.take_left_out()) == (3, 0)
