"""All candidates against the winner, the best baseline and the bag, by their replicas on the parts that are open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tuner.evaluation.candidates import Candidate, Field
from tuner.evaluation.folds import OUT_OF_FOLD
from tuner.evaluation.results import BlendGain
from tuner.evaluation.statistics.comparison import Standing, compare, find_cheapest, measure_mean
from tuner.evaluation.statistics.metrics_table import PartEvaluation
from tuner.evaluation.statistics.selection_bias import SelectionBias, estimate_noise, expect_excess
from tuner.metrics.figures_of_merit import Auc
from tuner.metrics.replicas import Replicas
from tuner.prediction.networks import SINGLE_NETWORK
from tuner.preparation.splits import Part
from tuner.tuning.search import Search

PartReplicas = dict[str, dict[str, Replicas]]
"""Replicas by part, then by candidate."""


@dataclass(frozen=True, eq=False)
class FieldComparison:
    """Holds the candidates of a field against each other."""

    search: Search
    field: Field
    replicas: PartReplicas
    """Of the field's figure, the last part that is open last."""
    winner: Candidate
    parts: Sequence[PartEvaluation]
    """Figures of candidates of one scorer, of which the winner's is the single network."""
    rival: Candidate | None
    """The best baseline."""

    @property
    def part(self) -> str:
        """The last part that is open."""
        return list(self.replicas)[-1]

    def compare(self) -> tuple[Standing, ...]:
        """Return all standings by the field's figure, part by part."""
        return self._compare(self.field, self.replicas)

    def compare_by_auc(self) -> tuple[Standing, ...]:
        """Return the standings by AUC on the last part; none where that is the declared figure."""
        if isinstance(self.field.figure, Auc):
            return ()
        by_auc = replace(self.field, figure=Auc())
        return self._compare(by_auc, {self.part: by_auc.replicate_all(self.part, self._events)})

    def find_cheapest(self, standings: Sequence[Standing]) -> str:
        """Return the cheapest finalist by parameters, then by what its trial took in the search."""
        seconds = {f"trial {trial.number}": trial.seconds for trial in self.search.trials}
        return find_cheapest(standings, {name: took for name, took in seconds.items() if took is not None})

    def compare_with_baseline(self, handed_on: Candidate) -> Standing | None:
        """Return the best baseline against what is handed on; None where the two were not judged on the last part."""
        if self.rival is None or self.part in handed_on.trained_on:
            return None
        of_part = self.replicas[self.part]
        own = of_part.get(handed_on.name)
        if own is None:  # the single network is one training of the winner
            own = self.field.replicate(handed_on, self.part, self._events)
        both = ((self.rival, of_part[self.rival.name]), (handed_on, own))
        return _compare_two(*both, part=self.part, seed=self.field.seed)

    def measure_blend(self, others: Sequence[Candidate]) -> BlendGain | None:
        """Return what the blend gains on the networks' bag, on test or else out of fold; None where there is none."""
        blend = next((candidate for candidate in others if candidate.trees is not None), None)
        if blend is None or blend.trees is None:
            return None
        gain = BlendGain(trees=blend.trees.kind, share=blend.trees.share)
        if blend.same_as:
            return gain
        part, of_part, bag = "test", self.replicas.get("test", {}), self.field["bag"]
        if not of_part:
            part = OUT_OF_FOLD
            of_part = {each.name: self.field.replicate_cut_events(each) for each in (bag, blend)}
        both = ((blend, of_part[blend.name]), (bag, of_part[bag.name]))
        return replace(gain, over_bag=_compare_two(*both, part=part, seed=self.field.seed))

    def measure_selection(self, finalists: Sequence[Candidate]) -> SelectionBias:
        """Return the selection-bias meter of the search's best trial."""
        best = self.search.best_trial
        assert best is not None
        assert best.figure is not None
        complete = [trial for trial in self.search.trials if trial.state == "complete"]
        noise = estimate_noise([self.replicas["validation"][finalist.name] for finalist in finalists])
        name, seed = f"trial {best.number}", self.search.study.seed
        measured: Mapping[str, Replicas | None] = {part: each.get(name) for part, each in self.replicas.items()}
        retrained, test = measured["validation"], measured.get("test")
        return SelectionBias(
            n_trials=len(complete),
            best=best.figure,
            noise=noise,
            expected_excess=expect_excess(noise, len(complete)),
            retrained=None if retrained is None else measure_mean(retrained, seed),
            test=None if test is None else measure_mean(test, seed),
        )

    @property
    def _events(self) -> Part:
        events: Part = getattr(self.search.splits, self.part)
        return events

    def _compare(self, field: Field, replicas: PartReplicas) -> tuple[Standing, ...]:
        """Return the standings by a field's figure, part by part."""
        names = {SINGLE_NETWORK: self.winner.name}
        return tuple(
            standing
            for part, of_part in replicas.items()
            for standing in compare(
                of_part,
                self.winner.name,
                kinds={candidate.name: candidate.kind for candidate in field.candidates},
                part=part,
                n_parameters={c.name: c.n_parameters for c in field.candidates if c.n_parameters is not None},
                measured={
                    names.get(each.candidate, each.candidate): each[field.figure.name]
                    for each in self.parts
                    if each.part == part and field.figure.name in each.measurements
                },
                best_baseline=self.rival.name if self.rival else None,
                seed=field.seed,
            )
        )


def _compare_two(
    candidate: tuple[Candidate, Replicas], against: tuple[Candidate, Replicas], *, part: str, seed: int
) -> Standing:
    """Return the standing of one candidate against another by their replicas on a part."""
    both = {each.name: replicas for each, replicas in (against, candidate)}
    kinds = {each.name: each.kind for each, _ in (against, candidate)}
    standings = compare(both, against[0].name, kinds=kinds, part=part, seed=seed)
    return next(standing for standing in standings if standing.candidate == candidate[0].name)
