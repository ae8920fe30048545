"""The report: one web page that shows a corpus regrouping itself from question to question."""

from answerspace.report.page import write_report

__all__ = ["write_report"]
