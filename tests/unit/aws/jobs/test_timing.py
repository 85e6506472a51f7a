"""How long jobs wait."""

from tailrace.aws.jobs.timing import MAX_LOOKS, Timing

DAY_S = 86_400
EVENTS_OF_A_LOOK, MOST_EVENTS = 11, 25_000


def test_a_job_may_look_for_a_day_within_the_events_of_one_execution() -> None:
    """An execution that exceeds them ends without a word to the job."""
    waited = sum(map(Timing().pause_s, range(1, MAX_LOOKS + 1)))
    assert DAY_S <= waited < DAY_S + 3600
    assert MAX_LOOKS * EVENTS_OF_A_LOOK < 0.8 * MOST_EVENTS
