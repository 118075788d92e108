//! One data directory through many lives of its node.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::around::{Around, Tally};
use super::books::Books;
use super::breach::{Breach, Breaches};
use super::checker::Checker;
use super::consumer::Consumer;
use super::history::{History, State};
use super::http::Connection;
use super::node::{Node, Setup};
use super::random::Random;
use super::sender::{Sender, Senders, first};
use super::subscriber::Subscriber;
use super::traffic::{Key, Traffic};

/// A node that has not acknowledged what a life needs by then does not work.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(120);

/// The books are asked for at the beginning of every such life.
const BOOKS_EVERY: u32 = 5;

/// How the load is and when a life ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Connections that send.
    pub(crate) senders: u64,
    /// Large requests of a thousand.
    pub(crate) large: u64,
    /// How far back repeats go; less than everything where the log is trimmed.
    pub(crate) window: usize,
    /// First acknowledgements before a life may end.
    pub(crate) least: usize,
    /// The end comes within so long after them, at any moment.
    pub(crate) within: Duration,
}

/// A data directory, those who use it, and what is known of it.
#[derive(Debug)]
pub(crate) struct Trial {
    setup: Setup,
    plan: Plan,
    traffic: Traffic,
    history: History,
    senders: Vec<Sender>,
    subscriber: Subscriber,
    consumers: Vec<Consumer>,
    around: Around,
    checker: Checker,
    random: Random,
    /// How many of the acknowledged were looked for in the log.
    demanded: usize,
    starts: Vec<Duration>,
}

/// What a trial found.
#[derive(Debug, Default)]
pub(crate) struct Tallied {
    pub(crate) acknowledged: u64,
    pub(crate) repeats: u64,
    pub(crate) refused: u64,
    pub(crate) read: u64,
    /// Events that consumers of a feed got.
    pub(crate) fed: u64,
    pub(crate) faults: u64,
    pub(crate) frames: u64,
    pub(crate) torn: u64,
    /// The first frame that is kept: more than 1 if the log was trimmed.
    pub(crate) first_frame: u64,
    pub(crate) starts: Vec<Duration>,
    pub(crate) around: Tally,
    pub(crate) breaches: Breaches,
}

impl Trial {
    /// With an empty data directory.
    pub(crate) fn new(setup: Setup, plan: Plan) -> Result<Self> {
        let mut around = Around::new(plan.seed)?;
        setup.write(around.next())?;
        Ok(Self {
            traffic: Traffic::new(plan.seed, plan.large)?,
            history: History::new(&setup.folder.join("history.tsv"))?,
            senders: (0..plan.senders)
                .map(|number| Sender::new(plan.seed, number))
                .collect(),
            subscriber: Subscriber::default(),
            consumers: Consumer::all(),
            around,
            checker: Checker::new(setup.data.join("log"), plan.seed),
            random: Random::of(plan.seed, u64::MAX),
            demanded: 0,
            starts: Vec::new(),
            setup,
            plan,
        })
    }

    /// One life: a start, a load, and at a random moment its end by `end`, under load.
    pub(crate) fn live(&mut self, end: impl FnOnce(Node) -> Result<()>) -> Result<()> {
        let node = self.start()?;
        if self.around.life().is_multiple_of(BOOKS_EVERY) {
            self.books(&node)?;
        }
        let address = node.address;
        let stop = AtomicBool::new(false);
        let extra = self.moment(self.plan.within);
        let (history, stop) = (&self.history, &stop);
        let all = Senders {
            traffic: &self.traffic,
            history,
            count: self.plan.senders,
            window: self.plan.window,
            stop,
        };
        let (senders, subscriber) = (&mut self.senders, &mut self.subscriber);
        let consumers = &mut self.consumers;
        thread::scope(|scope| {
            let all = &all;
            let sending: Vec<_> = senders
                .iter_mut()
                .map(|sender| scope.spawn(move || sender.run(all, address)))
                .collect();
            scope.spawn(move || subscriber.run(history, address, stop));
            for consumer in consumers {
                scope.spawn(move || consumer.run(history, address, stop));
            }
            let enough = history.wait(self.plan.least, ACKNOWLEDGED_WITHIN);
            thread::sleep(extra);
            let ended = end(node);
            stop.store(true, Ordering::Relaxed);
            for sender in sending {
                sender
                    .join()
                    .map_err(|_| anyhow::anyhow!("a sender panicked"))??;
            }
            ensure!(
                enough,
                "fewer than {} were acknowledged within {ACKNOWLEDGED_WITHIN:?}",
                self.plan.least
            );
            ended
        })
    }

    /// A start that is killed at a random moment of it; whether that came before it was ready.
    pub(crate) fn killed_while_starting(&mut self) -> Result<bool> {
        let usual = self
            .starts
            .last()
            .copied()
            .unwrap_or(Duration::from_millis(100));
        let moment = self.moment(usual);
        self.setup.write(self.around.next())?;
        let early = self.setup.start()?.kill_after(moment)?;
        self.look()?;
        Ok(early)
    }

    /// Reads what the node, which is down, has appended.
    fn look(&mut self) -> Result<()> {
        let breaches = &mut self.history.lock().breaches;
        self.checker.look(&self.traffic, breaches)?;
        self.checker.ended(self.around.life());
        self.around.check(&self.checker, breaches);
        Ok(())
    }

    /// The books of the node, which balance at any time.
    fn books(&mut self, node: &Node) -> Result<Books> {
        let books = Books::of(&self.setup.program, node.admin)?;
        self.around.even(&books, &mut self.history.lock().breaches);
        Ok(books)
    }

    fn start(&mut self) -> Result<Node> {
        self.setup.write(self.around.next())?;
        let node = self.setup.start()?.ready(&self.setup.lines())?;
        self.starts.push(node.ready_after);
        self.history.started();
        Ok(node)
    }

    fn moment(&mut self, within: Duration) -> Duration {
        let micros = u64::try_from(within.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(self.random.below(micros))
    }

    /// Holds the log of the node, which is down, against what was answered since the last check.
    /// `false` if there is a breach.
    pub(crate) fn check(&mut self) -> Result<bool> {
        self.look()?;
        let mut state = self.history.lock();
        let State {
            acknowledged,
            order,
            breaches,
            ..
        } = &mut *state;
        let new = order.get(self.demanded..).unwrap_or_default();
        self.checker.demand(
            new.iter().filter_map(|key| acknowledged.get_key_value(key)),
            breaches,
        );
        self.demanded = order.len();
        self.subscriber
            .compare(&self.checker.events, self.checker.cursor(), breaches);
        for consumer in &mut self.consumers {
            consumer.compare(&self.checker.events, breaches);
        }
        Ok(breaches.is_empty())
    }

    /// Everything that was acknowledged is sent once more, the node polls and delivers what is left, consumers
    /// fetch it, and the whole log is read anew.
    pub(crate) fn finish(mut self) -> Result<Tallied> {
        self.check()?;
        let books = self.repeat_all()?;
        let before = self.checker.seen.len();
        self.check()?;
        self.around
            .finish(&self.checker, &books, &mut self.history.lock().breaches);
        let grown = self.checker.seen.len() - before;
        self.history
            .lock()
            .breaches
            .unless(grown == 0, Breach::Repeated, || {
                format!("{grown} repeats were appended at the end")
            });
        for consumer in &self.consumers {
            let breaches = &mut self.history.lock().breaches;
            consumer.demand_all(&self.checker.events, breaches);
        }
        self.read_anew()?;
        self.history.flush()?;
        Ok(self.tally())
    }

    /// What was found so far.
    pub(crate) fn tally(self) -> Tallied {
        let mut state = self.history.lock();
        Tallied {
            acknowledged: state.order.len() as u64,
            repeats: state.repeats,
            refused: state.refused,
            read: self.subscriber.read() as u64,
            fed: self.consumers.iter().map(|it| it.read() as u64).sum(),
            faults: self.checker.faults,
            frames: self.checker.frames,
            torn: self.checker.torn,
            first_frame: self.checker.first.0,
            breaches: std::mem::take(&mut state.breaches),
            starts: self.starts.clone(),
            around: self.around.tally(),
        }
    }

    /// Whatever the ledger can still know must be answered as a repeat, with the identity of before.
    fn repeat_all(&mut self) -> Result<Books> {
        let node = self.start()?;
        let keys = self.known();
        let part = keys.len().div_ceil(self.senders.len().max(1)).max(1);
        let (traffic, history, address) = (&self.traffic, &self.history, node.address);
        thread::scope(|scope| {
            let sending: Vec<_> = keys
                .chunks(part)
                .map(|keys| {
                    scope.spawn(move || repeat(traffic, history, keys, Connection::open(address)?))
                })
                .collect();
            for sender in sending {
                sender
                    .join()
                    .map_err(|_| anyhow::anyhow!("a sender panicked"))??;
            }
            anyhow::Ok(())
        })
        .context("not everything could be sent once more")?;
        self.around.fetched()?;
        let ask = || Books::of(&self.setup.program, node.admin);
        let books = self.around.delivered(ask)?;
        self.around.even(&books, &mut history.lock().breaches);
        for consumer in &mut self.consumers {
            let finished = consumer.finish(history, address);
            finished.context("a feed could not be fetched to its end")?;
        }
        node.kill()?;
        Ok(books)
    }

    /// The keys in the log that the node has not forgotten. Where it trims, it may go on doing so at the
    /// start: only the newer half counts then.
    fn known(&self) -> Vec<Key> {
        let first = self.checker.first.0;
        let last = self
            .checker
            .seen
            .values()
            .map(|seen| seen.frame.0)
            .max()
            .unwrap_or(0);
        let oldest = if first > 1 {
            first.midpoint(last)
        } else {
            first
        };
        let state = self.history.lock();
        let order = state.order.iter();
        let known = order.filter(|key| {
            self.checker
                .seen
                .get(key)
                .is_some_and(|seen| seen.frame.0 >= oldest)
        });
        known.copied().collect()
    }

    /// The whole log from its first frame on, chain and content, with fresh eyes.
    fn read_anew(&self) -> Result<()> {
        let mut state = self.history.lock();
        let State {
            acknowledged,
            breaches,
            ..
        } = &mut *state;
        let mut anew = Checker::new(self.setup.data.join("log"), self.plan.seed);
        anew.look(&self.traffic, breaches)?;
        let kept = |key: &Key| {
            let seen = self.checker.seen.get(key);
            seen.is_none_or(|seen| seen.frame >= anew.first)
        };
        anew.demand(acknowledged.iter().filter(|(key, _)| kept(key)), breaches);
        // No fault was resolved, so all are open: those of segments that are gone stand further on.
        let gone = acknowledged.iter().filter(|(key, _)| !kept(key));
        let faults = gone.filter(|(key, _)| first(&self.traffic, **key).fault);
        anew.demand_carried(faults, breaches);
        let expected = self
            .checker
            .seen
            .values()
            .filter(|seen| seen.frame >= anew.first)
            .count();
        let same = anew.seen.len() == expected;
        breaches.unless(same, Breach::Log, || {
            format!(
                "the log held {expected} entries and now holds {}",
                anew.seen.len()
            )
        });
        Ok(())
    }

    /// Removes its files.
    pub(crate) fn remove(setup: &Setup) -> Result<()> {
        for path in [&setup.folder, &setup.data] {
            if path.exists() {
                fs::remove_dir_all(path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// Refusals of one request before it counts as a failure; each holds off for a moment.
const REFUSALS_MAX: u32 = 1000;

fn repeat(
    traffic: &Traffic,
    history: &History,
    keys: &[Key],
    mut connection: Connection,
) -> Result<()> {
    for key in keys {
        let request = traffic.request(*key)?;
        let mut refused = 0;
        while !history.answered(first(traffic, *key), &connection.call(&request)?) {
            refused += 1;
            if refused > REFUSALS_MAX {
                bail!("{key:?} is refused again and again");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}
