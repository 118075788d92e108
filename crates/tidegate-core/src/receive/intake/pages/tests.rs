use std::cell::RefCell;
use std::collections::HashMap;

use bytes::Bytes;
use proptest::prelude::*;
use tidegate_types::event::Event;
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Incarnation, Place};

use super::super::IntakeLimits;
use super::*;
use crate::log::entry::{EventEntry, Polled, encode_event};
use crate::receive::batch::ToAppend;
use crate::receive::fingerprint;
use crate::receive::ledger::{Known, LedgerError};
use crate::receive::page::{PageKept, PageOutcome};
use crate::view::Change;

const NOW: UnixMillis = UnixMillis(1_000);
const LIFE: Incarnation = Incarnation(7);

#[derive(Default)]
struct Applied(RefCell<HashMap<EventId, Known>>);

impl Ledger for Applied {
    fn known(&self, id: &EventId) -> Result<Option<Known>, LedgerError> {
        Ok(self.0.borrow().get(id).copied())
    }
}

fn event(n: u16, content: u8, size: usize) -> Content {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&n.to_le_bytes());
    let id = EventId::from_bytes(id);
    let data = Bytes::from(vec![content; size]);
    let fingerprint = fingerprint::of_event("test", "", &data);
    let event = Event {
        id,
        flow: "flow".to_owned(),
        external_id: n.to_string(),
        kind: "test".to_owned(),
        time: NOW,
        received: NOW,
        key: String::new(),
        content_type: String::new(),
        data,
        attributes: Vec::new(),
        raw: None,
    };
    Content::Event {
        id,
        fingerprint,
        horizon: FrameNumber(0),
        entry: encode_event(&EventEntry { event, fingerprint }),
    }
}

fn page(number: u64, items: Vec<Content>) -> Page {
    let polled = Polled {
        flow: "flow".to_owned(),
        number,
        time: NOW,
        cursor: Bytes::from_static(b"next"),
        etag: String::new(),
        items: u32::try_from(items.len()).unwrap(),
        faults: 0,
        filtered: 0,
        carried: false,
    };
    Page::new(items, polled, false)
}

fn intake() -> Intake<u32> {
    let limits = IntakeLimits::default();
    Intake::new(
        limits,
        (LIFE, FrameNumber(0)),
        std::collections::BTreeMap::new(),
    )
}

fn offer(intake: &mut Intake<u32>, ticket: u32, content: Content) {
    assert!(intake.offer(Offer { ticket, content }).is_ok());
}

/// What a frame holds: the numbers of its events, and `!` for a cursor.
fn shown(changes: &[Change]) -> String {
    let shown = changes.iter().filter_map(|change| match change {
        Change::Identity { id, .. } => {
            Some(u16::from_le_bytes([id.as_bytes()[0], id.as_bytes()[1]]).to_string())
        }
        Change::Polled { .. } => Some("!".to_owned()),
        _ => None,
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// Appends all there is; fails the frames `failing` says. Gives frames and answers.
fn run(intake: &mut Intake<u32>, failing: &[usize]) -> (Vec<String>, Vec<(u32, Answer)>) {
    let (ledger, mut frames, mut answers) = (Applied::default(), Vec::new(), Vec::new());
    for turn in 0.. {
        let Some(mut batch) = intake.next_batch(NOW, &ledger, &mut answers) else {
            return (frames, answers);
        };
        let large = matches!(batch.work(), ToAppend::Large(_));
        if failing.contains(&turn) {
            frames.push("failed".to_owned());
            answers.extend(intake.failed(batch, Refusal::WriteFailed));
        } else {
            let number = intake.end.1.next();
            let (told, changes) = intake.synced(batch, number);
            let large = if large { "large " } else { "" };
            frames.push(format!("{large}{}", shown(&changes)));
            answers.extend(told);
        }
    }
    unreachable!("the loop returns");
}

fn kept(kept: u32, repeats: u32, set_aside: u32, frame: u64, index: u32) -> Answer {
    let outcome = PageOutcome {
        kept,
        repeats,
        set_aside,
    };
    let frame = FrameNumber(frame);
    let place = Some(Place {
        incarnation: LIFE,
        frame,
        index,
    });
    Answer::Page(PageKept { outcome, place })
}

#[test]
fn a_page_and_its_cursor_are_one_frame() {
    let mut intake = intake();
    offer(&mut intake, 0, event(9, 0, 1));
    let items = vec![
        event(1, 0, 1),
        event(9, 0, 1),
        event(2, 0, 1),
        event(1, 0, 1),
    ];
    offer(&mut intake, 1, Content::Page(Box::new(page(1, items))));
    offer(&mut intake, 2, event(1, 0, 1));
    let (frames, answers) = run(&mut intake, &[]);
    assert_eq!(frames, ["9 1 2 !"]);
    assert_eq!(answers[1], (1, kept(2, 2, 0, 1, 3)));
    assert!(matches!(answers[2], (2, Answer::Repeat { .. })));
}

#[test]
fn one_that_does_not_fit_begins_a_frame() {
    let mut intake = intake();
    offer(&mut intake, 0, event(9, 0, 400_000));
    let items = vec![event(1, 0, 100_000), event(2, 0, 100_000)];
    offer(&mut intake, 1, Content::Page(Box::new(page(1, items))));
    assert_eq!(run(&mut intake, &[]).0, ["9", "1 2 !"]);
}

#[test]
fn a_large_page_is_consecutive_frames_with_the_cursor_in_the_last() {
    let mut intake = intake();
    let mut items: Vec<_> = (1..=4).map(|n| event(n, 0, 200_000)).collect();
    items.push(event(5, 0, 900_000));
    offer(&mut intake, 1, Content::Page(Box::new(page(1, items))));
    offer(&mut intake, 2, event(9, 0, 1));
    let (frames, answers) = run(&mut intake, &[]);
    assert_eq!(frames, ["1 2", "3 4", "large 5", "! 9"]);
    assert_eq!(answers[0], (1, kept(5, 0, 0, 4, 0)));
    assert_eq!(intake.queued_bytes, 0);
}

#[test]
fn a_frame_that_fails_takes_the_whole_page_with_it() {
    for failing in 0..3 {
        let mut intake = intake();
        let items: Vec<_> = (1..=6).map(|n| event(n, 0, 200_000)).collect();
        offer(&mut intake, 1, Content::Page(Box::new(page(1, items))));
        let (frames, answers) = run(&mut intake, &[failing]);
        assert!(
            !frames.iter().any(|frame| frame.contains('!')),
            "{frames:?}"
        );
        assert_eq!(answers, [(1, Answer::Refused(Refusal::WriteFailed))]);
        assert_eq!((intake.queued_bytes, intake.is_idle()), (0, true));
        // The same page again: what is there already is a repeat.
        let items: Vec<_> = (1..=6).map(|n| event(n, 0, 200_000)).collect();
        offer(&mut intake, 2, Content::Page(Box::new(page(1, items))));
        let kept_before = u32::try_from(failing).unwrap() * 2;
        let (_, answers) = run(&mut intake, &[]);
        let Answer::Page(page) = &answers[0].1 else {
            panic!("{answers:?}");
        };
        assert_eq!(
            (page.outcome.repeats, page.outcome.kept),
            (kept_before, 6 - kept_before)
        );
    }
}

#[test]
fn what_follows_a_copy_that_fails_fails_with_it() {
    let mut intake = intake();
    offer(&mut intake, 0, event(1, 0, 300_000));
    // Its first item follows the copy before it; the rest has no room in that frame.
    let first = vec![event(1, 0, 300_000)];
    let mut small = page(1, first);
    small.items.push_back(event(2, 0, 100_000));
    offer(&mut intake, 1, Content::Page(Box::new(small)));
    let (frames, answers) = run(&mut intake, &[0]);
    assert_eq!(frames.first().map(String::as_str), Some("failed"));
    for frame in &frames {
        assert!(!frame.contains('!') || frame.contains('1'), "{frames:?}");
    }
    assert_eq!(answers.len(), 2);
}

#[test]
fn a_page_behind_the_newest_is_refused() {
    let mut intake = intake();
    offer(&mut intake, 1, Content::Page(Box::new(page(5, Vec::new()))));
    offer(&mut intake, 2, Content::Page(Box::new(page(6, Vec::new()))));
    run(&mut intake, &[]);
    offer(
        &mut intake,
        3,
        Content::Page(Box::new(page(6, vec![event(1, 0, 1)]))),
    );
    let (frames, answers) = run(&mut intake, &[]);
    assert_eq!(frames, [""; 0]);
    assert_eq!(answers, [(3, Answer::Refused(Refusal::UnknownCursor))]);
}

#[test]
fn a_page_that_says_nothing_new_is_not_written() {
    let mut intake = intake();
    offer(
        &mut intake,
        1,
        Content::Page(Box::new(page(1, vec![event(1, 0, 1)]))),
    );
    run(&mut intake, &[]);
    let again = page(2, vec![event(1, 0, 1)]).unmoved();
    offer(&mut intake, 2, Content::Page(Box::new(again)));
    let (frames, answers) = run(&mut intake, &[]);
    assert_eq!(frames, [""; 0]);
    let Answer::Page(kept) = &answers[0].1 else {
        panic!("{answers:?}");
    };
    assert_eq!((kept.outcome.repeats, kept.place), (1, None));
    let more = page(2, vec![event(1, 0, 1), event(2, 0, 1)]).unmoved();
    offer(&mut intake, 3, Content::Page(Box::new(more)));
    assert_eq!(run(&mut intake, &[]).0, ["2 !"]);
}

#[test]
fn by_identity_alone_other_words_are_a_repeat() {
    let mut intake = intake();
    offer(&mut intake, 0, event(1, 0, 1));
    run(&mut intake, &[]);
    let mut known = page(1, vec![event(1, 9, 1), event(2, 9, 1)]);
    known.by_id = true;
    offer(&mut intake, 1, Content::Page(Box::new(known)));
    let (frames, answers) = run(&mut intake, &[]);
    assert_eq!(frames, ["2 !"]);
    assert_eq!(answers, [(1, kept(1, 1, 0, 2, 1))]);
    let other = page(2, vec![event(1, 8, 1)]);
    offer(&mut intake, 2, Content::Page(Box::new(other)));
    assert_eq!(run(&mut intake, &[]).1, [(2, kept(0, 0, 1, 3, 1))]);
}

proptest! {
    /// Whatever fails: where a cursor stands, all events of its page stand before it, once.
    #[test]
    fn a_cursor_never_stands_without_its_events(
        pages in prop::collection::vec(prop::collection::vec(0_u16..12, 0..6), 1..6),
        failing in prop::collection::vec(0_usize..12, 0..4),
        others in prop::collection::vec(0_u16..12, 0..4),
    ) {
        let mut intake = intake();
        let sized = |n: u16| event(n, 0, usize::from(n) * 50_000 + 1);
        for n in others {
            offer(&mut intake, 99, sized(n));
        }
        for (number, items) in (1..).zip(&pages) {
            let items = items.iter().map(|n| sized(*n)).collect();
            offer(&mut intake, number, Content::Page(Box::new(page(number.into(), items))));
        }
        let (ledger, mut answers) = (Applied::default(), Vec::new());
        let mut log: Vec<Change> = Vec::new();
        for turn in 0.. {
            let Some(batch) = intake.next_batch(NOW, &ledger, &mut answers) else { break };
            if failing.contains(&turn) {
                answers.extend(intake.failed(batch, Refusal::WriteFailed));
            } else {
                let number = intake.end.1.next();
                let (told, changes) = intake.synced(batch, number);
                answers.extend(told);
                log.extend(changes);
            }
        }
        let mut seen = Vec::new();
        for change in &log {
            match change {
                Change::Identity { id, .. } => {
                    prop_assert!(!seen.contains(id));
                    seen.push(*id);
                }
                Change::Polled { polled, .. } => {
                    let page = &pages[usize::try_from(polled.number).unwrap() - 1];
                    for n in page {
                        let [low, high] = n.to_le_bytes();
                        let there = seen.iter().any(|id| id.as_bytes()[..2] == [low, high]);
                        prop_assert!(there, "{n} of page {}", polled.number);
                    }
                }
                _ => {}
            }
        }
        prop_assert_eq!(intake.queued_bytes, 0);
        prop_assert!(intake.is_idle());
    }
}
