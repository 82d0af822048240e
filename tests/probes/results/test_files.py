"""A result folder from elsewhere, or one that a disk has hurt: refused in one line, and nothing outside is touched."""

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probes import AnalysisResult, Claim, InputError
from probes.results.files import digest, interrupted_replacement
from probes.results.result import check_replaceable
from probes.results.seal import seal
from tests.support.commands.python_processes import program
from tests.support.results.smallest import ATTRIBUTION, PLAIN, TABLE

HOSTILE = (
    *("../evil", "../../evil", "/etc/evil", "a/b", "a\\b", "..\\evil", "C:evil", "C:\\evil", "..", ".", "", " ", "x "),
    *("evil\0", "e\nvil", ".hidden", "nul", "NUL", "com1.txt", "aux", "x.", "e" * 300, "\ud800", "a*", "a?", "a:b"),
)

OURS = ("result.json", "RESULT.json", "tables", "attributions.jsonl", "report.html")


def tamper(folder, change):
    """Change the summary as somebody would who knows how it is sealed."""
    path = folder / "result.json"
    summary = json.loads(path.read_text())
    change(summary)
    path.write_text(json.dumps(summary | {"digest": seal(summary)}))


def everything(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    "name", [*HOSTILE, "result.json", "RESULT.json", "tables", "attributions.jsonl", "report.html"]
)
def test_a_result_can_name_no_file_outside_its_folder(folder, tmp_path, name):
    for outside in (tmp_path / "evil", tmp_path / "inner" / "evil", tmp_path / "inner" / "evil.csv"):
        outside.write_text("mine")

    def add(summary):
        summary["files"].append(name)
        summary["digests"][name] = {"bytes": 4, "sha256": digest(b"mine")}

    tamper(folder, add)
    before = everything(tmp_path)
    with pytest.raises(InputError, match=r"made/result\.json' is damaged: the file name"):
        AnalysisResult.load(folder)
    with pytest.raises(InputError, match="cannot be saved: the file name"):
        dataclasses.replace(PLAIN, files={name: b"evil"}).save(tmp_path / "inner" / "other")
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", HOSTILE)
def test_a_result_can_name_no_table_outside_its_folder(folder, tmp_path, name):
    (tmp_path / "inner" / "evil.csv").write_text("a\n1\n")
    tamper(folder, lambda summary: summary["tables"].update({name: summary["tables"]["x_odd"]}))
    before = everything(tmp_path)
    with pytest.raises(InputError, match=r"made/result\.json' is damaged: the table name"):
        AnalysisResult.load(folder)
    with pytest.raises(InputError, match="cannot be saved: the table name"):
        dataclasses.replace(PLAIN, tables={name: TABLE}).save(tmp_path / "inner" / "other")
    assert everything(tmp_path) == before


@pytest.mark.parametrize("kind", ["tables", "files"])
def test_names_that_one_system_takes_for_the_same_are_refused(tmp_path, kind):
    content = TABLE if kind == "tables" else b""
    with pytest.raises(InputError, match="is already used, by 'caf"):
        dataclasses.replace(PLAIN, **{kind: {"caf\xe9": content, "CAFE\u0301": content}}).save(tmp_path / "r")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["tables/x_odd.csv", "attributions.jsonl", "probes.safetensors", "result.json"])
@pytest.mark.parametrize("kind", ["link outside", "link inside", "folder", "pipe", "missing"])
def test_what_is_no_file_of_its_own_is_refused_without_waiting(folder, tmp_path, name, kind):
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if kind.startswith("link"):
        target = (tmp_path if kind == "link outside" else folder) / "copy"
        target.write_bytes(content)
        path.symlink_to(target)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(InputError, match=r"is not a regular file|is missing|contains no result\.json"):
        AnalysisResult.load(folder)


def test_a_folder_of_tables_that_is_a_link_is_refused(folder, tmp_path):
    (folder / "tables").rename(tmp_path / "elsewhere")
    (folder / "tables").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="tables' is not a folder"):
        AnalysisResult.load(folder)


@pytest.mark.parametrize("name", ["mine.csv", "notes.txt", "Odd.csv"])
def test_a_file_of_the_users_among_the_tables_protects_the_result(folder, name):
    (folder / "tables" / name).write_text("mine")
    with pytest.raises(InputError, match=f"contains an earlier result and also 'tables/{name}'"):
        PLAIN.save(folder)
    assert (folder / "tables" / name).read_text() == "mine"


def test_a_folder_in_the_place_of_a_file_protects_the_result(folder):
    (folder / "tables" / "x_odd.csv").unlink()
    (folder / "tables" / "x_odd.csv").mkdir()
    (folder / "tables" / "x_odd.csv" / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"and also 'tables/x_odd\.csv'"):
        PLAIN.save(folder)
    assert (folder / "tables" / "x_odd.csv" / "thesis.tex").exists()


@pytest.mark.parametrize("inner", ["", "tables"])
def test_an_earlier_result_that_cannot_be_removed_is_refused_before_the_work(folder, monkeypatch, inner):
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder / inner and access(path, mode))
    with pytest.raises(InputError, match="cannot be removed: no permission to change"):
        check_replaceable(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["made"]


def test_what_could_not_be_removed_is_named(folder, monkeypatch):
    remove = shutil.rmtree

    def refuse(path, **options):
        if str(path).endswith(".old"):
            raise PermissionError(1, "Operation not permitted", str(path))
        remove(path, **options)

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(InputError, match=r"the result is in .*, but the earlier one could not be removed .*delete"):
        dataclasses.replace(PLAIN, name="again").save(folder)
    assert AnalysisResult.load(folder).name == "again"


KILLED_BETWEEN_THE_RENAMES = """
import os
from pathlib import Path
from probes.results.files import put_in_place
folder, rename = Path(FOLDER), Path.rename
def rename_first_and_end(path, target):
    rename(path, target)
    os._exit(9)
Path.rename = rename_first_and_end
put_in_place(folder, lambda part: (part / "result.json").write_text("{}"), lambda part: None)
"""


@pytest.fixture
def interrupted(folder):
    """The folder of a result whose replacement was killed between its two renames."""
    code = KILLED_BETWEEN_THE_RENAMES.replace("FOLDER", repr(str(folder)))
    process = program(code)
    assert (process.communicate(timeout=60), process.returncode) == (("", ""), 9)
    assert not folder.exists()
    return folder


@pytest.mark.parametrize("is_empty_folder", [False, True])
def test_a_result_that_a_killed_run_set_aside_is_named_where_it_is_missed(interrupted, is_empty_folder):
    if is_empty_folder:
        interrupted.mkdir()
    with pytest.raises(
        InputError, match=r"contains no result\.json; a run was interrupted while it replaced this"
    ) as error:
        AnalysisResult.load(interrupted)
    earlier, new = sorted(interrupted.parent.glob(".made.*"), key=lambda path: path.suffix != ".old")
    assert f"the earlier result is in {str(earlier)!r}" in str(error.value)
    assert str(error.value).endswith(f"complete, in {str(new)!r}")
    assert "\n" not in str(error.value)
    assert AnalysisResult.load(earlier).name == PLAIN.name


@pytest.mark.parametrize("is_empty_folder", [False, True])
def test_a_result_that_a_killed_run_set_aside_is_put_back_and_the_new_one_stays(interrupted, is_empty_folder):
    if is_empty_folder:
        interrupted.mkdir()
    notice = interrupted_replacement(interrupted).undo()
    (new,) = (path for path in interrupted.parent.iterdir() if path != interrupted)
    assert notice.endswith(f"restored, and the new one, which is complete, is in {str(new)!r}")
    assert AnalysisResult.load(interrupted).name == PLAIN.name
    assert interrupted_replacement(interrupted) is None


def test_a_result_that_was_replaced_is_not_put_back(interrupted):
    (new,) = (path for path in interrupted.parent.iterdir() if path.suffix != ".old")
    new.rename(interrupted)
    assert interrupted_replacement(interrupted) is None
    shutil.rmtree(interrupted)
    assert interrupted_replacement(interrupted) is None


def test_a_folder_of_another_name_or_none_at_all_is_no_interrupted_replacement(interrupted, tmp_path):
    for name in ("mad", "made.", "m.de", "nowhere/made"):
        assert interrupted_replacement(interrupted.parent / name) is None
    assert interrupted_replacement(tmp_path / "absent" / "made") is None


def test_of_several_results_that_were_set_aside_the_last_one_counts(interrupted):
    (earlier,) = interrupted.parent.glob(".made.*.old")
    for path in sorted(interrupted.parent.glob(".made.*")):
        shutil.copytree(path, path.with_name(f".made.{'0' * 32}{path.name[38:]}"))
    last = interrupted.with_name(f".made.{'0' * 32}.old")
    last.rename(last.with_name("moved")).rename(last)
    assert interrupted_replacement(interrupted).earlier == last != earlier


def test_an_interruption_after_the_first_rename_leaves_the_earlier_result(folder, monkeypatch):
    rename = Path.rename

    def rename_and_interrupt(path, target):
        rename(path, target)
        if str(target).endswith(".old"):
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", rename_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        dataclasses.replace(PLAIN, name="again").save(folder)
    assert AnalysisResult.load(folder).name == PLAIN.name
    assert [path.name for path in folder.parent.iterdir()] == ["made"]


def test_what_cannot_be_read_back_is_kept_and_an_earlier_result_stays(folder):
    broken = dataclasses.replace(PLAIN, claims=(Claim("best_site", "measured", "a"),))
    with pytest.raises(InputError, match=r"cannot be read again, and is in .*numbers lack 'pooling'") as error:
        broken.save(folder)
    (set_aside,) = (path for path in folder.parent.iterdir() if path != folder)
    assert str(set_aside) in str(error.value)
    assert (set_aside / "tables" / "x_odd.csv").is_file()
    assert AnalysisResult.load(folder).claims[0].id == "x_other"


@pytest.mark.parametrize("content", ['{"a": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, '"\\ud800', "1" * 5000, "null"])
def test_what_is_no_strict_json_is_damaged(folder, content):
    (folder / "result.json").write_text(content)
    with pytest.raises(InputError, match=r"result\.json' is damaged"):
        AnalysisResult.load(folder)


def test_an_older_format_is_named(folder):
    tamper(folder, lambda summary: summary.update(format=1))
    with pytest.raises(InputError, match="has result format 1, this version reads 2; run the analysis again"):
        AnalysisResult.load(folder)


AWKWARD = (
    *(
        "",
        "\r",
        "a\rb",
        "\r\n",
        "\n",
        "\0",
        '"',
        '""',
        "\u2028",
        "NA",
        "nan",
        "None",
        " ",
        " a ",
        "\ufeff",
        "1",
        "True",
    ),
    *("1" * 30, "index", "a,b", "\x1a", "\ud800", "a\r", "'", "\\", "#", "-0", "1e5", "\t"),
)
ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.sampled_from(AWKWARD)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    # pandas takes no half of a character for the name of a column.
    names=st.lists(
        ANY_TEXT.filter(lambda name: not re.search("[\ud800-\udfff]", name)), min_size=1, max_size=4, unique=True
    ),
    cells=st.lists(st.lists(ANY_TEXT | st.none(), min_size=4, max_size=4), max_size=5),
    text=ANY_TEXT,
)
def test_whatever_texts_and_names_a_result_holds_it_is_read_as_it_was(tmp_path, names, cells, text):
    table = pd.DataFrame(
        {name: pd.Series([row[i] for row in cells], dtype=object) for i, name in enumerate(names)}
    ).set_axis(names, axis=1)
    empty = np.zeros((0, 3), dtype=np.int64)
    attribution = dataclasses.replace(
        ATTRIBUTION, text=text, tokens=(), scores=np.zeros(0), offsets=empty, words=(), word_scores=np.zeros(0),
        word_offsets=empty, target=text, predicted=text, probabilities={text: 1.0}, task=text,
    )  # fmt: skip
    analysis = dataclasses.replace(
        PLAIN, tables={"x_odd": table}, attributions=(attribution,), notes=(text,), settings={text: [text]},
        claims=(Claim(f"x_{text}", text, text, {text: text}),),
    )  # fmt: skip
    back = AnalysisResult.load(analysis.save(tmp_path / "made"))
    assert list(back.tables["x_odd"].columns) == names
    listed = [[None if pd.isna(cell) else cell for cell in row] for row in back.tables["x_odd"].to_numpy(dtype=object)]
    assert listed == [row[: len(names)] for row in cells]
    (again,) = back.attributions
    assert (again.text, again.target, again.probabilities, again.task) == (text, text, {text: 1.0}, text)
    assert (back.notes, back.settings, back.claims) == (analysis.notes, analysis.settings, analysis.claims)
