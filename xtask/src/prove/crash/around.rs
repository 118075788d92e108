//! The systems around the node that it calls: a sink for what it delivers and a source that it polls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::books::{Books, Counted};
use super::breach::Breaches;
use super::checker::Checker;
use super::deliveries::Delivered;
use super::server::Server;
use super::sink::Sink;
use super::source::Source;

/// Everything that is pending is delivered by then, and everything the source has is fetched.
const DRAINED_WITHIN: Duration = Duration::from_secs(300);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// What the configuration says of them, other in each life.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) sink: SocketAddr,
    pub(crate) source: SocketAddr,
    /// Counts the processes up.
    pub(crate) life: u32,
}

/// They live longer than the node.
#[derive(Debug)]
pub(crate) struct Around {
    sink: Arc<Sink>,
    source: Arc<Source>,
    servers: [Server; 2],
    life: u32,
    tally: Tally,
}

/// What was seen of them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) delivered: Delivered,
    /// Items that the source has, pages it gave, items it gave again.
    pub(crate) items: u64,
    pub(crate) pages: u64,
    pub(crate) again: u64,
    /// How often the books were asked for; rows that were even, and those that could not be judged.
    pub(crate) books: u64,
    pub(crate) even: u64,
    pub(crate) unknown: u64,
}

impl Around {
    pub(crate) fn new(seed: u64) -> Result<Self> {
        let (sink, source) = (Sink::new(seed)?, Source::new(seed));
        Ok(Self {
            servers: [
                Server::start(Arc::clone(&sink))?,
                Server::start(Arc::clone(&source))?,
            ],
            sink,
            source,
            life: 0,
            tally: Tally::default(),
        })
    }

    /// The life that goes on.
    pub(crate) const fn life(&self) -> u32 {
        self.life
    }

    /// For the next life.
    pub(crate) const fn next(&mut self) -> Addresses {
        self.life += 1;
        let [sink, source] = &self.servers;
        Addresses {
            sink: sink.address,
            source: source.address,
            life: self.life,
        }
    }

    /// What is to be checked after each end.
    pub(crate) fn check(&self, checker: &Checker, breaches: &mut Breaches) {
        self.sink.lock().complain(breaches);
        checker.polls.compare(&self.source.lock(), breaches);
    }

    /// The books must balance at any time.
    pub(crate) fn even(&mut self, books: &Books, breaches: &mut Breaches) {
        books.demand_even(breaches);
        let (even, unknown) = books.judged();
        self.tally.books += 1;
        self.tally.even += even;
        self.tally.unknown += unknown;
    }

    /// Waits until the node has fetched everything.
    pub(crate) fn fetched(&self) -> Result<()> {
        self.source.stop();
        let deadline = Instant::now() + DRAINED_WITHIN;
        while !self.source.lock().drained {
            if Instant::now() > deadline {
                bail!("the source was not polled to its end within {DRAINED_WITHIN:?}");
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Waits until the node has delivered everything; its books then.
    pub(crate) fn delivered(&self, books: impl Fn() -> Result<Books>) -> Result<Books> {
        let deadline = Instant::now() + DRAINED_WITHIN;
        loop {
            let books = books()?;
            match books.pending() {
                0 => return Ok(books),
                left if Instant::now() > deadline => {
                    bail!("{left} events were not delivered within {DRAINED_WITHIN:?}")
                }
                _ => thread::sleep(PAUSE),
            }
        }
    }

    /// What is to be checked at the end, with the books as they stood then.
    pub(crate) fn finish(&mut self, checker: &Checker, books: &Books, breaches: &mut Breaches) {
        self.tally.delivered = checker.deliveries.compare(&self.sink.lock(), breaches);
        let source = self.source.lock();
        checker.polls.demand_all(&source, breaches);
        // What is trimmed is in the books no more.
        if checker.first.0 <= 1 {
            let counted = Counted {
                events: checker.events.len() as u64,
                wanted: checker.deliveries.wanted() as u64,
            };
            books.demand(counted, breaches);
        }
    }

    /// What was seen.
    pub(crate) fn tally(self) -> Tally {
        let source = self.source.lock();
        Tally {
            items: source.total,
            pages: source.pages,
            again: source.again,
            ..self.tally
        }
    }
}
