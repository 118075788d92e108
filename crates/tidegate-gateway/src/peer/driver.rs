//! The task that follows one other region: it does what the machine says.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::mirror::{
    Answer, Ask, Batch, Failure, Mirror, MirrorSettings, Output, StoreFailure,
};
use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;
use tidegate_hub::mirrors::{MirrorLog, MirrorReport, MirrorWriter};
use tokio::sync::watch;
use tokio::time::Instant;

use super::client::Link;
use super::told;

/// How often the retention is applied to a mirror that gets nothing new.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Follows one region.
pub(super) struct Driver {
    link: Link,
    writer: Option<MirrorWriter>,
    machine: Machine,
    looked: Instant,
}

/// The machine, and those who want to know of it.
struct Machine {
    mirror: Mirror,
    hub: Arc<Hub>,
    log: Arc<MirrorLog>,
    /// The time of the machine is what has passed since.
    begun: Instant,
}

impl Driver {
    pub(super) fn new(
        hub: Arc<Hub>,
        settings: MirrorSettings,
        link: Link,
        writer: MirrorWriter,
    ) -> Self {
        let begun = Instant::now();
        let seed = now().0;
        let copied = writer.copied();
        let machine = Machine {
            mirror: Mirror::new(link.region(), copied, settings, Duration::ZERO, seed),
            log: writer.log(),
            hub,
            begun,
        };
        Self {
            link,
            writer: Some(writer),
            machine,
            looked: begun,
        }
    }

    /// Runs until it is told to stop. What is being stored is finished.
    pub(super) async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        loop {
            let turn = tokio::select! {
                biased;
                // An error means that the link is gone, which is the same.
                _ = stopped.wait_for(|stop| *stop) => None,
                turn = self.turn() => Some(turn),
            };
            match turn {
                None => break,
                Some(None) => {}
                Some(Some(batch)) => self.store(batch).await,
            }
            self.machine.report();
            self.look().await;
        }
        self.machine.log.tell(None);
        if let Some(writer) = self.writer.take() {
            self.machine.hub.mirrors().give_back(writer);
        }
    }

    /// Does the next thing but storing, which must not be cut short, or waits until there is one.
    async fn turn(&mut self) -> Option<Batch> {
        match self.machine.poll() {
            None => self.machine.due().await,
            Some(Output::Ask(ask)) => {
                let answered = self.ask(&ask).await;
                self.machine.answered(answered);
            }
            Some(Output::Store(batch)) => return Some(batch),
            Some(Output::Reconnect) => self.link.hang_up(),
            Some(Output::Note(note)) => self.machine.tell(&note),
        }
        None
    }

    /// Asks, and meanwhile names the state when it is time.
    async fn ask(&mut self, ask: &Ask) -> Result<Answer, Failure> {
        let Self { link, machine, .. } = self;
        let until = machine.begun + ask.until;
        let mut asking = pin!(link.ask(None, ask, until));
        loop {
            tokio::select! {
                biased;
                answered = &mut asking => return answered,
                () = machine.due() => {
                    while let Some(output) = machine.poll() {
                        // While a question is under way there is nothing else to do.
                        if let Output::Note(note) = output {
                            machine.tell(&note);
                        }
                    }
                    machine.report();
                }
            }
        }
    }

    async fn store(&mut self, batch: Batch) {
        let Some(mut writer) = self.writer.take() else {
            return;
        };
        let stored = tokio::task::spawn_blocking(move || {
            let stored = writer.store(&batch);
            (writer, stored)
        });
        match stored.await {
            Ok((writer, stored)) => {
                let copied = writer.copied();
                self.writer = Some(writer);
                self.looked = Instant::now();
                let mirror = &mut self.machine.mirror;
                let at = self.machine.begun.elapsed();
                match stored {
                    Ok(()) => mirror.handle_stored(at),
                    Err(failure) => mirror.handle_store_failure(at, failure, copied),
                }
            }
            Err(error) => {
                tracing::error!(
                    mirror.origin = self.link.region(),
                    error = &error as &dyn std::error::Error,
                    "storing a mirror panicked; it is left as it is until a restart"
                );
                let at = self.machine.begun.elapsed();
                let mirror = &mut self.machine.mirror;
                mirror.handle_store_failure(at, StoreFailure::Failed, None);
            }
        }
    }

    /// Applies the retention now and then.
    async fn look(&mut self) {
        if self.looked.elapsed() < LOOK_EVERY {
            return;
        }
        self.looked = Instant::now();
        let Some(mut writer) = self.writer.take() else {
            return;
        };
        let looked = tokio::task::spawn_blocking(move || {
            writer.look();
            writer
        });
        match looked.await {
            Ok(writer) => self.writer = Some(writer),
            Err(error) => tracing::error!(
                mirror.origin = self.link.region(),
                error = &error as &dyn std::error::Error,
                "trimming a mirror panicked; it is left as it is until a restart"
            ),
        }
    }
}

impl Machine {
    fn at(&self) -> Duration {
        self.begun.elapsed()
    }

    fn poll(&mut self) -> Option<Output> {
        let at = self.at();
        self.mirror.poll_output(at)
    }

    fn answered(&mut self, answered: Result<Answer, Failure>) {
        let at = self.at();
        match answered {
            Ok(answer) => self.mirror.handle_answer(at, answer),
            Err(failure) => self.mirror.handle_failure(at, failure),
        }
    }

    /// Returns when the machine wants to be asked again.
    async fn due(&self) {
        match self.mirror.next_timeout(self.at()) {
            Some(at) => tokio::time::sleep_until(self.begun + at).await,
            None => std::future::pending().await,
        }
    }

    fn tell(&self, note: &tidegate_core::mirror::Note) {
        told::note(&self.hub, self.log.origin(), note);
    }

    fn report(&self) {
        let at = self.at();
        let status = self.mirror.status(at);
        let ago = at.saturating_sub(status.since);
        let report = MirrorReport::new(status, now().minus(ago), std::time::Instant::now());
        self.log.tell(Some(report));
    }
}
