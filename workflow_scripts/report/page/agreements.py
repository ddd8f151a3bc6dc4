"""The agreement of clusters with the motion of the videos (their class) and with their place (paper 4.5)."""

from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score

from workflow_scripts.report.methods import IDT_KIND, Method
from workflow_scripts.report.page.inputs import Clustering
from workflow_scripts.report.page.spread import Spread, spreads

SCORES = {"NMI": normalized_mutual_info_score, "AMI": adjusted_mutual_info_score}
_LABELS = {"motion": "label", "place": "place"}  # columns of `read_videos`


class Words(NamedTuple):
    """The page's words for the labels and for the places of the clustered videos."""

    motion: str  # motion if scenes are known, else class
    place: str  # scene or recording


@dataclass(frozen=True)
class Agreement:
    """Mutual information of clusters and labels, normalized (NMI) and adjusted for chance (AMI).

    `motion` and `place` hold (NMI, AMI), or None if fewer than two different labels are known.
    """

    name: str
    title: str
    n_videos: int
    n_clusters: int
    motion: tuple[Spread, ...] | None
    place: tuple[Spread, ...] | None

    @property
    def closer_to(self) -> str:
        """`motion` or `place`, whichever has the higher AMI; empty if one is unknown or they differ by under 0.05."""
        if self.motion is None or self.place is None:
            return ""
        difference = self.motion[1].mean - self.place[1].mean
        return "" if abs(difference) < 0.05 else "motion" if difference > 0 else "place"


def words_for(clusterings: list[Clustering], videos: pd.DataFrame) -> Words:
    """The words that fit the clustered videos."""
    clustered = {video_id for clustering in clusterings for video_id in clustering.video_ids}
    scenes = videos.loc[videos["video_id"].isin(clustered), "scene"]
    return Words("motion", "scene") if scenes.any() else Words("class", "recording")


def agreements(clusterings: list[Clustering], videos: pd.DataFrame, methods: list[Method]) -> list[Agreement]:
    """The agreement of each method, over all its seeds, and of each clustering of IDT.

    Args:
        clusterings: Clusterings of runs and of IDT.
        videos: The table of `read_videos`.
        methods: The methods to include.

    Returns:
        The rows: networks without the prior, the prior, networks with it, then supervised networks.
    """
    groups = _by_method(clusterings, methods)
    places = {method.run: place for place, method in enumerate(methods)}
    rows = []
    for method in sorted(groups, key=lambda method: (method.place_among_clusterings, places.get(method.run, 0))):
        group = groups[method]
        scores = spreads(_scores(group, videos), ["label", "score"], "value")
        of_label = {
            label: tuple(scores[label, score] for score in SCORES if (label, score) in scores) for label in _LABELS
        }
        rows.append(
            Agreement(
                name=method.run,
                title="IDT" if method.kind == IDT_KIND else method.title,
                n_videos=max(len(clustering.video_ids) for clustering in group),
                n_clusters=max(len(np.unique(row)) for clustering in group for row in clustering.labels),
                motion=of_label["motion"] or None,
                place=of_label["place"] or None,
            )
        )
    return rows


def _by_method(clusterings: list[Clustering], methods: list[Method]) -> dict[Method, list[Clustering]]:
    """The clusterings of each method. Seeds of a run are repeats; two clusterings of IDT are not."""
    method_of = {method.run: method for method in methods}
    several = len({clustering.variant for clustering in clusterings if not clustering.run}) > 1
    groups: dict[Method, list[Clustering]] = defaultdict(list)
    for clustering in clusterings:
        if not clustering.run:
            name = f"{clustering.descriptors} {clustering.variant}" if several else clustering.descriptors
            groups[Method(name, *IDT_KIND)].append(clustering)
        elif clustering.run in method_of:
            groups[method_of[clustering.run]].append(clustering)
    return groups


def _scores(clusterings: list[Clustering], videos: pd.DataFrame) -> pd.DataFrame:
    """A row per clustering, kind of label and score; videos without a label are left out."""
    rows = []
    by_id = videos.drop_duplicates("video_id", keep="last").set_index("video_id")
    for clustering in clusterings:
        for label, column in _LABELS.items():
            truth = by_id[column].reindex(clustering.video_ids).fillna("").to_numpy()
            known = truth != ""
            if len(set(truth[known])) < 2:
                continue
            for clusters in clustering.labels:
                for score, function in SCORES.items():
                    value = float(function(truth[known], clusters[known]))
                    rows.append({"label": label, "score": score, "seed": clustering.variant, "value": value})
    return pd.DataFrame(rows, columns=["label", "score", "seed", "value"])
