"""The seal of a result: no change of a saved file passes unnoticed."""

import pytest

from probes import AnalysisResult, InputError


def test_a_file_larger_than_it_was_is_refused_unread(folder):
    with (folder / "probes.safetensors").open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="it has 1,099,511,627,776 bytes, and at most 2 are allowed"):
        AnalysisResult.load(folder)


@pytest.mark.parametrize("name", ["tables/x_odd.csv", "attributions.jsonl", "probes.safetensors", "result.json"])
def test_no_altered_byte_and_no_cut_passes_unnoticed(folder, name):
    path = folder / name
    content = path.read_bytes()
    # Blanks of the summary say nothing; all else does.
    telling = [i for i, byte in enumerate(content) if not (name == "result.json" and bytes([byte]).isspace())]
    for i in telling[:: max(1, len(telling) // 40)]:
        path.write_bytes(content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :])
        with pytest.raises(InputError, match=path.name):
            AnalysisResult.load(folder)
    for end in (0, 1, len(content) // 2, len(content) - 2):
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match=path.name):
            AnalysisResult.load(folder)


def test_a_table_that_the_user_sorted_is_named_with_what_to_do(folder):
    path = folder / "tables" / "x_odd.csv"
    header, *lines = path.read_text().splitlines(keepends=True)
    path.write_text(header + "".join(sorted(lines, reverse=True)))
    with pytest.raises(
        InputError, match=r"odd\.csv' is damaged: it was changed after it was saved .* change a copy outside"
    ):
        AnalysisResult.load(folder)


def test_a_page_that_was_drawn_again_is_no_part_of_the_result(folder):
    (folder / "report.html").write_text("anything")
    assert AnalysisResult.load(folder).name == "run"
