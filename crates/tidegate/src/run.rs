//! `run`: a node from its start to its end.

mod logging;
mod process;
mod signals;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tidegate_config::Config;
use tidegate_console::{Admin, AdminHandler, AdminSettings};
use tidegate_gateway::gateway::{Gateway, hub_settings, listener_settings, peer_settings};
use tidegate_gateway::http::{Listener, ListenerSettings, Server};
use tidegate_gateway::peer::rejoin::{Fetched, Rejoined, rejoin};
use tidegate_hub::clock::now;
use tidegate_hub::hub::{Hub, HubError, OpenReport};
use tidegate_types::time::UnixMillis;
use tokio::runtime::Runtime;

use self::process::Process;
use self::signals::{Signal, Signals};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Out;
use crate::source::{Source, Usable};

/// Threads of the runtime of the admin API; the public listener has threads of its own.
const RUNTIME_THREADS: usize = 2;

/// Connections of the admin listener at a time: operators, probes and scrapes, not senders.
const ADMIN_CONNECTIONS_MAX: u32 = 256;

/// Longer than the longest long poll.
const ADMIN_REQUEST_TIMEOUT: Duration = Duration::from_secs(45);

/// How long the admin API may take to finish after the public listener has.
const ADMIN_DRAIN: Duration = Duration::from_secs(2);

/// How often a long catch-up says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Runs a node until it is told to end.
///
/// # Errors
/// The configuration cannot be used. Whatever happens later is logged.
pub(crate) fn run(source: &Source, out: &Out) -> Outcome<Exit> {
    let started = now();
    let Usable { config, report } = source.usable(out)?;
    if let Some(why) = report.not_run() {
        if !out.is_json() {
            out.error_text(&report.render(out.colours_errors()));
        }
        return Err(Failure::told(Exit::Invalid, why)
            .cure("`tidegate check` shows the place; `tidegate plan` shows what the file says"));
    }
    logging::start(&config)?;
    for problem in report.problems() {
        let (line, column) = report.place(problem);
        tracing::warn!(
            code = problem.code.id(),
            place = format!("{}:{line}:{column}", report.file()),
            cure = problem.help,
            "configuration: {}",
            problem.message
        );
    }
    match node(source, Arc::new(config), started) {
        Ok(()) => Ok(Exit::Success),
        Err(failure) => {
            logging::failure(&failure);
            Ok(failure.exit())
        }
    }
}

fn node(source: &Source, config: Arc<Config>, started: UnixMillis) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .thread_name("tidegate-admin")
        .enable_all()
        .build()
        .context("the runtime cannot be started")
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let hub = Arc::new(open(&config, &source.folder(), &runtime)?);
    let ended = runtime.block_on(serve(source, config, &hub, started));
    if ended.is_ok() {
        hub.record("stopped", "the node has stopped", &[]);
    }
    // The last frame is on disk when this returns.
    hub.close();
    tracing::info!("stopped");
    ended
}

/// Opens the hub and tells what was found.
///
/// Before anything is written the other regions are asked whether they hold more of this region's log.
fn open(config: &Config, folder: &Path, runtime: &Runtime) -> Outcome<Hub> {
    let mut told = now();
    let peers = peer_settings(config, folder);
    let mut rejoined = None;
    let opened = Hub::open_with(
        &hub_settings(config),
        |log| {
            if let Some(settings) = &peers {
                rejoined = Some(runtime.block_on(rejoin(settings, log))?);
            }
            Ok(())
        },
        |applied, last| {
            if now().since(told) >= PROGRESS_EVERY {
                told = now();
                tracing::info!(
                    frame.applied = applied.0,
                    frame.last = last.0,
                    "the local views catch up"
                );
            }
        },
    );
    let (hub, report) = opened.map_err(|error| {
        let cure = match &error {
            HubError::Rejoin(_) => "see what it says; nothing was written",
            _ => "is another node using the folder? Each needs a `data` of its own",
        };
        let error = anyhow::Error::from(error);
        Failure::new(
            Exit::Failed,
            error.context(format!("the data in {} cannot be opened", config.data)),
        )
        .cure(cure)
    })?;
    tell(&hub, &report);
    if let Some(rejoined) = rejoined {
        tell_rejoined(&hub, &rejoined);
    }
    Ok(hub)
}

fn tell_rejoined(hub: &Hub, rejoined: &Rejoined) {
    if !rejoined.unreachable.is_empty() {
        tracing::warn!(
            regions = rejoined.unreachable.join(", "),
            "other regions could not be asked whether they hold more of this region's log"
        );
    }
    if let Some(Fetched { from, first, last }) = &rejoined.fetched {
        let text = format!(
            "frames {first} to {last} of this region were not here and were fetched from {from}"
        );
        tracing::warn!("{text}");
        hub.record("log-completed", &text, &[("from", from.clone())]);
    }
}

fn tell(hub: &Hub, report: &OpenReport) {
    let log = &report.log;
    tracing::info!("{log}");
    if let Some(damage) = &log.damage {
        tracing::error!(%damage, "the log is damaged; it serves what stands before and takes nothing more");
    }
    if log.cut.is_some() {
        hub.record("recovered", &log.to_string(), &[]);
    }
    if let Some(reason) = report.views.rebuilt {
        tracing::warn!(reason, "the local views were rebuilt from the log");
        hub.record(
            "views-rebuilt",
            &format!("the local views were rebuilt: {reason}"),
            &[],
        );
    }
}

/// From the opening of the listeners to the end of the drain.
async fn serve(
    source: &Source,
    config: Arc<Config>,
    hub: &Arc<Hub>,
    started: UnixMillis,
) -> Outcome {
    let mut signals = Signals::listen()
        .context("signals cannot be listened for")
        .map_err(fail)?;
    let folder = source.folder();
    let gateway = Gateway::start(Arc::clone(&config), &folder, Arc::clone(hub)).await;
    let gateway = Arc::new(gateway.map_err(|error| unheard(error.into()))?);
    let process = Arc::new(Process::new(Arc::clone(&gateway), source.clone()));
    let (admin, server) = administer(&config, &folder, hub, &process, started).await?;
    let (public_address, admin_address) = (gateway.address(), server.address());
    let region = config.region.as_str();
    let peer_address = gateway.peer_address().map(tracing::field::display);
    tracing::info!(
        listener.public = %public_address,
        listener.admin = %admin_address,
        listener.peer = peer_address,
        region,
        "ready"
    );
    hub.record(
        "started",
        &format!(
            "tidegate {} listens on {public_address}",
            env!("CARGO_PKG_VERSION")
        ),
        &[("version", env!("CARGO_PKG_VERSION").to_owned())],
    );
    loop {
        match signals.next().await {
            Signal::Reload => process.reload_on_signal().await,
            Signal::End(name) => {
                tracing::info!(signal = name, "draining; a second signal ends at once");
                break;
            }
        }
    }
    tokio::select! {
        () = drain(&gateway, &admin, server, config.limits.drain_timeout) => Ok(()),
        () = signals.end() => signals::end_at_once(),
    }
}

/// Finishes what is under way. The admin API stays until the public listener has finished, so that
/// probes see that the node is going down.
async fn drain(gateway: &Gateway, admin: &Admin, server: Server, within: Duration) {
    admin.stop();
    let drained = gateway.drain(within).await;
    if drained.requests_cut > 0 || drained.connections_cut > 0 {
        tracing::warn!(
            requests = drained.requests_cut,
            connections = drained.connections_cut,
            "the drain ended before everything was answered; the senders will send again"
        );
    }
    let deadline = std::time::Instant::now() + ADMIN_DRAIN;
    server.drain(deadline).await;
}

async fn administer(
    config: &Config,
    folder: &Path,
    hub: &Arc<Hub>,
    process: &Arc<Process>,
    started: UnixMillis,
) -> Outcome<(Arc<Admin>, Server)> {
    let settings = ListenerSettings {
        connections_max: ADMIN_CONNECTIONS_MAX,
        request_timeout: config.limits.request_timeout.max(ADMIN_REQUEST_TIMEOUT),
        ..listener_settings(config, &config.listen.admin, folder)
    };
    let listener = Listener::bind(settings).await;
    let listener = listener
        .context("the admin listener cannot be opened")
        .map_err(unheard)?;
    let settings = AdminSettings {
        address: listener.address(),
        started,
        version: env!("CARGO_PKG_VERSION"),
    };
    let admin = Arc::new(Admin::new(
        Arc::clone(hub),
        Arc::clone(process) as _,
        settings,
    ));
    let server = listener.serve(Arc::new(AdminHandler::new(admin.router())));
    Ok((admin, server))
}

fn fail(error: anyhow::Error) -> Failure {
    Failure::new(Exit::Failed, error)
}

fn unheard(error: anyhow::Error) -> Failure {
    fail(error).cure("if another program listens there, give `listen` another address")
}
