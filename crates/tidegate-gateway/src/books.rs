//! The books of a running node: read behind the log, closed once a minute for the metrics and when somebody asks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tidegate_core::books::{Balance, Hour, Limits, Row, Tally};
use tidegate_core::log::engine::ReadError;
use tidegate_core::log::entry::EventEntry;
use tidegate_hub::books::{Bookkeeper, Closed};
use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;

use crate::metrics::Samples;
use crate::public::Public;

/// Read in one step: others have the disk and the keeper in between.
const STEP_BYTES: u64 = 64 << 20;

/// Between two steps while there is much to read after a start, so that it takes little of the node.
const STEP_EVERY: Duration = Duration::from_millis(250);

/// Between two closings for the metrics.
const CLOSE_EVERY: Duration = Duration::from_secs(60);

/// Who keeps them, and how they stood when they were closed last.
#[derive(Debug, Default)]
pub(crate) struct Office {
    keeper: Mutex<Option<Bookkeeper>>,
    last: ArcSwapOption<Closed>,
    /// What was told of: bounded by the hours and flows the books have.
    told: Mutex<BTreeSet<(String, Hour)>>,
}

/// The books cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// After a start the log is read first.
    #[error("the log is still being read for the books")]
    Reading,
    /// The log could not be read.
    #[error("the log cannot be read")]
    Log(#[from] ReadError),
}

impl Office {
    /// Reads a step, and gives whether there is more to read.
    fn read(&self, hub: &Hub) -> Result<bool, ReadError> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *keeper {
            Some(keeper) => keeper.follow(hub, STEP_BYTES),
            none => {
                *none = Some(Bookkeeper::new(hub, Limits::default(), now())?);
                Ok(true)
            }
        }
    }

    /// Closes the books as they stand now. Blocks.
    pub(crate) fn close(
        &self,
        hub: &Hub,
        wanted: impl FnMut(&str, &EventEntry) -> bool,
    ) -> Result<Arc<Closed>, BooksError> {
        // A young log is read at once; a long one is read by and by.
        if self.read(hub)? && self.read(hub)? {
            return Err(BooksError::Reading);
        }
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(keeper) = &mut *keeper else {
            return Err(BooksError::Reading);
        };
        let closed = Arc::new(keeper.close(hub, wanted)?);
        self.last.store(Some(Arc::clone(&closed)));
        Ok(closed)
    }
}

impl Office {
    /// Whether nobody was told of this hour before.
    fn is_news(&self, closed: &Closed, flow: &str, hour: Hour) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|(_, hour)| *hour >= closed.begin);
        told.insert((flow.to_owned(), hour))
    }
}

/// Keeps the books of a node until it is gone.
pub(crate) async fn keep(public: Weak<Public>) {
    let mut told = false;
    loop {
        let step = public.clone();
        let done = tokio::task::spawn_blocking(move || {
            let public = step.upgrade()?;
            Some(round(&public))
        });
        let wait = match done.await {
            Ok(Some(Ok(true))) => STEP_EVERY,
            Ok(Some(Ok(false))) => CLOSE_EVERY,
            Ok(Some(Err(error))) => {
                if !told {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the books cannot be kept"
                    );
                }
                told = true;
                CLOSE_EVERY
            }
            Ok(None) | Err(_) => return,
        };
        tokio::time::sleep(wait).await;
    }
}

/// Reads on or closes; gives whether there is more to read.
fn round(public: &Public) -> Result<bool, ReadError> {
    if *public.draining.borrow() {
        return Ok(false);
    }
    if public.books.read(&public.hub)? {
        return Ok(true);
    }
    let generation = public.generation.load_full();
    match public
        .books
        .close(&public.hub, |flow, event| generation.wants(flow, event))
    {
        Ok(closed) => tell(public, &closed),
        Err(BooksError::Reading) => return Ok(true),
        Err(BooksError::Log(error)) => return Err(error),
    }
    Ok(false)
}

/// An imbalance is a defect of ours, or of the disk: it goes where everybody sees it.
fn tell(public: &Public, closed: &Closed) {
    for page in &closed.pages {
        let Balance::Odd { missing } = page.balance else {
            continue;
        };
        let (flow, hour) = (page.flow.clone(), page.hour.begin().to_string());
        if !public.books.is_news(closed, &flow, page.hour) {
            continue;
        }
        let text = format!(
            "the books of {flow} do not balance for the hour from {hour}: {missing} events are unaccounted for"
        );
        tracing::error!(flow, hour, missing, "the books do not balance");
        public.hub.record("books-odd", &text, &[("flow", flow)]);
    }
}

/// A state of events: the end of the metric's name, its help, and where it stands in a row.
type State = (&'static str, &'static str, fn(&Row) -> Tally);

const STATES: [State; 7] = [
    ("books_received", "Events received, by the books", |row| {
        row.received
    }),
    (
        "books_delivered",
        "Events delivered, or kept by a flow that takes in, by the books",
        |row| row.delivered,
    ),
    (
        "books_filtered",
        "Events a flow did not want, by the books",
        |row| row.filtered,
    ),
    (
        "books_parked",
        "Events set aside because they could not be sent, by the books",
        |row| row.parked,
    ),
    (
        "books_faults",
        "Events set aside because they could not be processed, by the books",
        |row| row.faults,
    ),
    (
        "books_discarded",
        "Events given up by somebody, by the books",
        |row| row.discarded,
    ),
    (
        "books_pending",
        "Events not settled yet, by the books",
        |row| row.pending,
    ),
];

/// The books as they were closed last, over all hours they count.
#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats in this format"
)]
pub(crate) fn series(to: &mut Samples<'_>, office: &Office) -> fmt::Result {
    let Some(closed) = office.last.load_full() else {
        return Ok(());
    };
    for (name, help, value) in STATES {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for page in &closed.pages {
            let sum = sums.entry(&page.flow).or_default();
            *sum = sum.saturating_add(value(&page.row).count);
        }
        let sums = sums.into_iter().map(|(flow, sum)| (flow, sum as f64));
        to.gauges((name, help), "flow", sums)?;
    }
    let mut odd: BTreeMap<&str, f64> = BTreeMap::new();
    for page in &closed.pages {
        let is_odd = matches!(page.balance, Balance::Odd { .. });
        *odd.entry(&page.flow).or_default() += f64::from(u8::from(is_odd));
    }
    let about = (
        "books_odd_hours",
        "Hours for which the books of a flow do not balance",
    );
    to.gauges(about, "flow", odd)
}
