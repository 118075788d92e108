//! Log lines: text on a terminal, one JSON object per line elsewhere, both on standard error.
//!
//! A JSON line carries the tags of the node and the whole chain of an error.

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, Write};

use serde_json::{Map, Value, json};
use tidegate_config::Config;
use tidegate_config::config::LogFormat;
use tidegate_hub::clock::now;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::exit::{Exit, Failure, Outcome};

/// Starts logging as the configuration says. Panics are logged too from then on.
///
/// # Errors
/// It was started before.
pub(super) fn start(config: &Config) -> Outcome {
    let terminal = io::stderr().is_terminal();
    let text = match config.logging.format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let level = config.logging.level.parse().unwrap_or(LevelFilter::INFO);
    // Libraries speak when something is off; their other lines are about themselves.
    let levels = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("tidegate", level);
    let lines = text.then(|| {
        tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(terminal)
            .with_target(false)
    });
    let json = (!text).then(|| JsonLines {
        tags: config
            .tags()
            .pairs()
            .map(|(name, tag)| (name, tag.to_owned()))
            .collect(),
    });
    let started = tracing_subscriber::registry()
        .with(levels)
        .with(lines)
        .with(json)
        .try_init();
    started.map_err(|error| {
        Failure::new(
            Exit::Failed,
            anyhow::Error::new(error).context("logging cannot be started"),
        )
    })?;
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(
            thread = thread.name().unwrap_or_default(),
            place,
            "a panic: {message}"
        );
    }));
    Ok(())
}

/// Logs why the node ends.
pub(super) fn failure(failure: &Failure) {
    let mut told = String::new();
    let mut cure = String::new();
    for (label, line) in failure.lines() {
        if label == "cure" {
            cure = line;
        } else if told.is_empty() {
            told = line;
        } else {
            told = format!("{told}: {line}");
        }
    }
    tracing::error!(cure, "the node cannot run: {told}");
}

/// Writes each event as a JSON object on a line of its own.
struct JsonLines {
    tags: Vec<(&'static str, String)>,
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _ctx: Context<'_, S>) {
        let meta = event.metadata();
        let mut line = Fields(Map::new());
        event.record(&mut line);
        let mut line = line.0;
        // What one looks for first stands first.
        let first = [
            ("time", json!(now().to_string())),
            ("level", json!(meta.level().as_str().to_lowercase())),
            ("message", line.remove("message").unwrap_or_default()),
        ];
        for (name, tag) in &self.tags {
            line.insert((*name).to_owned(), json!(tag));
        }
        line.insert("target".to_owned(), json!(meta.target()));
        let mut text = String::new();
        let rest = line.iter().map(|(name, value)| (name.as_str(), value));
        for (name, value) in first.iter().map(|(name, value)| (*name, value)).chain(rest) {
            text.push(if text.is_empty() { '{' } else { ',' });
            text.push_str(&Value::from(name).to_string());
            text.push(':');
            text.push_str(&value.to_string());
        }
        // Where nobody can read log lines there is nowhere left to say so.
        writeln!(io::stderr().lock(), "{text}}}").ok();
    }
}

/// Puts the fields of an event into an object.
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, json!(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        self.put(field, json!(text));
    }
}
