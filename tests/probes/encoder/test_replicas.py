"""Copies of an encoder that work side by side."""

import threading

import pytest
import torch

from probes import Encoder
from probes.encoder.replicas import MAX_REPLICAS, replica_map
from tests.support.encoders.hidden_states import (
    TEXTS,
    hidden_states,
)
from tests.support.encoders.models import FAMILIES, build_model


@pytest.fixture
def cores(monkeypatch):
    """Let PyTorch report a number of threads."""
    return lambda n: monkeypatch.setattr(torch, "get_num_threads", lambda: n)


def encoders_at_work(encoder, n_items, **options):
    """Each item with the identity of the encoder that worked on it."""
    with replica_map(encoder, **options) as run:
        return list(run(lambda item, replica: (item, id(replica)), range(n_items)))


def test_results_come_in_the_order_of_the_items(bert, cores):
    cores(3)
    assert [item for item, _ in encoders_at_work(bert, 40)] == list(range(40))


def test_no_two_threads_have_one_encoder_at_a_time(bert, cores):
    cores(4)
    busy = set()
    lock = threading.Lock()
    n_busy = []

    def work(_item, replica):
        with lock:
            assert id(replica) not in busy
            busy.add(id(replica))
            n_busy.append(len(busy))
        torch.ones(50).sum()
        with lock:
            busy.remove(id(replica))

    with replica_map(bert) as run:
        list(run(work, range(100)))
    assert max(n_busy) <= 4


@pytest.mark.parametrize(
    ("n_cores", "max_replicas", "expected"), [(1, 8, 1), (3, 2, 2), (3, 8, 3), (64, 64, MAX_REPLICAS), (2, 0, 1)]
)
def test_there_are_as_many_copies_as_cores_pieces_and_the_limit_allow(
    bert, cores, monkeypatch, n_cores, max_replicas, expected
):
    cores(n_cores)
    copies = []
    replica = type(bert).replica
    monkeypatch.setattr(type(bert), "replica", lambda self: copies.append(replica(self)) or copies[-1])
    allowed = {id(bert)}
    with replica_map(bert, max_replicas=max_replicas) as run:
        allowed |= set(map(id, copies))
        assert len(allowed) == expected
        assert set(run(lambda _item, replica: id(replica), range(20))) <= allowed


def test_a_model_with_a_hook_of_the_users_is_not_copied(bert, cores):
    cores(4)
    calls = []
    bert.model.encoder.layer[0].register_forward_hook(lambda *_: calls.append(1))
    assert {replica for _, replica in encoders_at_work(bert, 10)} == {id(bert)}


def test_a_model_that_cannot_be_copied_works_alone(bert, cores, monkeypatch):
    cores(4)

    def refused(_self):
        raise TypeError("cannot pickle")

    monkeypatch.setattr(type(bert), "replica", refused)
    assert {replica for _, replica in encoders_at_work(bert, 10)} == {id(bert)}


def test_an_encoder_is_free_again_after_an_error(bert, cores):
    cores(1)

    def fails_once(item, _replica):
        if item == 0:
            raise ValueError("broken")
        return item

    with replica_map(bert) as run:
        with pytest.raises(ValueError, match="broken"):
            list(run(fails_once, [0]))
        assert list(run(fails_once, [1, 2])) == [1, 2]


@pytest.mark.parametrize("auto", ["AutoModel", "AutoModelForSequenceClassification"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_replica_shares_the_weights_and_no_module(family, auto):
    if auto == "AutoModelForSequenceClassification" and family == "gpt2":
        pytest.skip("its head takes a text at a time; see above")
    encoder = Encoder(*build_model(family, auto))
    replica = encoder.replica()
    theirs = {id(tensor) for tensor in (*replica.model.parameters(), *replica.model.buffers())}
    assert theirs == {id(tensor) for tensor in (*encoder.model.parameters(), *encoder.model.buffers())}
    assert not set(map(id, encoder.model.modules())) & set(map(id, replica.model.modules()))
    states_of_encoder, _ = hidden_states(encoder, TEXTS)
    for layer, states in hidden_states(replica, TEXTS)[0].items():
        assert torch.equal(states, states_of_encoder[layer])
    if replica.has_pooler:
        assert replica._pooler is not encoder._pooler
