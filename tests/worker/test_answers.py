"""Answers travel as JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tdl_tui.runs.records import Probe
from tdl_tui.worker.answers import LayerAnswer, LrRangeAnswer, SamplesAnswer, SummaryAnswer

shapes = st.lists(st.integers(1, 300), min_size=1, max_size=3).map(tuple)
counts = st.integers(0, 2**40)
fields = st.none() | counts
layers = st.builds(LayerAnswer, st.text(), st.text(), shapes, shapes, counts, counts, fields)
numbers = st.floats(allow_nan=False)
curves = st.lists(st.tuples(counts, numbers)).map(tuple)
summaries = st.builds(
    SummaryAnswer, st.lists(layers).map(tuple), counts, counts, fields, counts, counts, counts, counts, curves
)
probes = st.builds(Probe, counts, st.text(), shapes, st.lists(numbers).map(tuple), numbers)
samples = st.builds(
    SamplesAnswer, st.lists(probes).map(tuple), st.lists(st.text()).map(tuple), st.lists(counts).map(tuple)
)
values = st.lists(numbers).map(tuple)
ranges = st.builds(LrRangeAnswer, values, values, st.none() | numbers)


@given(summaries)
def test_a_summary_comes_back_as_it_went(answer: SummaryAnswer) -> None:
    assert SummaryAnswer.from_json(json.loads(json.dumps(answer.to_json()))) == answer


@given(samples)
def test_samples_come_back_as_they_went(answer: SamplesAnswer) -> None:
    assert SamplesAnswer.from_json(json.loads(json.dumps(answer.to_json()))) == answer


@given(ranges)
def test_a_range_test_comes_back_as_it_went(answer: LrRangeAnswer) -> None:
    assert LrRangeAnswer.from_json(json.loads(json.dumps(answer.to_json()))) == answer
