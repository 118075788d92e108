//! The world holds, replays, notices defects, and fails when it did too little.

use std::time::Duration;

use tidegate_sim::report::Rule;
use tidegate_sim::scenario::{Sabotage, Scenario};
use tidegate_sim::seeds::Seeds;
use tidegate_sim::world::run;

/// Seeds in which a sabotage must be noticed. The rarest shows in one of about fifty.
const SABOTAGED_SEEDS: u64 = 400;

/// Enough that every named situation is reached.
const SEEDS: u64 = 120;

#[test]
fn every_invariant_holds_and_every_situation_is_reached() {
    let seeds = Seeds {
        scenario: Scenario::receive(),
        first: 0,
        count: SEEDS,
    };
    let verdict = seeds.run(|_| {});
    assert!(verdict.is_good(), "{verdict}");
}

#[test]
fn a_seed_replays() {
    for seed in 1_000_000..1_000_003 {
        let (first, again) = (
            run(&Scenario::receive(), seed),
            run(&Scenario::receive(), seed),
        );
        assert_eq!(
            (first.digest, &first.report),
            (again.digest, &again.report),
            "seed {seed}"
        );
        let other = run(&Scenario::receive(), seed + 100);
        assert_ne!(first.digest, other.digest);
    }
}

#[test]
fn a_violation_comes_with_the_steps_before_it_and_replays() {
    let scenario = Scenario::receive().sabotaged(Sabotage::WindowForgotten);
    let broken = |seed: &u64| !run(&scenario, *seed).violations.is_empty();
    let seed = (0..SABOTAGED_SEEDS).find(broken).unwrap();
    let (first, again) = (run(&scenario, seed), run(&scenario, seed));
    assert_eq!(
        (&first.violations, &first.trace),
        (&again.violations, &again.trace)
    );
    let shown = first.to_string();
    assert!(
        shown.starts_with(&format!("seed {seed}\n")) && shown.contains("broken: an identity"),
        "{shown}"
    );
    assert!(!first.trace.is_empty());
}

#[test]
fn a_run_that_does_too_little_fails() {
    let short = Scenario {
        duration: Duration::from_secs(1),
        ..Scenario::receive()
    };
    let verdict = Seeds {
        scenario: short,
        first: 0,
        count: 2,
    }
    .run(|_| {});
    assert_eq!(verdict.violating, 0, "{verdict}");
    assert!(!verdict.is_good());
    let shortfalls = verdict.shortfalls().join("\n");
    for part in [
        "seed 0 played",
        "acknowledged",
        "struck 0 times",
        "was never reached",
    ] {
        assert!(shortfalls.contains(part), "{part}: {shortfalls}");
    }
    assert!(
        !Seeds {
            scenario: Scenario::receive(),
            first: 0,
            count: 0
        }
        .run(|_| {})
        .is_good()
    );
}

/// Plays seeds until the sabotage shows, which must be in one of these ways.
#[track_caller]
fn noticed(sabotage: Sabotage, ways: &[Rule]) {
    let scenario = Scenario::receive().sabotaged(sabotage);
    let mut outcomes = (0..SABOTAGED_SEEDS).map(|seed| run(&scenario, seed));
    let caught = outcomes.find(|outcome| !outcome.violations.is_empty());
    let rule = caught
        .as_ref()
        .and_then(|outcome| outcome.violations.first())
        .map(|violation| violation.rule);
    assert!(
        rule.is_some_and(|rule| ways.contains(&rule)),
        "{}: {rule:?}\n{}",
        sabotage.name(),
        caught
            .map(|outcome| outcome.to_string())
            .unwrap_or_default()
    );
}

#[test]
fn acknowledging_before_the_sync_is_noticed() {
    let ways = [Rule::Durable, Rule::Opens, Rule::Views];
    noticed(Sabotage::AcknowledgeBeforeSync, &ways);
}

#[test]
fn skipping_the_sync_is_noticed() {
    noticed(
        Sabotage::SkipSync,
        &[Rule::Durable, Rule::Opens, Rule::Views],
    );
}

#[test]
fn a_forgotten_window_is_noticed() {
    noticed(Sabotage::WindowForgotten, &[Rule::Once]);
}

#[test]
fn a_position_without_its_changes_is_noticed() {
    noticed(Sabotage::PositionApart, &[Rule::Views]);
}

#[test]
fn a_trim_of_what_is_unread_is_noticed() {
    noticed(Sabotage::TrimIgnoresLowWater, &[Rule::Trim]);
}

#[test]
fn a_broken_series_that_is_believed_is_noticed() {
    noticed(Sabotage::BrokenSeriesBelieved, &[Rule::Acknowledged]);
}

#[test]
fn a_torn_tail_that_is_believed_is_noticed() {
    noticed(Sabotage::TornTailBelieved, &[Rule::Genuine, Rule::Views]);
}

#[test]
fn an_answer_before_the_first_copy_is_on_disk_is_noticed() {
    noticed(Sabotage::RepeatNotWaiting, &[Rule::Acknowledged]);
}

#[test]
fn ignored_content_is_noticed() {
    noticed(Sabotage::ContentIgnored, &[Rule::Reused, Rule::Views]);
}

#[test]
fn faults_left_behind_are_noticed() {
    noticed(Sabotage::FaultsLeftBehind, &[Rule::Trim]);
}

#[test]
fn a_cursor_before_its_events_is_noticed() {
    noticed(Sabotage::PollCursorFirst, &[Rule::Poll]);
}

#[test]
fn an_unreadable_page_that_is_passed_over_is_noticed() {
    noticed(
        Sabotage::PollPassesUnreadable,
        &[Rule::Poll, Rule::Liveness],
    );
}

#[test]
fn a_cursor_that_a_trim_leaves_behind_is_noticed() {
    noticed(Sabotage::PollCursorLeftBehind, &[Rule::Poll, Rule::Views]);
}

#[test]
fn every_sabotage_has_its_own_name() {
    for (at, sabotage) in Sabotage::ALL.iter().enumerate() {
        let others = Sabotage::ALL.iter().skip(at + 1);
        assert!(
            others
                .into_iter()
                .all(|other| other.name() != sabotage.name())
        );
    }
}

#[test]
fn a_cursor_past_its_page_is_noticed() {
    noticed(Sabotage::FeedCursorPastPage, &[Rule::Feed]);
}

#[test]
fn an_empty_page_without_a_cursor_is_noticed() {
    noticed(Sabotage::FeedEmptyNoCursor, &[Rule::Feed]);
}

#[test]
fn a_change_of_a_feed_that_its_cursor_does_not_tell_is_noticed() {
    noticed(Sabotage::FeedFilterUnnoticed, &[Rule::Feed]);
}

#[test]
fn a_loss_that_is_not_told_is_noticed() {
    noticed(Sabotage::FeedGoneUntold, &[Rule::Feed]);
}

#[test]
fn a_receipt_that_is_believed_before_its_sync_is_noticed() {
    noticed(
        Sabotage::DeliverReceiptUnsynced,
        &[Rule::KeyOrder, Rule::Repeats, Rule::Delivered],
    );
}

#[test]
fn a_successor_that_leaves_early_is_noticed() {
    noticed(Sabotage::DeliverKeyIgnored, &[Rule::KeyOrder]);
}

#[test]
fn an_outage_that_is_counted_against_an_event_is_noticed() {
    noticed(Sabotage::DeliverOutageCounted, &[Rule::Attempts]);
}

#[test]
fn a_retry_that_is_forgotten_at_a_restart_is_noticed() {
    noticed(
        Sabotage::DeliverRetryForgotten,
        &[Rule::Attempts, Rule::Liveness],
    );
}

#[test]
fn a_receipt_that_is_forgotten_at_a_restart_is_noticed() {
    noticed(Sabotage::DeliverDoneForgotten, &[Rule::Repeats]);
}

#[test]
fn a_low_that_is_moved_past_what_is_open_is_noticed() {
    noticed(Sabotage::DeliverLowPast, &[Rule::Delivered]);
}

#[test]
fn a_resubmission_that_overtakes_without_permission_is_noticed() {
    noticed(Sabotage::DeliverSupersededUnchecked, &[Rule::KeyOrder]);
}

#[test]
fn a_fault_that_is_not_written_is_noticed() {
    noticed(Sabotage::DeliverFaultUnwritten, &[Rule::Delivered]);
}

#[test]
fn a_trim_of_what_a_flow_needs_is_noticed() {
    noticed(Sabotage::DeliverTrimIgnores, &[Rule::Trim]);
}

#[test]
fn a_log_that_stays_full_is_noticed() {
    noticed(Sabotage::TrimNever, &[Rule::Liveness]);
}

#[test]
fn what_is_parked_without_a_sync_is_noticed() {
    noticed(
        Sabotage::ParkUnsynced,
        &[Rule::Parked, Rule::Opens, Rule::Views],
    );
}

#[test]
fn a_park_that_is_not_read_is_noticed() {
    noticed(Sabotage::ParkUnread, &[Rule::Delivered, Rule::KeyOrder]);
}

#[test]
fn held_keys_that_are_not_parked_are_noticed() {
    noticed(Sabotage::ParkForgetsHeld, &[Rule::Trim]);
}

#[test]
fn what_is_given_up_without_a_word_is_noticed() {
    noticed(Sabotage::ParkDiscardUntold, &[Rule::Trim]);
}

#[test]
fn a_park_that_lets_go_early_is_noticed() {
    noticed(
        Sabotage::ParkLetsGoEarly,
        &[Rule::Trim, Rule::Parked, Rule::Delivered, Rule::KeyOrder],
    );
}

#[test]
fn views_that_are_rebuilt_without_the_marks_are_noticed() {
    noticed(Sabotage::ParkMarkUnread, &[Rule::Views]);
}
