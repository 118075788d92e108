//! Delivering: the shells around [`tidegate_core::deliver`], one task for each flow.
//!
//! A [`driver`] reads the log, maps events to requests ([`request`]), sends them through
//! [`crate::outbound`], and appends what the machine decides. [`Deliveries`] starts, changes and ends
//! the tasks as the configuration says, and takes the commands of operators to them.
//!
//! A flow's state is in the log alone. Besides receipts and retries that is cursors, which checkpoints
//! carry: how far it needs the log ([`low_cursor`]), and whether it is paused ([`crate::pause`]).

mod append;
mod attempt;
mod commands;
mod driver;
mod flow;
mod log;
mod message;
mod notes;
mod replay;
mod request;
mod status;
pub mod trial;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidegate_config::Config;
use tidegate_hub::hub::Hub;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

pub use commands::{CommandError, ResubmitRequest, Resubmitted};
pub(crate) use flow::DeliverFlow;
pub use flow::EndpointProblem;
pub(crate) use log::wants;
pub use replay::{ReplayOutcome, ReplayRequest};
pub use status::{Breaker, DeliverStatus};

use crate::outbound::{Transport, TransportSettings};
use crate::tasks::{Stop, Tasks};
use commands::Command;
use driver::Driver;
use status::Board;

/// Commands that wait for one flow; more are refused, since each waits for an answer.
const COMMANDS_MAX: usize = 64;

/// The name of the cursor that says how far a flow needs the log. No subscription has such a name.
pub(crate) fn low_cursor(flow: &str) -> String {
    format!("flows:{flow}/low")
}

/// The flows that deliver.
#[derive(Debug)]
pub(crate) struct Deliveries {
    hub: Arc<Hub>,
    transport: Arc<Transport>,
    subsystem: String,
    tasks: Tasks<Way>,
}

/// The way to a task.
#[derive(Debug)]
struct Way {
    flow: watch::Sender<Arc<DeliverFlow>>,
    commands: mpsc::Sender<Command>,
    board: Arc<Board>,
}

impl Deliveries {
    /// None yet. Their tasks will run on `threads`.
    pub(crate) fn new(hub: Arc<Hub>, subsystem: &str, threads: Vec<Handle>) -> Self {
        Self {
            hub,
            transport: Arc::new(Transport::new(TransportSettings::default())),
            subsystem: subsystem.to_owned(),
            tasks: Tasks::new(threads),
        }
    }

    /// Starts, changes and ends tasks, so that exactly these flows are delivered.
    pub(crate) fn apply(&self, flows: &[Arc<DeliverFlow>]) {
        let change = |way: &Way, flow: &Arc<DeliverFlow>| {
            way.flow.send_replace(Arc::clone(flow));
            true
        };
        let start = |flow: &Arc<DeliverFlow>, stop| self.start(flow, stop);
        self.tasks.apply(flows, DeliverFlow::name, change, start);
    }

    fn start(
        &self,
        flow: &Arc<DeliverFlow>,
        stop: Stop,
    ) -> (Way, impl Future<Output = ()> + Send + use<>) {
        let (flow_sender, flow_receiver) = watch::channel(Arc::clone(flow));
        let (commands, commands_receiver) = mpsc::channel(COMMANDS_MAX);
        let board = Arc::new(Board::default());
        let driver = Driver::new(
            (Arc::clone(&self.hub), Arc::clone(&self.transport)),
            &self.subsystem,
            (flow_receiver, commands_receiver, stop),
            Arc::clone(&board),
        );
        let way = Way {
            flow: flow_sender,
            commands,
            board,
        };
        (way, driver.run())
    }

    /// Ends all tasks: what is under way may end within `within`, what is left is cut, and will be
    /// sent again. Gives how many flows were cut.
    pub(crate) async fn drain(&self, within: Duration) -> usize {
        self.tasks.drain(within).await.len()
    }

    /// How the flows do.
    pub(crate) fn statuses(&self) -> Vec<DeliverStatus> {
        let head = self.hub.head().borrow().frame;
        self.tasks.map(|way| {
            let flow = Arc::clone(&way.flow.borrow());
            way.board.show(&flow, head)
        })
    }

    /// Has the task of a flow carry out a command, and waits for its answer.
    async fn command<T>(
        &self,
        flow: &str,
        command: impl FnOnce(oneshot::Sender<Result<T, CommandError>>) -> Command,
    ) -> Result<T, CommandError> {
        let commands = self.tasks.with(flow, |way| way.commands.clone());
        let commands = commands.ok_or(CommandError::UnknownFlow)?;
        let (answer, answered) = oneshot::channel();
        commands
            .try_send(command(answer))
            .map_err(|_| CommandError::Busy)?;
        answered.await.unwrap_or(Err(CommandError::Ending))
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
