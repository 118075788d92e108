//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit::TABLE;

/// A regional gateway for events: receives webhooks, loses nothing.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, after_help = TABLE, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Heading of the options that every command has.
const EVERYWHERE: &str = "Options of every command";

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The configuration.
    #[arg(
        long,
        global = true, help_heading = EVERYWHERE,
        value_name = "FILE",
        default_value = "tidegate.yaml"
    )]
    pub(crate) config: PathBuf,
    /// Which region of the configuration this is; not needed if it has one.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "NAME")]
    pub(crate) region: Option<String>,
    /// Print JSON for programs: one document, or one per line where there are many.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// When to use colours.
    #[arg(
        long,
        global = true, help_heading = EVERYWHERE,
        value_enum,
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub(crate) color: Colour,
    /// Address of the node's admin API; by default as the configuration says.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "URL")]
    pub(crate) admin: Option<String>,
    /// Environment variable with the token of the admin API; by default as the configuration says.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "NAME")]
    pub(crate) token_env: Option<String>,
    /// PEM file of the authorities whose certificates are believed.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Colour {
    // On a terminal, unless NO_COLOR is set. A comment for readers here: the words tell users enough.
    Auto,
    Always,
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node until SIGTERM or SIGINT; SIGHUP reads the configuration again.
    Run,
    /// Write a commented configuration to start from.
    Init {
        /// Where to; never over a file that is there.
        #[arg(value_name = "FILE", default_value = "tidegate.yaml")]
        file: PathBuf,
    },
    /// Check configurations and tell everything that is wrong with them.
    Check {
        /// The files; that of `--config` if none is given.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// What every flow does in every disruption: who acts, where, and what holds.
    Plan(PlanArgs),
    /// Have the node read its configuration again.
    Reload,
    /// How the node is doing.
    Status,
    /// Look at events, and send some once more.
    #[command(subcommand)]
    Events(EventsCommand),
    /// Look at what could not be processed, and cure it.
    #[command(subcommand)]
    Faults(FaultsCommand),
    /// Look at flows; pause and resume those that deliver.
    #[command(subcommand)]
    Flows(FlowsCommand),
    /// What happened to the node: starts, stops, reloads, recoveries.
    Timeline(TimelineArgs),
    /// What became of the events of each flow and hour, and whether that is all of them.
    Books(BooksArgs),
    /// Try a flow: post test webhooks, send an event to its endpoint, or fetch a page.
    Send(SendArgs),
    /// Completions for a shell.
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// What a configuration can say.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The description of the admin API: OpenAPI 3.1 as JSON.
    Openapi,
}

/// Which plan to show.
#[derive(Clone, Debug, Args)]
pub(crate) struct PlanArgs {
    /// Only this flow; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) flow: Vec<String>,
    /// What the partner behind this system sees of you and has to allow, in Markdown.
    #[arg(long = "as", value_name = "SYSTEM", conflicts_with_all = ["flow", "diff", "json"])]
    pub(crate) partner: Option<String>,
    /// What changes between two configurations; the exit code is 8 if a guarantee gets weaker.
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with = "flow")]
    pub(crate) diff: Vec<PathBuf>,
}

/// Which books to show.
#[derive(Clone, Debug, Args)]
pub(crate) struct BooksArgs {
    /// Only this flow, or `services/NAME`.
    #[arg(long, value_name = "NAME")]
    pub(crate) flow: Option<String>,
    /// The last hours, the present one included: 1 to 49.
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub(crate) hours: u32,
    /// A row for each hour, not only the sum.
    #[arg(long)]
    pub(crate) by_hour: bool,
}

/// Conditions on events; those given hold together.
#[derive(Clone, Debug, Args)]
pub(crate) struct FilterArgs {
    /// The event type, or its beginning followed by `*`: `order.*`.
    #[arg(long = "type", value_name = "PATTERN")]
    pub(crate) kind: Option<String>,
    /// The flow, or `services/NAME`.
    #[arg(long, value_name = "NAME")]
    pub(crate) flow: Option<String>,
    /// The partition key.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Text in the payload or in the original body.
    #[arg(long)]
    pub(crate) text: Option<String>,
}

/// Look at events, and send some once more.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Print events as they come in, until it is interrupted.
    Tail {
        #[command(flatten)]
        filter: FilterArgs,
        /// Begin this many events back.
        #[arg(long, value_name = "N", default_value_t = 10)]
        last: usize,
        /// Print what is there and end.
        #[arg(long)]
        once: bool,
        /// End after this many events.
        #[arg(long, value_name = "N")]
        count: Option<usize>,
    },
    /// Print one event with its original.
    Get {
        /// Its identity.
        id: String,
    },
    /// Send events of the log once more to one flow: the other side lost what it had taken.
    Replay(ReplayArgs),
    /// Search the log.
    Search {
        #[command(flatten)]
        filter: FilterArgs,
        /// Nothing before: RFC 3339, or how long ago: 15m, 2h, 7d.
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Nothing later: RFC 3339, or how long ago.
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// Oldest first.
        #[arg(long)]
        oldest: bool,
        /// Events at most.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
}

/// Which events to replay, and how.
#[derive(Clone, Debug, Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true).args(["since", "ids"])))]
pub(crate) struct ReplayArgs {
    /// The flow that shall send them.
    #[arg(long, value_name = "NAME")]
    pub(crate) flow: String,
    /// Nothing that was appended before: RFC 3339, or how long ago: 15m, 2h, 7d.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Nothing that was appended later: RFC 3339, or how long ago; now by default.
    #[arg(long, value_name = "TIME", requires = "since")]
    pub(crate) until: Option<String>,
    /// The event type, or its beginning followed by `*`: `order.*`.
    #[arg(long = "type", value_name = "PATTERN", requires = "since")]
    pub(crate) kind: Option<String>,
    /// Where they came from: a flow, or `services/NAME`.
    #[arg(long, value_name = "NAME", requires = "since")]
    pub(crate) from: Option<String>,
    /// The partition key.
    #[arg(long, requires = "since")]
    pub(crate) key: Option<String>,
    /// Text in the payload or in the original body.
    #[arg(long, requires = "since")]
    pub(crate) text: Option<String>,
    /// The event with this identity; may be given several times.
    #[arg(long = "id", value_name = "ID", conflicts_with = "since")]
    pub(crate) ids: Vec<String>,
    /// At most this many per second; besides, the flow keeps its own limits.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rate: u32,
    /// At most this many, the oldest.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) limit: usize,
    /// Although later events of their keys were delivered, which they may overwrite.
    #[arg(long)]
    pub(crate) superseded: bool,
    /// Under new idempotency keys, since the endpoint may remember the old ones.
    #[arg(long)]
    pub(crate) new_key: bool,
    /// Why; stands in the log.
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    pub(crate) reason: Option<String>,
    /// Tell what would be sent, and send nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Look at what could not be processed, and cure it.
#[derive(Debug, Subcommand)]
pub(crate) enum FaultsCommand {
    /// The open faults, newest first.
    List {
        /// The flow.
        #[arg(long, value_name = "NAME")]
        flow: Option<String>,
        /// What went wrong: mapping, identity, id-reused, overrun, quarantined, format, exhausted,
        /// rejected or gone.
        #[arg(long)]
        cause: Option<String>,
        /// Faults at most.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// One fault with its original.
    Show {
        /// Its identity.
        id: String,
    },
    /// Try again: send the event, or map the request by the mapping in force.
    Resubmit {
        #[command(flatten)]
        which: WhichFaults,
        /// Although later events of its key may have been delivered.
        #[arg(long)]
        superseded: bool,
        /// Under a new idempotency key, since the endpoint remembers its answer to the old one.
        #[arg(long)]
        new_key: bool,
    },
    /// Give up, for a reason; what waits for it goes on.
    Discard {
        #[command(flatten)]
        which: WhichFaults,
        /// Why; stands in the log.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// Which faults: some by their identities, or all that fit.
#[derive(Debug, Args)]
pub(crate) struct WhichFaults {
    /// Their identities.
    #[arg(value_name = "ID", required_unless_present_any = ["flow", "cause"], conflicts_with_all = ["flow", "cause"])]
    pub(crate) ids: Vec<String>,
    /// All open faults of this flow.
    #[arg(long, value_name = "NAME")]
    pub(crate) flow: Option<String>,
    /// All open faults with this cause.
    #[arg(long)]
    pub(crate) cause: Option<String>,
    /// Show which they are, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// At most this many per second.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rate: u32,
    /// At most this many, the newest.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) limit: usize,
}

/// Look at flows; pause and resume those that deliver.
#[derive(Debug, Subcommand)]
pub(crate) enum FlowsCommand {
    /// All flows and how they do.
    List,
    /// Send nothing more of a flow, over restarts too.
    Pause {
        /// Its name.
        flow: String,
    },
    /// Let it go on.
    Resume {
        /// Its name.
        flow: String,
    },
}

/// What happened to the node.
#[derive(Debug, Args)]
pub(crate) struct TimelineArgs {
    /// Nothing before: RFC 3339, or how long ago: 15m, 2h, 7d.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Entries at most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,
}

/// What to send.
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The flow. With `--dir` it may be left out: then each folder in it has the name of a flow.
    #[arg(value_name = "FLOW", required_unless_present = "dir")]
    pub(crate) flow: Option<String>,
    /// The body: text, `@FILE`, or `-` for standard input. Without it, a sample. For a flow that delivers
    /// it is the data of the event, or a whole CloudEvent as JSON.
    #[arg(long, value_name = "BODY", conflicts_with = "dir")]
    pub(crate) data: Option<String>,
    /// Send every .json file in this folder, in the order of their names. For GitHub a file's name
    /// up to its first full stop is the event.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
    /// The id of the message; a new one for each by default.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// A header to add, `NAME: VALUE`; `{id}` stands for the id. May be given several times.
    #[arg(long, value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// How often.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) count: u64,
    /// At most this many per second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rate: Option<u32>,
    /// Where to: base address of the public listener; by default as the configuration says.
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// Show the request, with credentials masked, and send nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What a configuration can say.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// The JSON Schema, for editors.
    Schema,
    /// The reference, as Markdown.
    Reference,
}
