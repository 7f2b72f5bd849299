# SPDX-License-Identifier: MIT
"""The table of what faults have come to."""

COLUMNS = ("injected", "reached", "same result", "refused", "wrong", "signal", "hang")


def _counts(rows):
    reached = [row for row in rows if row["reached"]]
    count = lambda *outcomes: sum(row["outcome"] in outcomes for row in reached)
    return [len(rows), len(reached), count("same"), count("refused"), count("wrong"), count("signal"), count("hang")]


def of(rows):
    """Markdown: a line for each kind, command and number of ranks, and one for each kind as a whole. A case that was not
    reached counts only as injected."""
    lines = ["| kind | command or file | ranks | " + " | ".join(COLUMNS) + " |", "| --- | --- | --- |" + " ---: |" * len(COLUMNS)]
    for kind in sorted({row["kind"] for row in rows}):
        of_kind = [row for row in rows if row["kind"] == kind]
        for command, ranks in sorted({(row["command"], row["ranks"]) for row in of_kind}):
            those = [row for row in of_kind if (row["command"], row["ranks"]) == (command, ranks)]
            lines.append(f"| {kind} | {command} | {ranks} | " + " | ".join(map(str, _counts(those))) + " |")
        lines.append(f"| **{kind}** | all | | " + " | ".join(f"**{n}**" for n in _counts(of_kind)) + " |")
    return "\n".join(lines)
