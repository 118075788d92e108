//! A mirror, its origin, the link and the disk between them, in virtual time, against a naive copy.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;
use tidegate_types::position::{FrameNumber, Incarnation};
use tidegate_types::time::UnixMillis;

use super::origin::{ORIGIN, Origin};
use crate::log::FrameHash;
use crate::log::engine::Head;
use crate::log::frame::Frame;
use crate::mirror::{
    Answer, Ask, Batch, Begun, Copied, Failure, Mirror, MirrorSettings, MirrorState, MirrorStatus,
    Note, Output, StoreFailure,
};

/// What the way to the origin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Up,
    Cut,
    Frozen,
    Refused,
}

/// How the origin answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Honest,
    /// It says what it has and gives nothing of it.
    Withholds,
    /// A frame in the midst of its answers is left out.
    Skips,
    /// It gives frames beyond the head it names.
    Overreaches,
    /// The lives it names contradict each other.
    Babbles,
}

/// One life as the naive copy has it.
#[derive(Debug)]
pub(super) struct CopiedLife {
    pub(super) after: Head,
    pub(super) frames: Vec<Frame>,
}

pub(super) struct World {
    pub(super) origin: Origin,
    pub(super) mirror: Mirror,
    pub(super) copy: Vec<CopiedLife>,
    pub(super) now: Duration,
    pub(super) link: Link,
    pub(super) manner: Manner,
    pub(super) disk_full: bool,
    pub(super) notes: Vec<Note>,
    pub(super) reconnects: usize,
    /// Hashes of all frames the origin ever had.
    ever: HashSet<FrameHash>,
    pending: Option<(Duration, Ask)>,
}

const LATENCY: Duration = Duration::from_millis(20);
const FRAMES_MAX: usize = 4;

impl World {
    pub(super) fn new() -> Self {
        let settings = MirrorSettings::default();
        Self {
            origin: Origin::new(),
            mirror: Mirror::new(ORIGIN, None, settings, Duration::ZERO, 3),
            copy: Vec::new(),
            now: Duration::ZERO,
            link: Link::Up,
            manner: Manner::Honest,
            disk_full: false,
            notes: Vec::new(),
            reconnects: 0,
            ever: HashSet::new(),
            pending: None,
        }
    }

    pub(super) fn append(&mut self, count: u64) {
        self.origin.append(count);
        let frames = self.origin.newest().frames.iter();
        self.ever.extend(frames.map(Frame::hash));
    }

    pub(super) fn status(&self) -> MirrorStatus {
        self.mirror.status(self.now)
    }

    pub(super) fn state(&self) -> MirrorState {
        self.status().state
    }

    /// The process of the mirror begins anew with what is on its disk.
    pub(super) fn restart(&mut self) {
        let settings = MirrorSettings::default();
        self.mirror = Mirror::new(ORIGIN, self.copied(), settings, self.now, 4);
        self.pending = None;
    }

    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        let mut turns = 0;
        while self.now < end {
            turns += 1;
            assert!(turns < 100_000, "the machine spins");
            while let Some(output) = self.mirror.poll_output(self.now) {
                self.act(output);
            }
            let due = self.pending.map(|(at, _)| at);
            let next = due
                .into_iter()
                .chain(self.mirror.next_timeout(self.now))
                .min();
            self.now = next.unwrap_or(end).clamp(self.now, end);
            if let Some((at, ask)) = self.pending
                && at <= self.now
            {
                self.pending = None;
                self.arrive(&ask);
            }
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Ask(ask) => {
                assert_eq!(self.pending, None, "one question at a time");
                let nothing = self.origin.answer(&ask, FRAMES_MAX).frames.is_empty();
                let at = match self.link {
                    Link::Up if nothing => self.now + LATENCY + ask.wait,
                    Link::Up | Link::Refused => self.now + LATENCY,
                    Link::Cut => self.now + LATENCY / 2,
                    Link::Frozen => ask.until,
                };
                self.pending = Some((at, ask));
            }
            Output::Store(batch) => self.store(batch),
            Output::Reconnect => self.reconnects += 1,
            Output::Note(note) => self.notes.push(note),
        }
    }

    fn arrive(&mut self, ask: &Ask) {
        let failure = match self.link {
            Link::Up => {
                let answer = self.distort(self.origin.answer(ask, FRAMES_MAX));
                return self.mirror.handle_answer(self.now, answer);
            }
            Link::Cut => Failure::Unreachable,
            Link::Frozen => Failure::Silent,
            Link::Refused => Failure::Refused,
        };
        self.mirror.handle_failure(self.now, failure);
    }

    fn distort(&self, mut answer: Answer) -> Answer {
        match self.manner {
            Manner::Honest => {}
            Manner::Withholds => answer.frames.clear(),
            Manner::Skips if answer.frames.len() > 1 => drop(answer.frames.remove(0)),
            Manner::Skips => {}
            Manner::Overreaches => {
                if let (Some(span), Some(last)) = (answer.spans.last_mut(), answer.frames.last())
                    && last.number() == span.head.frame
                {
                    span.head.frame = FrameNumber(last.number().0 - 1);
                    span.first = span.first.min(last.number());
                }
            }
            Manner::Babbles => answer.spans.extend(answer.spans.clone()),
        }
        answer
    }

    fn copied(&self) -> Option<Copied> {
        let life = self.copy.last()?;
        let head = life.frames.last().map_or(life.after, |frame| Head {
            incarnation: life.after.incarnation,
            frame: frame.number(),
            hash: frame.hash(),
        });
        let time = life
            .frames
            .last()
            .map_or(UnixMillis(0), |it| it.header().time);
        Some(Copied { head, time })
    }

    fn store(&mut self, batch: Batch) {
        if self.disk_full {
            let copied = self.copied();
            return self
                .mirror
                .handle_store_failure(self.now, StoreFailure::Full, copied);
        }
        if let Some(begin) = batch.begin {
            let newest = self.copy.last().map(|life| life.after.incarnation);
            if matches!(begin.why, Begun::Gap { .. }) {
                assert_eq!(
                    newest,
                    Some(begin.after.incarnation),
                    "a gap is within a life"
                );
                self.copy.pop();
            } else {
                assert!(
                    newest < Some(begin.after.incarnation),
                    "lives come in order"
                );
            }
            let after = begin.after;
            self.copy.push(CopiedLife {
                after,
                frames: Vec::new(),
            });
        }
        for frame in batch.frames {
            let end = self.copied().expect("a life was begun").head;
            assert_eq!(frame.header().incarnation, end.incarnation);
            assert_eq!(frame.number(), end.frame.next(), "no gap within a life");
            assert_eq!(frame.header().prev, end.hash, "an unbroken chain");
            assert!(self.ever.contains(&frame.hash()), "a frame the origin had");
            let life = self.copy.last_mut().expect("a life was begun");
            life.frames.push(frame);
        }
        self.mirror.handle_stored(self.now);
    }

    /// Whether the origin went backwards as seen from the copy, by looking at all of both.
    pub(super) fn is_regressed(&self) -> bool {
        let Some(copied) = self.copied() else {
            return false;
        };
        let Some(newest) = self.origin.lives.last() else {
            return false;
        };
        if newest.incarnation > copied.head.incarnation {
            return false;
        }
        let Some(at) = copied.head.frame.0.checked_sub(1) else {
            return false;
        };
        if newest.first > copied.head.frame.0 + 1 {
            return false;
        }
        let theirs = newest.frames.get(usize::try_from(at).expect("few frames"));
        theirs.map(Frame::hash) != Some(copied.head.hash)
    }

    /// Everything the origin holds is here, and said to be.
    pub(super) fn assert_complete(&self) {
        let status = self.status();
        assert_eq!(status.state, MirrorState::Following, "{status:?}");
        assert_eq!(status.behind_frames, 0);
        assert!(
            status.lag.is_some_and(|lag| lag < Duration::from_secs(3)),
            "{status:?}"
        );
        assert_eq!(self.copied().map(|it| it.head), Some(self.origin.head()));
        assert_eq!(status.copied, self.copied());
    }
}

#[derive(Clone, Debug)]
enum Op {
    Append(u64),
    BeginLife,
    Wipe,
    Trim(u64),
    Lose(usize),
    Link(Link),
    Manner(Manner),
    DiskFull(bool),
    Restart,
    Run(u64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let links = prop::sample::select(vec![
        Link::Up,
        Link::Up,
        Link::Cut,
        Link::Frozen,
        Link::Refused,
    ]);
    let manners = prop::sample::select(vec![
        Manner::Honest,
        Manner::Honest,
        Manner::Withholds,
        Manner::Skips,
        Manner::Overreaches,
        Manner::Babbles,
    ]);
    let op = prop_oneof![
        6 => (1_u64..12).prop_map(Op::Append),
        1 => Just(Op::BeginLife),
        1 => Just(Op::Wipe),
        2 => (1_u64..40).prop_map(Op::Trim),
        2 => (1_usize..6).prop_map(Op::Lose),
        2 => links.prop_map(Op::Link),
        2 => manners.prop_map(Op::Manner),
        1 => any::<bool>().prop_map(Op::DiskFull),
        1 => Just(Op::Restart),
        6 => (1_u64..15_000).prop_map(Op::Run),
    ];
    prop::collection::vec(op, 1..40)
}

fn apply(world: &mut World, op: &Op) {
    match *op {
        Op::Append(count) => world.append(count),
        Op::BeginLife => world.origin.begin_life(),
        Op::Wipe => world.origin.wipe(),
        Op::Trim(first) => world.origin.trim(first),
        Op::Lose(count) => world.origin.lose(count),
        Op::Link(link) => world.link = link,
        Op::Manner(manner) => world.manner = manner,
        Op::DiskFull(full) => world.disk_full = full,
        Op::Restart => world.restart(),
        Op::Run(millis) => world.run(Duration::from_millis(millis)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever happens, the copy is a chain of the origin's own frames (asserted at each store), and
    /// once nothing is in the way it is complete, or what is wrong is named.
    #[test]
    fn a_copy_is_true_and_ends_complete_or_named(ops in ops()) {
        let mut world = World::new();
        for op in &ops {
            apply(&mut world, op);
        }
        world.link = Link::Up;
        world.manner = Manner::Honest;
        world.disk_full = false;
        world.run(Duration::from_secs(20));
        if world.is_regressed() {
            prop_assert_eq!(world.state(), MirrorState::Regressed);
            prop_assert!(world.status().reason.is_some());
            // What cures it: a new life, since frames of the old one cannot be written again.
            world.origin.begin_life();
            world.append(3);
            world.run(Duration::from_secs(20));
        }
        world.assert_complete();
    }

    /// A trouble that lasts is named within 10 s and a little, and a regress at once.
    #[test]
    fn what_is_wrong_is_named_in_time(ops in ops(), trouble in 0_usize..6) {
        let mut world = World::new();
        for op in &ops {
            apply(&mut world, op);
        }
        world.link = Link::Up;
        world.manner = Manner::Honest;
        world.disk_full = false;
        world.run(Duration::from_secs(20));
        prop_assume!(!world.is_regressed());
        world.append(5);
        let (expected, within) = match trouble {
            0 => { world.link = Link::Cut; (MirrorState::Unreachable, 4_500) }
            1 => { world.link = Link::Frozen; (MirrorState::Stalled, 11_500) }
            2 => { world.manner = Manner::Withholds; (MirrorState::Stalled, 11_500) }
            3 => { world.manner = Manner::Skips; (MirrorState::Stalled, 11_500) }
            4 => { world.disk_full = true; (MirrorState::Blocked, 1_500) }
            _ => {
                world.run(Duration::from_secs(5));
                world.origin.lose(1);
                (MirrorState::Regressed, 1_500)
            }
        };
        world.run(Duration::from_millis(within));
        prop_assert_eq!(world.state(), expected);
        prop_assert!(world.status().reason.is_some());
    }
}

/// So that a life is not told by its number alone.
#[test]
fn lives_of_the_origin_differ() {
    let mut origin = Origin::new();
    let first = origin.head();
    origin.begin_life();
    assert_ne!(first.hash, origin.head().hash);
    assert_ne!(first.incarnation, Incarnation(0));
}
