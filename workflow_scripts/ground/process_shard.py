"""The work of a shard stage: computes the videos that its record file lacks, then yields the results of all videos.

A kill loses the videos in progress, at most two per thread. Each finished video is already in the record file.
"""

import errno
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from tqdm import tqdm

from idt_tools.reading import ReadingFailed
from workflow_scripts.ground.record_file import SYNC_SECONDS, RecordFile, Result
from workflow_scripts.ground.stage import StageError

log = logging.getLogger(__name__)

_MAX_NAMED_VIDEOS = 10  # videos named on the terminal; the log names all


class UnreadVideos(StageError):
    """Some videos of a shard could not be read for an external reason, such as an unreachable file server.

    The results of the other videos are in the record file.

    Args:
        stage: the name of the stage.
        reasons: the file and the reason by video id.
        n_videos: how many videos the shard has.
        indexed: whether an index lists the videos; it must be made again if files were removed.
    """

    def __init__(self, stage: str, reasons: dict[str, str], n_videos: int, *, indexed: bool = True) -> None:
        distinct = list(dict.fromkeys(reasons.values()))
        first = "; ".join(distinct[:_MAX_NAMED_VIDEOS])
        more = "; the log names all" if len(distinct) > _MAX_NAMED_VIDEOS else ""
        is_gone = indexed and any(reason.endswith("there is no such file") for reason in distinct)
        index_again = "; if you removed files, add --forcerun videos to the command once" if is_gone else ""
        super().__init__(
            f"{stage}: {len(reasons)} of {n_videos} videos could not be read just now ({first}{more}); run the same "
            f"command again: it tries these videos again and keeps the others{index_again}"
        )
        self.reasons = reasons


def process_shard(
    store: Path,
    keys: dict[str, str],
    compute: Callable[[str], Result],
    *,
    stage: str,
    threads: int = 1,
    max_failed_fraction: float = 1.0,
    unread: Mapping[str, ReadingFailed] | None = None,
) -> Iterator[tuple[str, Result]]:
    """Computes the results that the record file lacks, then yields (video_id, Result) of every video, sorted by id.

    Each result is appended to the record file at once, even that of a broken video, which is therefore tried once. A
    video that cannot be read for a reason outside it (ReadingFailed, MemoryError) gets no record; the next run retries.

    Args:
        store: the record file.
        keys: the key of the work by video id, `digest(version, settings, size and time of the video, keys of inputs)`.
        compute: returns the Result of a video id; the status is not `ok` if the video itself is broken. Any exception
            but the two above is a bug of the stage and stops it.
        stage: the name of the stage, for the log.
        threads: how many videos are computed at once; decoding, OpenCV and the tracker release the GIL.
        max_failed_fraction: the largest fraction of videos that may fail.
        unread: videos that could not be read when their keys were made (`work_keys.keys_by_video`).

    Raises:
        UnreadVideos: if videos could not be read, after all others were computed.
        StageError: if too many videos failed, if another process has the record file, or if that cannot be written.
    """
    video_ids = sorted(keys)
    reasons = {video_id: str(error) for video_id, error in (unread or {}).items()}
    for video_id, reason in reasons.items():
        log.warning("%s: %s: %s", stage, video_id, reason)
    with RecordFile(store) as records:

        def computed(missing: list[str]) -> Iterator[tuple[str, Result]]:
            for video_id, outcome in _compute_in_threads(missing, compute, threads, records.sync):
                if isinstance(outcome, ReadingFailed):
                    reasons[video_id] = str(outcome)
                    log.warning("%s: %s: %s", stage, video_id, reasons[video_id])
                else:
                    records.append(video_id, keys[video_id], outcome)
                    counts["n_done"] += 1
                    log.debug("%s: computed %s", stage, video_id, extra={"outcome": counts})
                    yield video_id, outcome

        missing = [video_id for video_id in video_ids if not records.has(video_id, keys[video_id])]
        counts = {"n_videos": len(video_ids) + len(reasons), "n_done": len(video_ids) - len(missing)}
        log.info("%s: %d videos, %d of them already done", stage, *counts.values(), extra={"outcome": counts})
        for _ in tqdm(computed(missing), stage, len(missing), unit="video", disable=not missing):
            pass
        if reasons:
            raise UnreadVideos(stage, reasons, counts["n_videos"])
        report_failures({video_id: records.outcome(video_id) for video_id in video_ids}, stage, max_failed_fraction)
        for video_id in video_ids:
            result = records.read(video_id) or dict(computed([video_id])).get(video_id)
            if result is None:
                raise UnreadVideos(stage, reasons, counts["n_videos"])
            yield video_id, result
        records.compact(video_ids)


def _compute_in_threads(
    video_ids: list[str], compute: Callable[[str], Result], threads: int, while_waiting: Callable[[], None]
) -> Iterator[tuple[str, Result | ReadingFailed]]:
    """Yields results in the order in which they are ready; a ReadingFailed if the video could not be read.

    At most two videos per thread are submitted at a time, so memory stays bounded.
    """

    def attempt(video_id: str) -> Result | ReadingFailed:
        try:
            return compute(video_id)
        except ReadingFailed as error:
            return error
        except MemoryError:
            return ReadingFailed(video_id, os.strerror(errno.ENOMEM))

    pool = ThreadPoolExecutor(threads)
    running: dict[Future[Result | ReadingFailed], str] = {}
    queue = iter(video_ids)
    try:
        while True:
            for video_id in queue:
                running[pool.submit(attempt, video_id)] = video_id
                if len(running) >= 2 * threads:
                    break
            if not running:
                return
            done, _ = wait(running, SYNC_SECONDS, FIRST_COMPLETED)
            if not done:
                while_waiting()
            # Results before exceptions, so that an exception loses no finished video.
            for future in sorted(done, key=lambda future: future.exception() is not None):
                yield running.pop(future), future.result()
    finally:  # without waiting for the running videos, so that Ctrl-C ends the stage at once
        pool.shutdown(wait=False, cancel_futures=True)


def report_failures(outcomes: dict[str, tuple[str, str]], stage: str, max_failed_fraction: float = 1.0) -> None:
    """Logs the failed videos of `outcomes` (status, reason). Raises StageError if too many failed."""
    failed = {video_id: outcome for video_id, outcome in outcomes.items() if outcome[0] != "ok"}
    n_failed = len(failed)
    for number, (video_id, (status, reason)) in enumerate(failed.items()):
        level = logging.WARNING if number < _MAX_NAMED_VIDEOS else logging.DEBUG
        log.log(level, "%s: %s is %s: %s", stage, video_id, status, reason)
    if n_failed > _MAX_NAMED_VIDEOS:
        log.warning("%s: ... and %d more, which the log names", stage, n_failed - _MAX_NAMED_VIDEOS)
    log.info(
        "%s: n_in %d, n_ok %d, n_failed %d",
        *(stage, len(outcomes), len(outcomes) - n_failed, n_failed),
        extra={"outcome": {"failed": tuple((video_id, *outcome) for video_id, outcome in failed.items())}},
    )
    if outcomes and n_failed / len(outcomes) > max_failed_fraction:
        raise StageError(
            f"{stage}: {n_failed} of {len(outcomes)} videos failed, more than max_failed_fraction = "
            f"{max_failed_fraction} allows ({', '.join(list(failed)[:5])}{' ...' if len(failed) > 5 else ''}; the log "
            "names all); repair or remove these videos, or raise max_failed_fraction"
        )
