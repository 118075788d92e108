//! Delivering: the shells around [`tidegate_core::deliver`], one task for each flow.
//!
//! A [`driver`] reads the log, maps events to requests ([`request`]), sends them through
//! [`crate::outbound`], and appends what the machine decides. [`Deliveries`] starts, changes and ends
//! the tasks as the configuration says, and takes the commands of operators to them.
//!
//! A flow's state is in the log alone. Besides receipts and retries that is three cursors, which
//! checkpoints carry: how far it needs the log ([`low_cursor`]), and when it was last paused and resumed.

mod append;
mod attempt;
mod commands;
mod driver;
mod flow;
mod log;
mod message;
mod notes;
mod request;
mod status;
pub mod trial;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_config::Config;
use tidegate_hub::hub::Hub;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

pub use commands::{CommandError, ResubmitRequest, Resubmitted};
pub(crate) use flow::DeliverFlow;
pub use flow::EndpointProblem;
pub(crate) use log::wants;
pub use status::{Breaker, DeliverStatus};

use crate::outbound::{Transport, TransportSettings};
use commands::Command;
use driver::Driver;
use status::Board;

/// Commands that wait for one flow; more are refused, since each waits for an answer.
const COMMANDS_MAX: usize = 64;

/// The name of the cursor that says how far a flow needs the log. No subscription has such a name.
pub(crate) fn low_cursor(flow: &str) -> String {
    format!("flows:{flow}/low")
}

/// The names of the cursors that say when a flow was last paused and resumed: the later one counts.
pub(crate) fn pause_cursors(flow: &str) -> [String; 2] {
    [
        format!("flows:{flow}/paused"),
        format!("flows:{flow}/resumed"),
    ]
}

/// The flows that deliver.
#[derive(Debug)]
pub(crate) struct Deliveries {
    hub: Arc<Hub>,
    transport: Arc<Transport>,
    subsystem: String,
    threads: Vec<Handle>,
    running: Mutex<BTreeMap<String, Running>>,
}

/// One task and the ways to it.
#[derive(Debug)]
struct Running {
    flow: watch::Sender<Arc<DeliverFlow>>,
    commands: mpsc::Sender<Command>,
    /// Asks the task to end.
    stop: watch::Sender<bool>,
    /// Ends when the task has.
    ended: watch::Receiver<()>,
    board: Arc<Board>,
    is_stopping: bool,
}

impl Deliveries {
    /// None yet. Their tasks will run on `threads`.
    pub(crate) fn new(hub: Arc<Hub>, subsystem: &str, threads: Vec<Handle>) -> Self {
        Self {
            hub,
            transport: Arc::new(Transport::new(TransportSettings::default())),
            subsystem: subsystem.to_owned(),
            threads,
            running: Mutex::default(),
        }
    }

    /// Starts, changes and ends tasks, so that exactly these flows are delivered. A flow that ends
    /// finishes what is under way; one of the same name begins after it has ended.
    pub(crate) fn apply(&self, flows: &[Arc<DeliverFlow>]) {
        let mut running = self.running();
        for (name, task) in running.iter_mut() {
            if !flows.iter().any(|flow| flow.config.name == *name) {
                task.is_stopping = true;
                task.stop.send_replace(true);
            }
        }
        for (number, flow) in flows.iter().enumerate() {
            let name = &flow.config.name;
            match running.get_mut(name) {
                Some(task) if !task.is_stopping => {
                    task.flow.send_replace(Arc::clone(flow));
                }
                other => {
                    let before = other.map(|task| task.ended.clone());
                    let task = self.start(flow, number, before);
                    running.insert(name.clone(), task);
                }
            }
        }
    }

    fn start(
        &self,
        flow: &Arc<DeliverFlow>,
        number: usize,
        before: Option<watch::Receiver<()>>,
    ) -> Running {
        let (flow_sender, flow_receiver) = watch::channel(Arc::clone(flow));
        let (commands, commands_receiver) = mpsc::channel(COMMANDS_MAX);
        let (stop, stop_receiver) = watch::channel(false);
        let (alive, ended) = watch::channel(());
        let board = Arc::new(Board::default());
        let driver = Driver::new(
            (Arc::clone(&self.hub), Arc::clone(&self.transport)),
            &self.subsystem,
            (flow_receiver, commands_receiver, stop_receiver),
            Arc::clone(&board),
        );
        let task = async move {
            if let Some(mut before) = before {
                // Fails when the one before has gone, which is what is waited for.
                while before.changed().await.is_ok() {}
            }
            driver.run().await;
            drop(alive);
        };
        let thread = number.checked_rem(self.threads.len());
        match thread.and_then(|thread| self.threads.get(thread)) {
            Some(thread) => drop(thread.spawn(task)),
            None => drop(tokio::spawn(task)),
        }
        Running {
            flow: flow_sender,
            commands,
            stop,
            ended,
            board,
            is_stopping: false,
        }
    }

    /// Ends all tasks: what is under way may end within `within`, what is left is cut, and will be
    /// sent again. Gives how many flows were cut.
    pub(crate) async fn drain(&self, within: Duration) -> usize {
        let deadline = tokio::time::Instant::now() + within;
        let tasks = std::mem::take(&mut *self.running());
        for task in tasks.values() {
            task.stop.send_replace(true);
        }
        let mut cut = 0;
        for mut task in tasks.into_values() {
            let ended = async { while task.ended.changed().await.is_ok() {} };
            if tokio::time::timeout_at(deadline, ended).await.is_err() {
                cut += 1;
            }
        }
        cut
    }

    /// How the flows do.
    pub(crate) fn statuses(&self) -> Vec<DeliverStatus> {
        let running = self.running();
        let shown = running.values().filter(|task| !task.is_stopping);
        let head = self.hub.head().borrow().frame;
        shown
            .map(|task| {
                let flow = Arc::clone(&task.flow.borrow());
                task.board.show(&flow, head)
            })
            .collect()
    }

    /// Has the task of a flow carry out a command, and waits for its answer.
    async fn command<T>(
        &self,
        flow: &str,
        command: impl FnOnce(oneshot::Sender<Result<T, CommandError>>) -> Command,
    ) -> Result<T, CommandError> {
        let commands = {
            let running = self.running();
            let task = running.get(flow).filter(|task| !task.is_stopping);
            task.map(|task| task.commands.clone())
                .ok_or(CommandError::UnknownFlow)?
        };
        let (answer, answered) = oneshot::channel();
        commands
            .try_send(command(answer))
            .map_err(|_| CommandError::Busy)?;
        answered.await.unwrap_or(Err(CommandError::Ending))
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        // Nothing that holds the lock can leave the map half changed.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The flows of a configuration, compiled. `folder` is the one its paths are relative to; what did not
/// change of `before` is taken over with its connections and tokens.
pub(crate) fn compile(
    config: &Config,
    folder: &Path,
    metrics: &crate::metrics::Metrics,
    before: &[Arc<DeliverFlow>],
) -> Result<Vec<Arc<DeliverFlow>>, crate::gateway::CompileFailure> {
    let flows = config.deliveries.iter();
    let flows = flows.map(|flow| DeliverFlow::compile(config, flow, folder, metrics, before));
    flows.map(|flow| flow.map(Arc::new)).collect()
}
