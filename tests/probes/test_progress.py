"""Progress of a long computation: bars, stages in a terminal, lines in a log."""

import io

import pytest

from probes import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def analysis(visible=True):
    progress.expect_stages(3)
    with progress.stage("texts"):
        pass
    with progress.stage("features"), progress.progress_bar(10, "features", visible=visible) as bar:
        for _ in range(10):
            bar.update()
    with progress.stage("explanations"), progress.progress_bar(2, "attributions", visible=visible) as bar:
        bar.update(2)


def test_a_log_gets_a_line_a_stage_and_no_bar():
    stream = io.StringIO()
    with progress.report_stages(stream):
        analysis()
    assert stream.getvalue().splitlines() == [
        "1 of 3, texts: 0.0 s",
        "2 of 3, features: 0.0 s",
        "3 of 3, explanations: 0.0 s",
    ]


def test_a_log_gets_a_line_a_minute_from_a_long_stage(monkeypatch):
    clock = iter(range(0, 10_000, 25))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    with progress.report_stages(stream):
        analysis()
    lines = [line for line in stream.getvalue().splitlines() if " after " in line]
    assert lines == [
        "2 of 3, features: 3 of 10 texts after 1 min 15 s",
        "2 of 3, features: 6 of 10 texts after 2 min 30 s",
        "2 of 3, features: 9 of 10 texts after 3 min 45 s",
    ]


def test_a_terminal_shows_the_open_stage_and_a_line_of_every_finished_one(monkeypatch):
    monkeypatch.setattr(progress, "BAR_DELAY", 0.0)
    stream = Terminal()
    with progress.report_stages(stream):
        analysis()
    text = stream.getvalue()
    assert "\r\x1b[K2 of 3, features ..." in text
    assert "\r2 of 3, features:   0%" in text  # its own word is not repeated
    assert "\r3 of 3, explanations, attributions:   0%" in text
    left = [line.rpartition("\x1b[K")[2] for line in text.split("\n")]
    assert left == ["1 of 3, texts: 0.0 s", "2 of 3, features: 0.0 s", "3 of 3, explanations: 0.0 s", ""]


def test_short_stages_show_no_bar_in_a_terminal():
    stream = Terminal()
    with progress.report_stages(stream):
        analysis()
    assert "%" not in stream.getvalue()


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_nothing_is_shown_without_a_stream_or_with_progress_off(stream, capsys):
    with progress.report_stages(None):
        analysis(visible=False)
    analysis(visible=False)
    assert capsys.readouterr() == ("", "")


def test_the_library_shows_a_bar_on_stderr_where_it_is_asked_to(capsys):
    analysis()
    out, err = capsys.readouterr()
    assert out == ""
    assert "features: 100%" in err
    assert "of 3" not in err


def test_an_analysis_continues_when_the_reader_closes_the_stream():
    class Closed(io.StringIO):
        def write(self, _):
            raise BrokenPipeError(32, "Broken pipe")

    with progress.report_stages(Closed()) as stages:
        analysis()
    assert stages.n_started == 3


def test_a_failed_stage_keeps_its_label_until_the_next_one_starts():
    with progress.report_stages(io.StringIO()) as stages:
        with pytest.raises(ValueError, match="why"), progress.stage("features"):
            raise ValueError("why")
        assert stages.label == "1, features"
        with progress.stage("probes"):
            assert stages.label == "2, probes"
        assert stages.label == ""


def test_a_stage_inside_another_is_a_part_of_its_line():
    stream = io.StringIO()
    with progress.report_stages(stream) as stages, progress.stage("answers"), progress.stage("features"):
        assert stages.label == "1, answers, features"
    assert stream.getvalue() == "1, answers: 0.0 s\n"


def test_saved_work_is_summed_by_stage_and_the_last_two_stages_are_named():
    with progress.report_stages(None) as stages:
        assert stages.saved_work() == "nothing new yet"
        for label, counts in {"a": [(5, 5), (1, 2)], "b": [(3, 4)], "c": [(1, 9)], "d": [(0, 7)]}.items():
            with progress.stage(label):
                for count in counts:
                    progress.register_saved_work("text", lambda count=count: count)
        before = "everything of the stages before; 3 of 4 texts of stage 2, b"
        assert stages.saved_work() == f"{before}; 1 of 9 texts of stage 3, c"
        stages.labels.append("3, c")
        assert stages.saved_work() == f"{before}; 1 of 9 texts of this stage"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (3780, "1 h 3 min")],
)
def test_durations_are_formatted_for_a_reader(seconds, text):
    assert progress.format_duration(seconds) == text
