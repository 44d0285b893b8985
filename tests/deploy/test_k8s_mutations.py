"""Each rule can fail: on a broken copy of the real manifests exactly that rule speaks."""

from __future__ import annotations

import pytest

from tests.deploy.mutations import MUTATIONS, Draft, Mutation
from tests.deploy.rendering import render
from tests.deploy.rules.catalogue import RULES, findings_of


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.id)
def test_exactly_one_rule_sees_it(mutation: Mutation) -> None:
    draft = Draft(render(mutation.parts))
    mutation.change(draft)
    rendered = draft.done()
    found = {rule: findings for rule in RULES if (findings := findings_of(rule, rendered))}
    assert set(found) == {mutation.rule}, {rule: list(map(str, findings)) for rule, findings in found.items()}


def test_every_rule_has_a_mutation() -> None:
    assert {mutation.rule for mutation in MUTATIONS} == set(RULES)
