//! The rules one by one.

use std::time::Duration;

use tidegate_types::position::FrameNumber;

use super::world::{Link, Manner, World};
use crate::mirror::{Begun, MirrorState, Note};

const SECOND: Duration = Duration::from_secs(1);

fn following(frames: u64) -> World {
    let mut world = World::new();
    world.append(frames);
    world.run(2 * SECOND);
    world.assert_complete();
    world
}

fn begun(world: &World) -> Vec<Begun> {
    let begun = world.notes.iter().filter_map(|note| match note {
        Note::Begun { why, .. } => Some(*why),
        Note::Changed { .. } => None,
    });
    begun.collect()
}

fn states(world: &World) -> Vec<MirrorState> {
    let states = world.notes.iter().filter_map(|note| match note {
        Note::Changed { to, .. } => Some(*to),
        Note::Begun { .. } => None,
    });
    states.collect()
}

#[test]
fn a_new_mirror_takes_everything_and_follows() {
    let mut world = following(11);
    assert_eq!(begun(&world), [Begun::First]);
    assert_eq!(states(&world), [MirrorState::Following]);
    world.append(1);
    world.run(SECOND);
    world.assert_complete();
    assert_eq!(world.reconnects, 0);
}

#[test]
fn an_origin_without_frames_is_followed() {
    let mut world = World::new();
    world.run(30 * SECOND);
    world.assert_complete();
    assert_eq!(states(&world), [MirrorState::Following]);
    world.append(1);
    world.run(SECOND);
    world.assert_complete();
}

#[test]
fn a_mirror_begins_where_a_trimmed_origin_does() {
    let mut world = World::new();
    world.append(20);
    world.origin.trim(15);
    world.run(2 * SECOND);
    world.assert_complete();
    assert_eq!(world.copy[0].after.frame, FrameNumber(14));
    world.restart();
    world.append(2);
    world.run(2 * SECOND);
    world.assert_complete();
}

#[test]
fn an_idle_origin_is_not_stalled_and_the_lag_stays_small() {
    let mut world = following(3);
    for _ in 0..60 {
        world.run(SECOND);
        world.assert_complete();
        let lag = world.status().lag.unwrap();
        assert!(lag <= Duration::from_millis(1100), "{lag:?}");
    }
    assert_eq!(states(&world), [MirrorState::Following]);
}

#[test]
fn a_life_is_followed_to_its_published_end_before_the_next() {
    let mut world = following(5);
    let first = world.origin.lives[0].incarnation;
    world.link = Link::Cut;
    world.append(7);
    world.origin.begin_life();
    world.append(4);
    world.link = Link::Up;
    world.run(10 * SECOND);
    world.assert_complete();
    let lengths: Vec<_> = world.copy.iter().map(|life| life.frames.len()).collect();
    assert_eq!(lengths, [12, 4]);
    let next = Begun::NextLife {
        before: first,
        copied: FrameNumber(12),
        end: Some(FrameNumber(12)),
    };
    assert_eq!(begun(&world), [Begun::First, next]);
}

#[test]
fn a_life_the_origin_has_lost_is_sealed_where_the_copy_ends() {
    let mut world = following(5);
    let first = world.origin.lives[0].incarnation;
    world.origin.wipe();
    world.append(2);
    world.run(3 * SECOND);
    world.assert_complete();
    let lengths: Vec<_> = world.copy.iter().map(|life| life.frames.len()).collect();
    assert_eq!(lengths, [5, 2]);
    let next = Begun::NextLife {
        before: first,
        copied: FrameNumber(5),
        end: None,
    };
    assert_eq!(begun(&world), [Begun::First, next]);
}

#[test]
fn a_copy_that_knows_more_of_an_ended_life_goes_on_with_the_next() {
    let mut world = following(5);
    world.link = Link::Cut;
    world.origin.lose(2);
    world.origin.begin_life();
    world.append(3);
    world.link = Link::Up;
    world.run(5 * SECOND);
    world.assert_complete();
    assert_eq!(world.copy[0].frames.len(), 5, "what is here is kept");
    assert!(!states(&world).contains(&MirrorState::Regressed));
}

#[test]
fn an_origin_that_lost_its_tail_is_named_and_nothing_is_removed() {
    let mut world = following(9);
    world.origin.lose(3);
    world.run(2 * SECOND);
    let status = world.status();
    assert_eq!(status.state, MirrorState::Regressed);
    let reason = status.reason.unwrap();
    assert_eq!(
        reason,
        "its log ends at frame 6, and frames up to 9 of it are here"
    );
    // It goes on under the same numbers: the silent killer of mirrors that ask by number only.
    world.append(10);
    world.run(30 * SECOND);
    let status = world.status();
    assert_eq!(status.state, MirrorState::Regressed);
    assert_eq!(
        status.reason.as_deref(),
        Some("its frame 9 is another one than the copy here")
    );
    assert_eq!(world.copy[0].frames.len(), 9);
}

#[test]
fn a_fork_of_the_same_length_is_named() {
    let mut world = following(4);
    world.link = Link::Cut;
    world.run(SECOND);
    world.origin.lose(1);
    world.append(1);
    world.link = Link::Up;
    world.run(10 * SECOND);
    assert_eq!(world.state(), MirrorState::Regressed);
}

#[test]
fn an_origin_that_got_its_tail_back_is_followed_again() {
    let mut world = following(9);
    let kept = world.origin.clone();
    world.origin.lose(3);
    world.run(4 * SECOND);
    assert_eq!(world.state(), MirrorState::Regressed);
    world.origin = kept;
    world.append(2);
    world.run(8 * SECOND);
    world.assert_complete();
    assert_eq!(begun(&world), [Begun::First]);
}

#[test]
fn an_older_life_is_a_regress() {
    let mut world = following(2);
    let old = world.origin.clone();
    world.origin.begin_life();
    world.append(1);
    world.run(2 * SECOND);
    world.assert_complete();
    world.origin = old;
    world.run(2 * SECOND);
    assert_eq!(world.state(), MirrorState::Regressed);
    assert!(world.status().reason.unwrap().contains("is of life"));
}

#[test]
fn frames_trimmed_before_they_were_read_are_a_gap_that_is_told() {
    let mut world = following(5);
    world.link = Link::Cut;
    world.append(20);
    world.origin.trim(12);
    world.run(2 * SECOND);
    world.link = Link::Up;
    world.run(10 * SECOND);
    world.assert_complete();
    let gap = Begun::Gap {
        copied: FrameNumber(5),
    };
    assert_eq!(begun(&world), [Begun::First, gap]);
    assert_eq!(world.copy.len(), 1);
    assert_eq!(world.copy[0].after.frame, FrameNumber(11));
}

#[test]
fn a_frozen_origin_is_stalled_after_ten_seconds_and_asked_over_a_new_connection() {
    let mut world = following(2);
    world.link = Link::Frozen;
    world.run(9 * SECOND);
    assert_eq!(world.state(), MirrorState::Following);
    assert!(world.reconnects > 0, "a new connection comes first");
    world.run(2 * SECOND);
    assert_eq!(world.state(), MirrorState::Stalled);
    assert!(world.status().lag.unwrap() > 10 * SECOND);
    world.link = Link::Up;
    world.run(15 * SECOND);
    world.assert_complete();
}

#[test]
fn a_cut_link_is_unreachable_and_heals() {
    let mut world = following(2);
    world.link = Link::Cut;
    world.run(2 * SECOND);
    assert_eq!(
        world.state(),
        MirrorState::Following,
        "a hiccup is no event"
    );
    world.run(3 * SECOND);
    assert_eq!(world.state(), MirrorState::Unreachable);
    world.append(3);
    world.run(60 * SECOND);
    assert_eq!(world.state(), MirrorState::Unreachable);
    world.link = Link::Up;
    world.run(7 * SECOND);
    world.assert_complete();
    let expected = [
        MirrorState::Following,
        MirrorState::Unreachable,
        MirrorState::Following,
    ];
    assert_eq!(states(&world), expected);
}

#[test]
fn a_refusal_is_named_at_once() {
    let mut world = following(2);
    world.link = Link::Refused;
    world.run(2 * SECOND);
    assert_eq!(world.state(), MirrorState::Refused);
}

#[test]
fn a_full_disk_is_named_and_overcome() {
    let mut world = following(2);
    world.disk_full = true;
    world.append(2);
    world.run(2 * SECOND);
    assert_eq!(world.state(), MirrorState::Blocked);
    assert_eq!(
        world.status().reason.as_deref(),
        Some("the disk here is full")
    );
    assert_eq!(world.reconnects, 0, "the origin is not to blame");
    world.disk_full = false;
    world.run(7 * SECOND);
    world.assert_complete();
}

#[test]
fn a_liar_is_not_believed() {
    for manner in [Manner::Skips, Manner::Overreaches, Manner::Babbles] {
        let mut world = following(2);
        world.manner = manner;
        world.append(6);
        world.run(15 * SECOND);
        assert_eq!(world.state(), MirrorState::Stalled, "{manner:?}");
        let reason = world.status().reason.unwrap();
        assert!(reason.starts_with("its answer cannot be right"), "{reason}");
        world.manner = Manner::Honest;
        world.run(10 * SECOND);
        world.assert_complete();
    }
}

#[test]
fn who_withholds_is_stalled() {
    let mut world = following(2);
    world.manner = Manner::Withholds;
    world.append(6);
    world.run(12 * SECOND);
    assert_eq!(world.state(), MirrorState::Stalled);
    assert_eq!(world.status().behind_frames, 6);
}

#[test]
fn a_copy_that_differs_from_an_ended_life_goes_on_with_the_next() {
    let mut world = following(5);
    world.link = Link::Cut;
    world.origin.lose(2);
    world.append(6);
    world.origin.begin_life();
    world.append(1);
    world.link = Link::Up;
    world.run(5 * SECOND);
    world.assert_complete();
    assert_eq!(world.copy[0].frames.len(), 5, "what is here is kept");
}
