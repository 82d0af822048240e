"""The interface of the subjects: a file has one subject, and a table has one subject."""

import importlib
from collections import Counter
from pathlib import Path

import pytest

from analyses import attribute, heads, probing_subjects
from analyses.context.subject import Subject
from probes.results.schema.checks import TABLES

ANALYSES = (probing_subjects, attribute, heads)
ROOT = Path(probing_subjects.__file__).parent
SHARED = ("__init__", "rows", "share_rows")
"""Files of the folders of subjects that hold what several subjects use."""
FILES = sorted(path for path in (ROOT / "subjects").glob("*/*.py") if path.stem not in SHARED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_file_of_subjects_holds_a_subject_that_an_analysis_lists(path):
    module = importlib.import_module(f"analyses.subjects.{path.parent.name}.{path.stem}")
    assert isinstance(module.SUBJECT, Subject)
    assert any(module.SUBJECT is subject for analysis in ANALYSES for subject in analysis.SUBJECTS)


@pytest.mark.parametrize("analysis", ANALYSES, ids=lambda analysis: analysis.__name__)
def test_a_table_belongs_to_one_subject_of_an_analysis_and_to_the_schema(analysis):
    tables = Counter(table for subject in analysis.SUBJECTS for table in subject.tables)
    assert set(tables.values()) <= {1}
    assert set(tables) <= set(TABLES)


def test_every_check_that_flags_can_request_is_a_table_of_a_subject():
    from analyses.settings.explaining import ExplainSettings

    requests = {"curves": True, "infidelity": True, "baselines": ("zero",), "randomised": True, "depth": True}
    settings = ExplainSettings(head="both", audit=True, erase=1, **requests)
    assert set(settings.requested_tables(has_rationales=True)) == set(attribute.table_functions())


def test_reading_an_attribute_of_a_context_starts_no_work():
    sources = {path.name: path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py")}
    assert not [name for name, source in sources.items() if "cached_property" in source]
