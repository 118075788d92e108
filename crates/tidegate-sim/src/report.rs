//! What a run did and what it found.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::seeds::Counted;

/// Virtual time that a seed must play at least.
pub const VIRTUAL_TIME_LEAST: Duration = Duration::from_secs(30);

/// Events that must be acknowledged in a seed at least.
pub const ACKNOWLEDGED_LEAST: u64 = 50;

/// One in so many faults of a run must be of each kind, at the least.
const FAULT_SHARE: u64 = 40;

/// The outcome of one seed, in a world in which `R` is counted.
#[derive(Clone, Debug)]
pub struct Outcome<R = Report> {
    /// Which seed.
    pub seed: u64,
    /// What the run did.
    pub report: R,
    /// What did not hold; empty in a good run, which otherwise ends with the first.
    pub violations: Vec<Violation>,
    /// The last steps before a violation, oldest first.
    pub trace: Vec<String>,
    /// A hash of all steps with their times: equal for two plays of the same scenario and seed by
    /// the same program.
    pub digest: u64,
}

impl<R> fmt::Display for Outcome<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for line in &self.trace {
            writeln!(f, "  {line}")?;
        }
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        Ok(())
    }
}

/// What a run did, or several together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Virtual time that passed.
    pub virtual_time: Duration,
    /// The longest time that a run took to come to rest after the last fault.
    pub rested_after: Duration,
    /// Steps that were played, each followed by a look at the invariants.
    pub steps: u64,
    /// Offers that were answered by a 2xx as events.
    pub acknowledged: u64,
    /// Events that stood in the log, each counted once.
    pub events: u64,
    /// Events that consumers of feeds dealt with.
    pub fed: u64,
    /// Events of flows that were delivered or set aside for good.
    pub delivered: u64,
    /// Events that endpoints processed, repeats and all.
    pub processed: u64,
    /// Events that were parked, those parked again after a crash counted again.
    pub parked: u64,
    /// Events that had no room in a park and were never delivered.
    pub given_up: u64,
    /// How often each kind of fault struck.
    pub faults: BTreeMap<FaultKind, u64>,
    /// How often each situation was reached.
    pub situations: BTreeMap<Situation, u64>,
}

impl Report {
    pub(crate) fn seen(&mut self, situation: Situation) {
        *self.situations.entry(situation).or_default() += 1;
    }

    pub(crate) fn struck(&mut self, fault: FaultKind) {
        *self.faults.entry(fault).or_default() += 1;
    }
}

impl Counted for Report {
    fn add(&mut self, other: &Self) {
        self.virtual_time += other.virtual_time;
        self.rested_after = self.rested_after.max(other.rested_after);
        self.steps += other.steps;
        self.acknowledged += other.acknowledged;
        self.events += other.events;
        self.fed += other.fed;
        self.delivered += other.delivered;
        self.processed += other.processed;
        self.parked += other.parked;
        self.given_up += other.given_up;
        add_counts(&mut self.faults, &other.faults);
        add_counts(&mut self.situations, &other.situations);
    }

    fn too_little(&self) -> Option<String> {
        let (time, acknowledged) = (self.virtual_time, self.acknowledged);
        let short = (time < VIRTUAL_TIME_LEAST).then(|| format!("played {time:?} only"));
        let few = acknowledged < ACKNOWLEDGED_LEAST;
        let few = few.then(|| format!("acknowledged {acknowledged} events only"));
        let both: Vec<String> = short.into_iter().chain(few).collect();
        (!both.is_empty()).then(|| both.join(" and "))
    }

    fn shortfalls(&self) -> Vec<String> {
        let all: u64 = self.faults.values().sum();
        let struck = |fault| self.faults.get(fault).copied().unwrap_or_default();
        let seldom = FaultKind::ALL.iter().map(|fault| (fault, struck(fault)));
        let seldom = seldom.filter(|(_, count)| *count == 0 || *count < all / FAULT_SHARE);
        let mut shortfalls: Vec<String> = seldom
            .map(|(fault, count)| format!("{fault} struck {count} times in {all} faults"))
            .collect();
        shortfalls.extend(unreached(&self.situations, Situation::ALL));
        shortfalls
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "virtual time {:>25} s", self.virtual_time.as_secs())?;
        let rested = self.rested_after.as_secs_f64();
        writeln!(f, "longest time to rest {rested:>17.1} s")?;
        writeln!(f, "steps {:>34}", self.steps)?;
        writeln!(f, "acknowledged {:>27}", self.acknowledged)?;
        writeln!(f, "events in logs {:>25}", self.events)?;
        writeln!(f, "events fed to consumers {:>16}", self.fed)?;
        writeln!(f, "events settled by flows {:>16}", self.delivered)?;
        writeln!(f, "events endpoints processed {:>13}", self.processed)?;
        writeln!(f, "events parked {:>26}", self.parked)?;
        writeln!(f, "events given up by parks {:>15}", self.given_up)?;
        show_counts(f, "faults", &self.faults)?;
        show_counts(f, "situations", &self.situations)
    }
}

/// Adds counts to counts.
pub(crate) fn add_counts<K: Ord + Copy>(to: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (kind, count) in more {
        *to.entry(*kind).or_default() += count;
    }
}

/// Says what was never counted.
pub(crate) fn unreached<K: Ord + fmt::Display>(
    counts: &BTreeMap<K, u64>,
    all: &[K],
) -> impl Iterator<Item = String> {
    let never = all.iter().filter(|kind| !counts.contains_key(kind));
    never.map(|kind| format!("{kind} was never reached"))
}

/// Shows counts under a title.
pub(crate) fn show_counts<K: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    counts: &BTreeMap<K, u64>,
) -> fmt::Result {
    writeln!(f, "{title}")?;
    for (kind, count) in counts {
        writeln!(f, "  {kind:<28} {count:>9}")?;
    }
    Ok(())
}

/// Declares an enum of which all variants are known, with a name for each.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$about])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $text,)* })
            }
        }
    };
}

named! {
    /// What goes wrong.
    FaultKind {
        /// The process is killed, between two calls of the disk or in one.
        Kill = "process killed",
        /// The machine loses power, likewise; what was not synced is lost or torn.
        PowerLoss = "power lost",
        /// The disk takes no new file for a while.
        DiskFull = "disk full",
        /// A sync fails, and what it should have kept is partly lost.
        SyncFails = "sync fails",
        /// A write fails half-way.
        WriteFails = "write fails",
        /// A file cannot be made.
        CreateFails = "creation fails",
        /// Syncs take up to a second for a while.
        SlowSync = "slow sync",
        /// The node's clock steps back.
        ClockBack = "clock steps back",
        /// The views are lost with the process.
        ViewsLost = "views lost",
        /// The views apply nothing for a while.
        ViewsStall = "views stall",
        /// A subscriber reads nothing for a while.
        SubscriberStalls = "subscriber stalls",
        /// A consumer of a feed fetches nothing for a while.
        ConsumerStalls = "consumer stalls",
        /// An endpoint is slow, dead, silent, lying or throttling for a while.
        EndpointBad = "endpoint bad",
        /// An endpoint cannot be reached for so long that the log shall go before it is back.
        EndpointAway = "endpoint away",
        /// Many requests and answers are lost for a while.
        Partition = "messages lost",
    }
}

named! {
    /// What a run must have come across, for its passing to mean something.
    Situation {
        /// The end of the log was torn, and recovery cut it.
        TornTailCut = "torn tail cut",
        /// A frame that was never acknowledged survived a crash.
        UnansweredKept = "unanswered frame kept",
        /// A segment lacked its footer at the start.
        FooterRepaired = "footer repaired",
        /// A file whose creation had been cut short was removed.
        UnfinishedRemoved = "unfinished file removed",
        /// A crash came while the node was starting.
        StartInterrupted = "start interrupted",
        /// The disk failed while the node was starting, and it started later.
        StartFailed = "start failed",
        /// A write or sync failed, and the frame's callers were refused.
        WriteRefused = "frame refused after a failure",
        /// The log went on in another segment after a failure.
        WentOn = "log went on after a failure",
        /// No room on the disk, and callers were refused.
        DiskFullRefused = "refused for a full disk",
        /// The log's own limit was reached, and callers were refused.
        LogFullRefused = "refused for a full log",
        /// Too much was waiting, and callers were refused.
        OverloadRefused = "refused for overload",
        /// The ledger was so far behind that nothing was taken.
        HeldByLedger = "held by the ledger",
        /// An entry larger than a frame was kept.
        LargeKept = "large entry kept",
        /// A series of chunks broke off.
        SeriesBroken = "chunk series broken off",
        /// A repeat stood in the same frame as its first copy.
        RepeatInBatch = "repeat in the batch",
        /// A repeat came before the ledger had its first copy.
        RepeatInWindow = "repeat in the window",
        /// A repeat was told by the ledger.
        RepeatInLedger = "repeat in the ledger",
        /// A repeat of what was refused or never answered found its first copy in the log.
        RepeatOfUnanswered = "repeat of an unanswered one",
        /// An identity came with other content.
        IdReused = "id reused",
        /// The same fault came again.
        FaultRepeated = "fault repeated",
        /// An identity was forgotten at its horizon, and taken again.
        TakenAgain = "taken again past the horizon",
        /// Unread events held the log.
        TrimHeld = "trim held",
        /// Old segments were removed.
        TrimDone = "trim done",
        /// A request to a source failed.
        PollFailed = "poll failed",
        /// A page of a source was refused, and offered again.
        PageRefused = "page refused",
        /// A page of a source held what the log had before.
        PageRepeated = "page repeated",
        /// The cursor of a source was carried forward out of an old segment.
        PollCarried = "cursor of a source carried",
        /// Open faults were carried forward out of old segments.
        FaultsCarried = "faults carried",
        /// The log passed a subscription that was too far behind, and said so.
        SubscriptionPassed = "subscription passed",
        /// The views lost their tail at a crash and caught up.
        ViewsCaughtUp = "views caught up",
        /// The views did not fit the log, or were gone, and were rebuilt.
        ViewsRebuilt = "views rebuilt",
        /// A subscriber lost its place, and got events again.
        Redelivered = "redelivered after a crash",
        /// A cursor came that was behind the one that is kept.
        CursorOvertaken = "cursor overtaken",
        /// A page of a feed without events moved its consumer on.
        FeedMovedOverNothing = "feed: moved by an empty page",
        /// A consumer died with its cursor behind its work, and got events again.
        FeedRedelivered = "feed: again after a crash",
        /// A consumer asked for an old page again and got the same.
        FeedAskedAgain = "feed: asked again",
        /// What a consumer had not read was gone, and it was told so.
        FeedGone = "feed: told what is gone",
        /// A feed gave other events than before, and its consumer was told so.
        FeedChanged = "feed: told of a change",
        /// An altered cursor was refused.
        FeedAlteredRefused = "feed: altered cursor refused",
        /// The cursor of another feed was refused.
        FeedOtherRefused = "feed: other cursor refused",
        /// The breaker of a flow opened.
        DeliverBreakerOpened = "deliver: breaker opened",
        /// It closed by itself.
        DeliverBreakerClosed = "deliver: breaker closed",
        /// A flow sent while the breaker of another was open.
        DeliverBesideDead = "deliver: beside a dead one",
        /// An endpoint asked for a pause.
        DeliverThrottled = "deliver: asked for a pause",
        /// An endpoint said that it is gone, and the flow stopped.
        DeliverGone = "deliver: endpoint gone",
        /// An endpoint processed an event more than once, for lack of a durable receipt.
        DeliverRepeated = "deliver: processed again",
        /// Several events left in one request.
        DeliverBatched = "deliver: several at once",
        /// A key waited for a fault.
        DeliverKeyBlocked = "deliver: key blocked",
        /// It went on.
        DeliverKeyUnblocked = "deliver: key unblocked",
        /// A flow read nothing more, since too much waited.
        DeliverFlowHeld = "deliver: reading held",
        /// Events of a held key were read again.
        DeliverReadAgain = "deliver: held key read again",
        /// The content of an event that waited was read again.
        DeliverFetched = "deliver: content read again",
        /// What a flow wrote was refused, at least in part.
        DeliverAppendRefused = "deliver: append refused",
        /// A fault was resubmitted.
        DeliverResubmitted = "deliver: fault resubmitted",
        /// It failed again.
        DeliverAgainFailed = "deliver: resubmission failed",
        /// A resubmission was refused, since successors were delivered.
        DeliverSupersededRefused = "deliver: overtaken one refused",
        /// A fault was discarded.
        DeliverDiscarded = "deliver: fault discarded",
        /// A flow started with events that had failed.
        DeliverRestoredRetry = "deliver: restart with retries",
        /// A flow started with keys that were held.
        DeliverRestoredHeld = "deliver: restart with held keys",
        /// A flow started with receipts behind events that had none.
        DeliverRestoredDone = "deliver: restart with receipts",
        /// A flow started with a fault whose event had no receipt.
        DeliverRestoredAside = "deliver: restart between fault and receipt",
        /// Events of a flow that the log could not keep were parked.
        ParkParked = "park: events parked",
        /// A crash came while something was being parked.
        ParkInterrupted = "park: interrupted",
        /// A park could not be written, and was written later.
        ParkFailed = "park: write failed",
        /// A flow went on while something was being parked for it, and nothing was needed of that.
        ParkOvertaken = "park: overtaken by its flow",
        /// A flow read events out of its park.
        ParkReadBack = "park: events read back",
        /// The content of an event that waited was read again out of a park.
        ParkFetched = "park: content read back",
        /// A park was full, and its flow held the log.
        ParkFull = "park: full, log held",
        /// A park was full, and events were given up.
        ParkGivenUp = "park: full, events given up",
        /// An event was delivered or set aside although it had been given up, from memory.
        ParkGivenUpSettled = "park: given up and settled yet",
        /// A park let go of segments.
        ParkLetGo = "park: segments let go",
        /// A node started with events in a park.
        ParkRestored = "park: restart with events",
        /// Views were rebuilt from what a park says.
        ParkMarkAdopted = "park: views begun from a mark",
    }
}

named! {
    /// What must hold.
    Rule {
        /// What was acknowledged stands in the log at that place with that content.
        Acknowledged = "acknowledged is in the log",
        /// What a reader once saw is there after any crash.
        Durable = "what was seen stays",
        /// Frames are numbered without gaps, chained by hash, and their times never decrease.
        Chain = "the chain is whole",
        /// What stands in the log was offered so.
        Genuine = "nothing stands there that was not offered",
        /// An identity stands once, within the ledger's horizon.
        Once = "an identity stands once",
        /// A repeat is answered with the identity and the place of the first copy.
        Repeat = "a repeat names the first copy",
        /// An identity with other content becomes a fault.
        Reused = "a reused identity is a fault",
        /// Subscribers see every event that matches, in the order of the log.
        Delivery = "subscribers see all in order",
        /// A cursor never goes back, nor past what was delivered.
        Cursor = "cursors go forward, and not past what was delivered",
        /// Consumers of feeds get every event that matches once and in order, or are told what is gone.
        Feed = "feeds have neither gaps nor repeats",
        /// A cursor of a source stands behind all it covers, is never lost, and nothing is passed over.
        Poll = "sources are read without gaps",
        /// What was acknowledged is delivered, set aside or discarded, and nothing else is said of it.
        Delivered = "every event of a flow is settled, and truly",
        /// An event leaves after all before it of its key are settled.
        KeyOrder = "order per key",
        /// What has a durable receipt is not sent again.
        Repeats = "no repeat behind a receipt",
        /// Attempts count when they must, survive a restart and are never more than the schedule has.
        Attempts = "attempts count when they must",
        /// Requests at once, requests in a time and memory stay within their limits.
        Limits = "limits of flows are kept",
        /// Nothing unread and no open fault is removed without a word.
        Trim = "trim takes nothing unfinished",
        /// What the log holds no longer and a flow needs is in its park, or was said to be given up.
        Parked = "what a flow needs is in the log or parked",
        /// The books of every flow and hour are even.
        Books = "the books are even",
        /// Views rebuilt from the log equal those that were kept.
        Views = "rebuilt views equal kept ones",
        /// The log opens after any crash, undamaged.
        Opens = "the log opens",
        /// Of two regions that start calls for a shard, one has lost it for good.
        OneActs = "one region acts for a shard",
        /// What an owner that hands a shard over has begun is over, and its successor knows.
        Sealed = "a hand-over repeats nothing",
        /// Their outage moves no shard.
        TheirOutage = "their outage moves nothing",
        /// Numbers of a shard are called in their order.
        CallOrder = "calls of a shard in order",
        /// Whoever is preferred has its shards back in the end.
        FailBack = "shards go back",
        /// When nothing goes wrong any more, everything comes to rest.
        Liveness = "everything comes to rest",
    }
}

/// Something that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When, in virtual time.
    pub at: Duration,
    /// What.
    pub rule: Rule,
    /// Where and how.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, rule, detail } = self;
        write!(f, "at {:.6} s: broken: {rule}: {detail}", at.as_secs_f64())
    }
}
