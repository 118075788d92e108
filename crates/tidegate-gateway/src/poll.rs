//! Polling: the shells around [`tidegate_core::poll`], one task for each flow.
//!
//! A [`driver`] asks the source through [`crate::outbound`], makes events of its items ([`items`]), and
//! appends them together with the cursor that covers them. A [`queue`] is taken from instead, and its
//! messages are deleted once they are durable. [`Polls`] starts and ends the tasks as the configuration
//! says; a flow that changed ends before it begins again from what the log says.

mod again;
mod driver;
mod events;
mod fetch;
mod flow;
mod items;
mod notes;
mod queue;
mod status;
pub mod trial;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidegate_config::Config;
use tidegate_hub::hub::Hub;
use tokio::runtime::Handle;

pub(crate) use again::again;
pub(crate) use flow::PollFlow;
pub use flow::SourceProblem;
pub use status::PollStatus;

use crate::deliver::CommandError;
use crate::generation::{CompileFailure, ReceiveFlow};
use crate::metrics::Metrics;
use crate::outbound::{Transport, TransportSettings};
use crate::pause;
use crate::tasks::{Stop, Tasks};
use driver::Driver;
use flow::Source;
use status::Board;

/// The flows that poll.
#[derive(Debug)]
pub(crate) struct Polls {
    hub: Arc<Hub>,
    transport: Arc<Transport>,
    tasks: Tasks<Way>,
}

/// What is known of a task.
#[derive(Debug)]
struct Way {
    flow: Arc<PollFlow>,
    board: Arc<Board>,
}

impl Polls {
    /// None yet. Their tasks will run on `threads`.
    pub(crate) fn new(hub: Arc<Hub>, threads: Vec<Handle>) -> Self {
        Self {
            hub,
            transport: Arc::new(Transport::new(TransportSettings::default())),
            tasks: Tasks::new(threads),
        }
    }

    /// Starts and ends tasks, so that exactly these flows poll. One that changed begins after the one
    /// before has ended; one that did not goes on undisturbed.
    pub(crate) fn apply(&self, flows: &[Arc<PollFlow>]) {
        let is_same = |way: &Way, flow: &Arc<PollFlow>| way.flow.is_same(flow);
        let start = |flow: &Arc<PollFlow>, stop| self.start(flow, stop);
        self.tasks.apply(flows, PollFlow::name, is_same, start);
    }

    fn start(
        &self,
        flow: &Arc<PollFlow>,
        stop: Stop,
    ) -> (Way, impl Future<Output = ()> + Send + use<>) {
        let way = Way {
            flow: Arc::clone(flow),
            board: Arc::default(),
        };
        let (hub, transport) = (Arc::clone(&self.hub), Arc::clone(&self.transport));
        let (flow, board) = (Arc::clone(flow), Arc::clone(&way.board));
        let work = async move {
            match &flow.source {
                Source::Queue(_) => queue::run(hub, transport, flow, stop, board).await,
                Source::Http(_) => {
                    Driver::new((hub, transport), flow, stop, board).run().await;
                }
            }
        };
        (way, work)
    }

    /// Ends all tasks within `within`. What is cut is asked for again after the next start.
    pub(crate) async fn drain(&self, within: Duration) {
        for flow in self.tasks.drain(within).await {
            tracing::warn!(flow, "a poll did not end in time");
        }
    }

    /// Pauses a flow, or lets it go on. It stays so over restarts.
    pub(crate) async fn pause(&self, flow: &str, paused: bool) -> Result<(), CommandError> {
        let known = self.tasks.with(flow, |_| ());
        known.ok_or(CommandError::UnknownFlow)?;
        let written = pause::write(&self.hub, flow, paused).await;
        written.map_err(CommandError::NotKept)
    }

    /// How the flows do.
    pub(crate) fn statuses(&self) -> Vec<PollStatus> {
        self.tasks.map(|way| way.board.show(&way.flow))
    }
}

/// The flows of a configuration, compiled. `folder` is the one its paths are relative to; `receives` are
/// its flows that receive.
pub(crate) fn compile(
    config: &Config,
    folder: &Path,
    metrics: &Metrics,
    receives: &[Arc<ReceiveFlow>],
) -> Result<Vec<Arc<PollFlow>>, CompileFailure> {
    let flows = config.polls.iter();
    let flows = flows.map(|flow| PollFlow::compile(config, flow, (folder, metrics), receives));
    flows.map(|flow| flow.map(Arc::new)).collect()
}
