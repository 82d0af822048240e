"""Names of the stages that measure a table."""

from analyses import attribute, heads
from analyses.context.stage_names import STAGE_NAMES


def test_every_table_that_is_a_stage_has_a_name_and_every_name_a_table():
    subjects = (*attribute.SUBJECTS, *heads.SUBJECTS)
    assert set(STAGE_NAMES) == {table for subject in subjects for table in subject.tables}
