use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use proptest::prelude::*;
use tidegate_types::event::Event;

use super::*;
use crate::log::entry::{Checkpoint, System, encode_event};
use crate::receive::batch::ToAppend;
use crate::receive::ledger::LedgerError;

const NOW: UnixMillis = UnixMillis(1_000);
const LIFE: Incarnation = Incarnation(7);

/// A ledger that has applied what the test lets it apply.
#[derive(Default)]
struct Applied {
    known: RefCell<HashMap<EventId, Known>>,
    broken: bool,
}

impl Ledger for Applied {
    fn known(&self, id: &EventId) -> Result<Option<Known>, LedgerError> {
        if self.broken {
            return Err(LedgerError("broken on purpose".into()));
        }
        Ok(self.known.borrow().get(id).copied())
    }
}

impl Applied {
    fn apply(&self, changes: &[Change]) {
        for change in changes {
            if let Change::Identity { id, known } = change {
                self.known.borrow_mut().insert(*id, *known);
            }
        }
    }
}

fn id(n: u8) -> EventId {
    EventId::from_bytes([n; 16])
}

fn event(n: u8, content: u8) -> Content {
    sized_event(n, content, 1)
}

fn sized_event(n: u8, content: u8, size: usize) -> Content {
    let data = Bytes::from(vec![content; size]);
    let fingerprint = fingerprint::of_event("test", "", &data);
    let event = Event {
        id: id(n),
        flow: "flow".to_owned(),
        external_id: n.to_string(),
        kind: "test".to_owned(),
        time: NOW,
        received: NOW,
        key: String::new(),
        content_type: "application/octet-stream".to_owned(),
        data,
        attributes: Vec::new(),
        raw: None,
    };
    Content::Event {
        id: id(n),
        fingerprint,
        horizon: FrameNumber(0),
        entry: encode_event(&EventEntry { event, fingerprint }),
    }
}

fn intake() -> Intake<u32> {
    Intake::new(
        IntakeLimits::default(),
        (LIFE, FrameNumber(0)),
        BTreeMap::new(),
    )
}

fn place(frame: u64, index: u32) -> Place {
    Place {
        incarnation: LIFE,
        frame: FrameNumber(frame),
        index,
    }
}

/// Offers all, appends one frame, and gives all answers in the order of the tickets.
fn round(intake: &mut Intake<u32>, ledger: &Applied, offers: Vec<Content>) -> Vec<Answer> {
    for (ticket, content) in (0..).zip(offers) {
        assert!(intake.offer(Offer { ticket, content }).is_ok());
    }
    let mut answers = Vec::new();
    while let Some(batch) = intake.next_batch(NOW, ledger, &mut answers) {
        let frame = intake.end.1.next();
        answers.extend(intake.synced(batch, frame).0);
    }
    answers.sort_by_key(|(ticket, _)| *ticket);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[test]
fn a_repeat_is_answered_with_the_first_place_and_appends_nothing() {
    let (mut intake, ledger) = (intake(), Applied::default());
    let kept = Answer::Kept {
        id: id(1),
        place: place(1, 0),
    };
    let repeat = Answer::Repeat {
        id: id(1),
        place: place(1, 0),
    };
    // In the same frame, then from the window, before the ledger has applied anything.
    let answers = round(&mut intake, &ledger, vec![event(1, 0), event(1, 0)]);
    assert_eq!(answers, [kept, repeat.clone()]);
    assert_eq!(round(&mut intake, &ledger, vec![event(1, 0)]), [repeat]);
    assert_eq!(intake.end.1, FrameNumber(1));
}

#[test]
fn a_reused_identity_is_set_aside_once() {
    let (mut intake, ledger) = (intake(), Applied::default());
    let answers = round(
        &mut intake,
        &ledger,
        vec![event(1, 0), event(1, 9), event(1, 9)],
    );
    let Answer::SetAside {
        fault,
        place: at,
        repeat: false,
    } = answers[1]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(at, place(1, 1));
    assert_eq!(
        answers[2],
        Answer::SetAside {
            fault,
            place: at,
            repeat: true
        }
    );
    // And again after it has left the batch; other content is another fault.
    let again = round(&mut intake, &ledger, vec![event(1, 9), event(1, 8)]);
    assert_eq!(
        again[0],
        Answer::SetAside {
            fault,
            place: at,
            repeat: true
        }
    );
    assert!(matches!(again[1], Answer::SetAside { repeat: false, .. }));
}

#[test]
fn the_reused_event_stands_whole_in_the_fault() {
    let (mut intake, ledger) = (intake(), Applied::default());
    round(&mut intake, &ledger, vec![event(1, 0)]);
    assert!(
        intake
            .offer(Offer {
                ticket: 0,
                content: event(1, 9)
            })
            .is_ok()
    );
    let mut batch = intake.next_batch(NOW, &ledger, &mut Vec::new()).unwrap();
    assert!(matches!(batch.work(), ToAppend::Frame(draft) if draft.count() == 1));
    let (_, changes) = intake.synced(batch, FrameNumber(2));
    let [Change::Identity { .. }, Change::Fault(summary)] = changes.as_slice() else {
        panic!("{changes:?}");
    };
    assert_eq!(
        (summary.cause, summary.flow.as_str()),
        (FaultCause::IdReused, "flow")
    );
}

#[test]
fn an_identity_is_forgotten_past_its_horizon() {
    let (mut intake, ledger) = (intake(), Applied::default());
    round(&mut intake, &ledger, vec![event(1, 0)]);
    round(&mut intake, &ledger, vec![event(2, 0)]);
    let again = |horizon| match event(1, 9) {
        Content::Event {
            id,
            fingerprint,
            entry,
            ..
        } => Content::Event {
            id,
            fingerprint,
            horizon: FrameNumber(horizon),
            entry,
        },
        _ => unreachable!(),
    };
    let set_aside = round(&mut intake, &ledger, vec![again(1)]);
    assert!(matches!(set_aside.as_slice(), [Answer::SetAside { .. }]));
    let kept = round(&mut intake, &ledger, vec![again(2)]);
    assert!(matches!(kept.as_slice(), [Answer::Kept { .. }]), "{kept:?}");
}

#[test]
fn a_failed_frame_refuses_its_callers_and_forgets_them() {
    let (mut intake, ledger) = (intake(), Applied::default());
    for ticket in 0..2 {
        assert!(
            intake
                .offer(Offer {
                    ticket,
                    content: event(1, 0)
                })
                .is_ok()
        );
    }
    let batch = intake.next_batch(NOW, &ledger, &mut Vec::new()).unwrap();
    let answers = intake.failed(batch, Refusal::Full);
    assert!(
        answers
            .iter()
            .all(|(_, answer)| *answer == Answer::Refused(Refusal::Full))
    );
    assert_eq!(answers.len(), 2);
    // Offered again, it is new: nothing of the failed frame is believed.
    let kept = Answer::Kept {
        id: id(1),
        place: place(1, 0),
    };
    assert_eq!(round(&mut intake, &ledger, vec![event(1, 0)]), [kept]);
}

#[test]
fn an_unreadable_ledger_refuses_instead_of_guessing() {
    let (mut intake, ledger) = (
        intake(),
        Applied {
            broken: true,
            ..Applied::default()
        },
    );
    let refused = Answer::Refused(Refusal::LedgerUnreadable);
    assert_eq!(round(&mut intake, &ledger, vec![event(1, 0)]), [refused]);
}

#[test]
fn the_queue_is_bounded_in_bytes_but_takes_one() {
    let limits = IntakeLimits {
        queue_bytes_max: 1_000,
        ..IntakeLimits::default()
    };
    let mut intake = Intake::new(limits, (LIFE, FrameNumber(0)), BTreeMap::new());
    assert!(
        intake
            .offer(Offer {
                ticket: 0,
                content: sized_event(1, 0, 5_000)
            })
            .is_ok()
    );
    let refused = intake.offer(Offer {
        ticket: 1,
        content: event(2, 0),
    });
    assert!(matches!(refused, Err((1, Refusal::Overload))));
    let batch = intake
        .next_batch(NOW, &Applied::default(), &mut Vec::new())
        .unwrap();
    intake.failed(batch, Refusal::Closing);
    assert!(
        intake
            .offer(Offer {
                ticket: 1,
                content: event(2, 0)
            })
            .is_ok()
    );
}

#[test]
fn nothing_is_taken_while_the_ledger_is_too_far_behind() {
    let limits = IntakeLimits {
        window_max: 2,
        ..IntakeLimits::default()
    };
    let mut intake = Intake::new(limits, (LIFE, FrameNumber(0)), BTreeMap::new());
    let ledger = Applied::default();
    assert_eq!(
        round(&mut intake, &ledger, vec![event(1, 0), event(2, 0)]).len(),
        2
    );
    assert!(intake.is_held());
    assert!(round(&mut intake, &ledger, vec![event(3, 0)]).is_empty());
    intake.applied(FrameNumber(1));
    let mut answers = Vec::new();
    let batch = intake.next_batch(NOW, &ledger, &mut answers).unwrap();
    assert_eq!(intake.synced(batch, FrameNumber(2)).0.len(), 1);
}

#[test]
fn an_entry_larger_than_a_frame_goes_alone() {
    let (mut intake, ledger) = (intake(), Applied::default());
    let large = 2 * crate::log::FRAME_BYTES_MAX;
    let offers = vec![event(1, 0), sized_event(2, 0, large), event(3, 0)];
    for (ticket, content) in (0..).zip(offers) {
        assert!(intake.offer(Offer { ticket, content }).is_ok());
    }
    let mut shapes = Vec::new();
    for frame in 1..=3 {
        let mut batch = intake.next_batch(NOW, &ledger, &mut Vec::new()).unwrap();
        shapes.push(matches!(batch.work(), ToAppend::Large(_)));
        intake.synced(batch, FrameNumber(frame));
    }
    assert_eq!(shapes, [false, true, false]);
}

#[test]
fn cursors_only_move_forward_and_not_past_the_end() {
    let (mut intake, ledger) = (intake(), Applied::default());
    round(&mut intake, &ledger, vec![event(1, 0), event(2, 0)]);
    let cursor = |frame, index| Content::Cursor {
        subscription: "billing".to_owned(),
        place: place(frame, index),
    };
    assert_eq!(
        round(&mut intake, &ledger, vec![cursor(1, 1)]),
        [Answer::Noted]
    );
    assert_eq!(intake.end.1, FrameNumber(2));
    // Back again: nothing to do, nothing appended.
    assert_eq!(
        round(&mut intake, &ledger, vec![cursor(1, 0)]),
        [Answer::Noted]
    );
    assert_eq!(intake.end.1, FrameNumber(2));
    assert_eq!(intake.cursors().get("billing"), Some(&place(1, 1)));
    let unknown = Answer::Refused(Refusal::UnknownCursor);
    assert_eq!(round(&mut intake, &ledger, vec![cursor(9, 0)]), [unknown]);
}

#[test]
fn a_cursor_is_not_taken_back_by_what_was_planned_or_sent_before_it() {
    let (mut intake, ledger) = (intake(), Applied::default());
    round(&mut intake, &ledger, vec![event(1, 0), event(2, 0)]);
    let cursor = |index| Content::Cursor {
        subscription: "billing".to_owned(),
        place: place(1, index),
    };
    // Acknowledgements that overtook each other on the way, in one frame.
    let answers = round(&mut intake, &ledger, vec![cursor(1), cursor(0)]);
    assert_eq!(answers, [Answer::Noted, Answer::Noted]);
    assert_eq!(intake.cursors().get("billing"), Some(&place(1, 1)));
    // A checkpoint that was planned before the acknowledgement reached the log.
    let checkpoint = Entry::Checkpoint(Checkpoint {
        oldest: FrameNumber(1),
        time: NOW,
        cursors: vec![Cursor {
            subscription: "billing".to_owned(),
            place: place(1, 0),
            time: NOW,
        }],
        faults_open: 0,
    });
    round(
        &mut intake,
        &ledger,
        vec![Content::Plain(Box::new(checkpoint))],
    );
    assert_eq!(intake.cursors().get("billing"), Some(&place(1, 1)));
}

#[test]
fn plain_entries_are_noted() {
    let (mut intake, ledger) = (intake(), Applied::default());
    let started = Entry::System(System {
        kind: "started".to_owned(),
        time: NOW,
        text: "started".to_owned(),
        tags: Vec::new(),
    });
    let answers = round(
        &mut intake,
        &ledger,
        vec![Content::Plain(Box::new(started))],
    );
    assert_eq!(answers, [Answer::Noted]);
}

/// What the property test does in one step.
#[derive(Clone, Debug)]
enum Step {
    Offer { id: u8, content: u8 },
    Append { fails: bool },
    Apply,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_u8..6, 0_u8..3).prop_map(|(id, content)| Step::Offer { id, content }),
        3 => any::<bool>().prop_map(|fails| Step::Append { fails }),
        1 => Just(Step::Apply),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    /// Against a naive model: per identity the first content that was synced, and a set of the
    /// other contents. However offers, frames, failures and the ledger interleave, the log holds
    /// each (identity, content) once, and each answer agrees with the model.
    #[test]
    fn agrees_with_a_map(steps in steps()) {
        let (mut intake, ledger) = (intake(), Applied::default());
        let mut model: HashMap<u8, Vec<u8>> = HashMap::new();
        let mut offered: Vec<(u8, u8)> = Vec::new();
        let mut unapplied: Vec<(FrameNumber, Vec<Change>)> = Vec::new();
        for step in steps {
            match step {
                Step::Offer { id, content } => {
                    let ticket = u32::try_from(offered.len()).unwrap();
                    offered.push((id, content));
                    let offer = Offer { ticket, content: event(id, content) };
                    prop_assert!(intake.offer(offer).is_ok());
                }
                Step::Append { fails } => {
                    let mut answers = Vec::new();
                    let batch = intake.next_batch(NOW, &ledger, &mut answers);
                    let frame = intake.end.1.next();
                    match batch {
                        Some(batch) if fails => answers.extend(intake.failed(batch, Refusal::Full)),
                        Some(batch) => {
                            let (synced, changes) = intake.synced(batch, frame);
                            answers.extend(synced);
                            unapplied.push((frame, changes));
                        }
                        None => {}
                    }
                    answers.sort_by_key(|(ticket, _)| *ticket);
                    for (ticket, answer) in answers {
                        let (id, content) = offered[ticket as usize];
                        check(&mut model, id, content, &answer)?;
                    }
                }
                Step::Apply => for (frame, changes) in unapplied.drain(..) {
                    ledger.apply(&changes);
                    intake.applied(frame);
                }
            }
        }
    }
}

fn check(
    model: &mut HashMap<u8, Vec<u8>>,
    number: u8,
    content: u8,
    answer: &Answer,
) -> Result<(), TestCaseError> {
    if *answer == Answer::Refused(Refusal::Full) {
        return Ok(());
    }
    let contents = model.entry(number).or_default();
    let known = contents.contains(&content);
    let first = contents.first().is_none_or(|first| *first == content);
    if !known {
        contents.push(content);
    }
    let agrees = match answer {
        Answer::Kept { id: kept, .. } => !known && first && *kept == id(number),
        Answer::Repeat { id: kept, .. } => known && first && *kept == id(number),
        Answer::SetAside { repeat, .. } => !first && *repeat == known,
        Answer::Noted | Answer::Page(_) | Answer::Refused(_) => false,
    };
    prop_assert!(agrees, "{number}/{content}: {answer:?}, model {contents:?}");
    Ok(())
}
