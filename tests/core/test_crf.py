"""The CRF against an enumeration of all tag paths, and against pytorch-crf."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torchcrf

from umt_core.model.crf import FORBIDDEN, LinearChainCRF
from umt_core.spans import tags_to_spans

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
LENGTHS = (4, 1, 3, 4)  # of the tweets of a batch
N = max(LENGTHS)


def make_crf(tags: int = len(TAGS), forbidden: torch.Tensor | None = None, seed: int = 0) -> LinearChainCRF:
    torch.manual_seed(seed)
    crf = LinearChainCRF(tags, forbidden)
    for parameter in crf.parameters():
        parameter.data = torch.where(parameter == FORBIDDEN, parameter, torch.randn_like(parameter))
    return crf


@pytest.fixture
def crf() -> LinearChainCRF:
    return make_crf()


@pytest.fixture
def emissions() -> torch.Tensor:
    return torch.randn(len(LENGTHS), N, len(TAGS), generator=torch.Generator().manual_seed(1)) * 2


@pytest.fixture
def mask() -> torch.Tensor:
    return torch.tensor([[i < length for i in range(N)] for length in LENGTHS])


def enumerate_paths(crf: LinearChainCRF, emissions: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """All paths (paths, n) over one tweet's emissions (n, tags), and the score of each (eq. 5)."""
    start, between, end, scores = (
        tensor.detach().double().numpy()
        for tensor in (crf.start_transitions, crf.transitions, crf.end_transitions, emissions)
    )
    length, tags = scores.shape
    paths = np.array(list(itertools.product(range(tags), repeat=length)))
    total = start[paths[:, 0]] + end[paths[:, -1]]
    for i in range(length):
        total = total + scores[i, paths[:, i]]
    for i in range(1, length):
        total = total + between[paths[:, i - 1], paths[:, i]]
    return paths, total


def log_sum(scores: np.ndarray) -> float:
    return float(np.log(np.exp(scores - scores.max()).sum()) + scores.max())


def probabilities(scores: np.ndarray) -> np.ndarray:
    return np.exp(scores - log_sum(scores))


def test_the_partition_sums_over_all_paths(crf, emissions, mask):
    expected = [log_sum(enumerate_paths(crf, row[:length])[1]) for row, length in zip(emissions, LENGTHS, strict=True)]
    np.testing.assert_allclose(crf.posterior(emissions, mask).log_partition, expected, atol=1e-5)


def test_the_partition_is_pytorch_crfs(crf, emissions, mask):
    theirs = torchcrf.CRF._compute_normalizer(crf, emissions.transpose(0, 1), mask.transpose(0, 1))
    torch.testing.assert_close(crf.posterior(emissions, mask).log_partition, theirs.detach(), atol=1e-5, rtol=0)


def test_the_loss_is_the_mean_surprise_of_the_gold_paths(crf, emissions, mask):
    gold = torch.randint(len(TAGS), (len(LENGTHS), N), generator=torch.Generator().manual_seed(2))
    surprises = []
    for row, path, length in zip(emissions, gold, LENGTHS, strict=True):
        paths, scores = enumerate_paths(crf, row[:length])
        (which,) = np.flatnonzero((paths == path[:length].numpy()).all(axis=1))
        surprises.append(log_sum(scores) - scores[which])
    assert crf.loss(emissions, gold, mask).item() == pytest.approx(np.mean(surprises), abs=1e-5)


def test_marginals_sum_the_paths_that_pass_a_tag(crf, emissions, mask):
    marginals = crf.posterior(emissions, mask).marginals
    for row, found, length in zip(emissions, marginals, LENGTHS, strict=True):
        paths, scores = enumerate_paths(crf, row[:length])
        weight = probabilities(scores)
        expected = [[weight[paths[:, i] == tag].sum() for tag in range(len(TAGS))] for i in range(length)]
        np.testing.assert_allclose(found[:length], expected, atol=1e-5)
        assert found[length:].eq(0).all()


def test_marginals_are_the_gradient_of_the_partition(crf, emissions, mask):
    emissions.requires_grad_()
    torchcrf.CRF._compute_normalizer(crf, emissions.transpose(0, 1), mask.transpose(0, 1)).sum().backward()
    torch.testing.assert_close(crf.posterior(emissions, mask).marginals, emissions.grad, atol=1e-5, rtol=0)


def test_the_best_path_is_the_best_of_all(crf, emissions, mask):
    found = crf.best_paths(emissions, mask)
    for row, path, length in zip(emissions, found, LENGTHS, strict=True):
        paths, scores = enumerate_paths(crf, row[:length])
        assert path == paths[scores.argmax()].tolist()
    assert found == crf.decode(emissions, mask)  # pytorch-crf's


def test_what_is_masked_changes_nothing(crf, emissions, mask):
    filled = emissions.masked_fill(~mask.unsqueeze(-1), 1e4)
    gold = torch.zeros(len(LENGTHS), N, dtype=torch.int64)
    noise = gold.masked_fill(~mask, len(TAGS) - 1)
    plain, other = crf.posterior(emissions, mask), crf.posterior(filled, mask)
    torch.testing.assert_close(plain.log_partition, other.log_partition)
    torch.testing.assert_close(plain.marginals, other.marginals)
    torch.testing.assert_close(crf.loss(emissions, gold, mask), crf.loss(filled, noise, mask))
    assert crf.best_paths(emissions, mask) == crf.best_paths(filled, mask)


def readings(paths: np.ndarray) -> list[set[tuple[int, int, str]]]:
    """The spans that each path stands for, an orphan I- opening one."""
    return [{(s.start, s.end, s.label) for s in tags_to_spans([TAGS[t] for t in path])} for path in paths]


def spans_of(length: int) -> list[tuple[int, int, str]]:
    return [(a, b, label) for a in range(length) for b in range(a + 1, length + 1) for label in ("PER", "LOC")]


def span_probability(posterior, row: int, span: tuple[int, int, str]) -> float:
    start, end, label = span
    return posterior.span_probability(row, start, end, TAGS.index(f"B-{label}"), TAGS.index(f"I-{label}"))


def test_a_spans_probability_sums_the_paths_that_read_as_it(crf, emissions, mask):
    posterior = crf.posterior(emissions, mask)
    for i, length in enumerate(LENGTHS):
        paths, scores = enumerate_paths(crf, emissions[i, :length])
        weight, read = probabilities(scores), readings(paths)
        for span in spans_of(length):
            expected = sum(w for w, spans in zip(weight, read, strict=True) if span in spans)
            assert span_probability(posterior, i, span) == pytest.approx(expected, abs=1e-5), span


def test_a_word_is_outside_or_in_exactly_one_span(crf, emissions, mask):
    posterior = crf.posterior(emissions, mask)
    for i, length in enumerate(LENGTHS):
        found = {span: span_probability(posterior, i, span) for span in spans_of(length)}
        for word in range(length):
            inside = sum(p for (start, end, _), p in found.items() if start <= word < end)
            assert inside + float(posterior.marginals[i, word, 0]) == pytest.approx(1, abs=1e-5)


def bio_forbidden() -> torch.Tensor:
    """By hand: I-PER and I-LOC only after their own B- and I-; neither opens a tweet."""
    forbidden = torch.zeros(6, 5, dtype=torch.bool)
    forbidden[[0, 3, 4, 5], 2] = True
    forbidden[[0, 1, 2, 5], 4] = True
    return forbidden


def test_forbidden_transitions_have_no_probability(mask):
    crf = make_crf(forbidden=bio_forbidden())
    emissions = torch.randn(len(LENGTHS), N, len(TAGS)) * 3
    emissions[:, :, [2, 4]] += 5  # the inside tags look best everywhere
    posterior, best = crf.posterior(emissions, mask), crf.best_paths(emissions, mask)
    for i, length in enumerate(LENGTHS):
        paths, scores = enumerate_paths(crf, emissions[i, :length])
        allowed = np.array([_follows_bio(path) for path in paths])
        assert best[i] == paths[allowed][scores[allowed].argmax()].tolist()
        assert float(posterior.log_partition[i]) == pytest.approx(log_sum(scores[allowed]), abs=1e-4)
        assert posterior.marginals[i, 0, [2, 4]].sum() < 1e-20  # no I- opens a tweet


def _follows_bio(path: np.ndarray) -> bool:
    tags = ["O", *(TAGS[t] for t in path)]
    return all(not b.startswith("I") or (a[0] in "BI" and a[1:] == b[1:]) for a, b in itertools.pairwise(tags))


def test_forbidden_transitions_stay_forbidden_through_training(mask):
    crf = make_crf(forbidden=bio_forbidden())
    before = crf.transitions.detach().clone()
    gold = torch.tensor([[0, 1, 2, 0]] * len(LENGTHS))
    optimizer = torch.optim.Adam(crf.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        crf.loss(torch.randn(len(LENGTHS), N, len(TAGS)), gold, mask).backward()
        optimizer.step()
    forbidden = bio_forbidden()
    assert crf.transitions[forbidden[:-1]].eq(FORBIDDEN).all()
    assert crf.start_transitions[forbidden[-1]].eq(FORBIDDEN).all()
    assert crf.transitions[~forbidden[:-1]].ne(before[~forbidden[:-1]]).any()


def test_half_precision_emissions_lose_no_loss(crf, emissions, mask):
    gold = torch.zeros(len(LENGTHS), N, dtype=torch.int64)
    whole = crf.loss(emissions.bfloat16().float(), gold, mask)
    torch.testing.assert_close(crf.loss(emissions.bfloat16(), gold, mask), whole)


# --- log-odds with a gradient ----------------------------------------------------------------------


@pytest.mark.parametrize(("start", "end"), [(0, 1), (0, 2), (1, 3), (2, 4), (0, 4)])
def test_log_odds_of_a_span_are_those_of_all_paths_that_have_it(crf, emissions, mask, start, end):
    found = crf.span_log_odds(emissions, mask, start, end, 1, 2)
    for row in (0, 3):  # the tweets of four words
        paths, scores = enumerate_paths(crf, emissions[row])
        has = np.array([(start, end, "PER") in _spans(path) for path in paths])
        expected = log_sum(scores[has]) - log_sum(scores[~has])
        assert found[row].item() == pytest.approx(expected, abs=1e-5)


def test_log_odds_in_a_shorter_tweet_end_where_it_ends(crf, emissions, mask):
    found = crf.span_log_odds(emissions, mask, 1, 3, 1, 2)[2]
    paths, scores = enumerate_paths(crf, emissions[2, :3])
    has = np.array([(1, 3, "PER") in _spans(path) for path in paths])
    assert found.item() == pytest.approx(log_sum(scores[has]) - log_sum(scores[~has]), abs=1e-5)


def test_log_odds_of_a_tag_are_those_of_its_marginal(crf, emissions, mask):
    marginals = crf.posterior(emissions, mask).marginals.double()
    found = crf.tag_log_odds(emissions, mask, 0, 3)
    torch.testing.assert_close(torch.sigmoid(found), marginals[:, 0, 3], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("sure", [0.0, 18.0])
def test_the_probability_of_a_tag_tells_what_float32_calls_certain(crf, emissions, mask, sure):
    emissions = emissions.clone()
    emissions[:, 0, 3] += sure
    posterior = crf.posterior(emissions, mask)
    exact = [posterior.tag_probability(row, 0, 3) for row in range(len(LENGTHS))]
    np.testing.assert_allclose(exact, posterior.marginals[:, 0, 3], atol=1e-6)
    assert len(set(exact)) == len(LENGTHS)
    assert max(exact) < 1
    log_odds = [math.log(p) - math.log1p(-p) for p in exact]
    np.testing.assert_allclose(log_odds, crf.tag_log_odds(emissions, mask, 0, 3).detach(), rtol=1e-3, atol=1e-3)


def test_log_odds_have_the_gradient_of_their_differences(crf, emissions, mask):
    def of(scores: torch.Tensor) -> torch.Tensor:
        return crf.span_log_odds(scores, mask[:1], 1, 3, 1, 2)

    torch.autograd.gradcheck(of, emissions[:1].double().requires_grad_())


def _spans(path: np.ndarray) -> list[tuple[int, int, str]]:
    return [(span.start, span.end, span.label) for span in tags_to_spans([TAGS[i] for i in path])]
