"""Reports of exercises: pages that stand alone, of one run or of the shown run of every exercise."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.charts.page import Fact, Passage, Section, Table, page
from app.db.tables import ExerciseRun
from app.exercises.answers.finding import Answer
from app.exercises.exercise import SOURCE
from app.exercises.registry import EXERCISES, exercise
from app.queries.provenance import sweep_provenance
from app.sweeps.exercises import results, runs


def report(session: Session, run: ExerciseRun, *, names_hosts: bool = True) -> str:
    """The question, the answer and the charts of a run."""
    section = _section(session, run, names_hosts=names_hosts)
    return page(section.title, [section])


def report_of_all(session: Session) -> str:
    """The same of every exercise, each with the run that its page shows; those that were not run yet say so."""
    sections = []
    for number, definition in EXERCISES.items():
        run = runs.shown_run(session, number)
        title = f"{number}. {definition.title}"
        not_run = [Passage("", ["This exercise has not been run yet."])]
        sections.append(
            _section(session, run)._replace(title=title) if run else Section(title, definition.question, not_run)
        )
    return page(f"The exercises of {SOURCE}", sections)


def provenance(session: Session, run: ExerciseRun, *, names_hosts: bool = True) -> list[Fact]:
    """How the answer was measured: preset, then what all sweeps share, such as machine and versions, then each."""
    definition = exercise(run.exercise)
    subset = f", {definition.subset}" if run.preset == "quick" else ""
    preset = Fact("Preset", f"{run.preset}{subset} (run number {run.id} of this service)")
    sweeps = runs.sweeps_of(session, run)
    facts_by_sweep = [sweep_provenance(session, sweep, names_hosts=names_hosts) for sweep in sweeps]
    shared_facts = [fact for fact in facts_by_sweep[0] if all(fact in facts for facts in facts_by_sweep)]
    own_facts = [[fact for fact in facts if fact not in shared_facts] for facts in facts_by_sweep]
    if len(own_facts) > 1:  # a line each: twelve sweeps would fill two sheets
        own_facts = [[_one_line(facts)] for facts in own_facts]
    return [preset, *shared_facts, *(fact for facts in own_facts for fact in facts)]


def _one_line(facts: Sequence[Fact]) -> Fact:
    """What several facts of one sweep say, under the name of the first."""
    name, text = facts[0]
    return Fact(name, "; ".join([text, *(f"{fact.name.lower()} {fact.text}" for fact in facts[1:])]))


def passages(answer: Answer) -> list[Passage]:
    """The answer's words under their headings, without those that are empty."""
    all_passages = [
        Passage("", [text for text in (answer.progress, answer.sentence) if text]),
        Passage("What was found", [finding.text for finding in answer.findings]),
        Passage("How sure is this?", [answer.certainty] if answer.certainty else []),
        Passage("What was not tested, and what could go wrong", answer.caveats),
    ]
    return [passage for passage in all_passages if passage.paragraphs]


def _section(session: Session, run: ExerciseRun, *, names_hosts: bool = True) -> Section:
    definition = exercise(run.exercise)
    answer = results.view(session, run).answer
    return Section(
        title=f"Exercise {definition.number}: {definition.title}",
        description=f"{definition.question} ({definition.source})",
        passages=passages(answer),
        figures=results.figures(session, run) if answer.findings else [],
        table=Table(answer.header, answer.rows) if answer.rows else None,
        provenance=provenance(session, run, names_hosts=names_hosts),
    )
