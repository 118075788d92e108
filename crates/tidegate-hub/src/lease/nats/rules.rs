//! What a lease store in NATS must not be: one table, each row with the defect it would meet and the
//! cure.

use std::fmt;

use async_nats::ServerInfo;
use tidegate_core::lease::RECORD_BYTES_MAX;

use super::Settings;
use super::api::{StreamConfig, StreamInfo};

/// Something about the store that would lose a record or give one to two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsafe {
    /// What was found.
    pub found: String,
    /// What it leads to.
    pub defect: &'static str,
    /// What to do about it.
    pub cure: String,
    /// The switch with which it is put up with, for tests.
    pub danger: Option<&'static str>,
}

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            found,
            defect,
            cure,
            danger,
        } = self;
        write!(f, "{found}: {defect}; {cure}")?;
        match danger {
            Some(danger) => write!(f, " (or `{danger}: true`, for tests)"),
            None => Ok(()),
        }
    }
}

/// Which defects are put up with, for tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dangers {
    /// One replica where several are asked for in production.
    pub single_replica: bool,
    /// A server whose version is known to lose records.
    pub server_version: bool,
}

pub(super) const SINGLE_REPLICA: &str = "danger-single-replica";
pub(super) const SERVER_VERSION: &str = "danger-server-version";

impl Dangers {
    pub(super) fn tolerate(self, found: &Unsafe) -> bool {
        match found.danger {
            Some(SINGLE_REPLICA) => self.single_replica,
            Some(SERVER_VERSION) => self.server_version,
            _ => false,
        }
    }
}

/// The oldest releases of each line that are safe. Older ones reply before a compaction of a block was
/// synced although `sync_interval: always` asks for it, and some lose streams when they are killed
/// (nats-server issues 6888, 8475).
const SAFE_SINCE: [(u64, u64, u64); 2] = [(2, 12, 15), (2, 14, 5)];

/// Room in a message beside a record: subject and headers.
const OVERHEAD_BYTES: usize = 1 << 10;

/// What is unsafe about the server.
pub(super) fn server(info: &ServerInfo) -> Vec<Unsafe> {
    let mut found = Vec::new();
    if !is_safe_version(&info.version) {
        found.push(Unsafe {
            found: format!("the server is NATS {}", info.version),
            defect: "it can lose what it has acknowledged",
            cure: "run 2.12.15, 2.14.5 or later".to_owned(),
            danger: Some(SERVER_VERSION),
        });
    }
    let row = |found: String, defect, cure: &str| Unsafe {
        found,
        defect,
        cure: cure.to_owned(),
        danger: None,
    };
    if !info.jetstream {
        found.push(row(
            "JetStream is off".to_owned(),
            "nothing is kept",
            "start the server with a `jetstream` block that has `sync_interval: always`",
        ));
    }
    if !info.headers {
        found.push(row(
            "headers are off".to_owned(),
            "writes would not be compared",
            "remove `no_header_support` from the server's configuration",
        ));
    }
    let needed = RECORD_BYTES_MAX + OVERHEAD_BYTES;
    if info.max_payload < needed {
        found.push(row(
            format!("the server takes messages of {} bytes", info.max_payload),
            "a full record could not be written any more",
            "raise `max_payload` to 1MB, its default",
        ));
    }
    found
}

fn is_safe_version(text: &str) -> bool {
    let number = text.split_once('-').map_or(text, |(number, _)| number);
    let mut parts = number.split('.').map(str::parse::<u64>);
    let (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) =
        (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let same_line = SAFE_SINCE
        .iter()
        .find(|(a, b, _)| (*a, *b) == (major, minor));
    match same_line {
        Some((.., least)) => patch >= *least,
        // Between and before the two lines nothing is known to be safe.
        None => SAFE_SINCE.iter().all(|(a, b, _)| (major, minor) > (*a, *b)),
    }
}

/// What is unsafe about the stream.
pub(super) fn stream(info: &StreamInfo, settings: &Settings) -> Vec<Unsafe> {
    let (config, name) = (&info.config, &settings.stream);
    let rows = kept(config, settings.replicas)
        .into_iter()
        .chain(changed(config, &format!("{name}.>")));
    let found = rows.filter(|row| row.is_so);
    found
        .map(|row| Unsafe {
            found: format!("the stream {name}: {}", row.found),
            defect: row.defect,
            cure: format!("set {}", row.cure),
            danger: row.danger,
        })
        .collect()
}

/// A row of the table of streams.
struct Row {
    is_so: bool,
    found: String,
    defect: &'static str,
    cure: String,
    danger: Option<&'static str>,
}

impl Row {
    fn new(is_so: bool, found: &str, defect: &'static str, cure: &str) -> Self {
        Self {
            is_so,
            found: found.to_owned(),
            defect,
            cure: cure.to_owned(),
            danger: None,
        }
    }
}

/// How records are kept.
fn kept(config: &StreamConfig, replicas: u8) -> [Row; 6] {
    let has = config.num_replicas;
    [
        Row::new(
            config.storage != "file",
            &format!("it is kept in {}", config.storage),
            "a restart would forget who acts",
            "storage: file",
        ),
        Row {
            danger: Some(SINGLE_REPLICA),
            ..Row::new(
                has < 3,
                &format!("it has {has} of 3 replicas"),
                "one lost disk would forget who acts, and one lost server stops every takeover",
                "replicas over three sites",
            )
        },
        Row::new(
            has < replicas,
            &format!("it has {has} replicas, not {replicas}"),
            "fewer losses are survived than the configuration says",
            &format!("{replicas} replicas, or `lease.replicas` as it is"),
        ),
        Row::new(
            config.max_msgs_per_subject != 1,
            &format!(
                "it keeps {} messages of a subject",
                config.max_msgs_per_subject
            ),
            "it grows without an end, and an older record could come back",
            "max_msgs_per_subject: 1",
        ),
        Row::new(
            config.max_age != 0,
            "its records have an age at which they go",
            "each server removes them by its own clock, and a shard would seem free",
            "max_age: 0",
        ),
        Row::new(
            config
                .persist_mode
                .as_deref()
                .is_some_and(|mode| mode != "default"),
            "it is written behind (persist_mode)",
            "acknowledged records are lost with the power (NATS ADR-56)",
            "persist_mode: default",
        ),
    ]
}

/// How records change.
fn changed(config: &StreamConfig, wanted: &str) -> [Row; 4] {
    [
        Row::new(
            has_limit(config),
            "it has a limit of messages, bytes or message size",
            "at the limit nobody could renew, or records would go",
            "no max_msgs, max_bytes and max_msg_size",
        ),
        Row::new(
            config.discard != "new" || config.retention != "limits",
            &format!(
                "it discards {} under `{}`",
                config.discard, config.retention
            ),
            "records could be removed by something else than a newer one",
            "discard: new, retention: limits",
        ),
        Row::new(
            config.subjects != [wanted] || is_fed(config),
            "other streams or subjects write to it",
            "a record could change without a compare-and-set",
            &format!("the one subject {wanted}, no mirror, sources and transforms"),
        ),
        Row::new(
            config.sealed || config.no_ack,
            "it is sealed or does not acknowledge",
            "no write could ever be confirmed",
            "sealed: false, no_ack: false",
        ),
    ]
}

const fn has_limit(config: &StreamConfig) -> bool {
    let room = 1 << 20;
    (config.max_msgs >= 0 && config.max_msgs < room)
        || (config.max_bytes >= 0 && config.max_bytes < room << 10)
        || (config.max_msg_size >= 0 && config.max_msg_size < room)
}

const fn is_fed(config: &StreamConfig) -> bool {
    config.mirror.is_some() || config.sources.is_some() || config.subject_transform.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for safe in [
            "2.12.15",
            "2.12.20",
            "2.14.5",
            "2.15.0",
            "3.0.0",
            "2.14.6-RC.1",
        ] {
            assert!(is_safe_version(safe), "{safe}");
        }
        for not in [
            "2.14.0", "2.14.4", "2.13.9", "2.12.14", "2.10.22", "", "2.14", "x.y.z",
        ] {
            assert!(!is_safe_version(not), "{not}");
        }
    }

    fn settings() -> Settings {
        Settings {
            servers: Vec::new(),
            stream: "OWN".to_owned(),
            replicas: 3,
            credentials: None,
            tls: None,
            dangers: Dangers::default(),
        }
    }

    fn good() -> StreamConfig {
        let asked = super::super::api::create("OWN", 3);
        serde_json::from_str(&asked).unwrap()
    }

    #[test]
    fn what_is_created_is_safe() {
        let config = good();
        assert_eq!(stream(&StreamInfo { config }, &settings()), []);
    }

    #[test]
    fn each_row_is_found() {
        type Spoil = fn(&mut StreamConfig);
        let spoils: [(Spoil, &str); 13] = [
            (|it| it.storage = "memory".to_owned(), "kept in memory"),
            (|it| it.num_replicas = 1, "1 of 3 replicas"),
            (|it| it.max_msgs_per_subject = 5, "keeps 5 messages"),
            (|it| it.max_age = 1, "an age at which"),
            (|it| it.max_msgs = 10, "a limit of messages"),
            (|it| it.max_bytes = 10, "a limit of messages"),
            (|it| it.max_msg_size = 10, "a limit of messages"),
            (|it| it.discard = "old".to_owned(), "discards old"),
            (
                |it| it.retention = "workqueue".to_owned(),
                "under `workqueue`",
            ),
            (
                |it| it.subjects.push("x.>".to_owned()),
                "other streams or subjects",
            ),
            (
                |it| it.mirror = Some(serde_json::json!({})),
                "other streams or subjects",
            ),
            (|it| it.no_ack = true, "does not acknowledge"),
            (
                |it| it.persist_mode = Some("async".to_owned()),
                "written behind",
            ),
        ];
        for (spoil, told) in spoils {
            let mut config = good();
            spoil(&mut config);
            let found = stream(&StreamInfo { config }, &settings());
            let text: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert!(text.iter().any(|it| it.contains(told)), "{told}: {text:?}");
        }
    }

    #[test]
    fn a_danger_covers_its_row_only() {
        let mut config = good();
        config.num_replicas = 1;
        let one = Settings {
            replicas: 1,
            ..settings()
        };
        let found = stream(&StreamInfo { config }, &one);
        let [single] = &found[..] else {
            panic!("{found:?}");
        };
        let dangers = Dangers {
            single_replica: true,
            server_version: false,
        };
        assert!(dangers.tolerate(single));
        assert!(!Dangers::default().tolerate(single));
        let old = ServerInfo {
            version: "2.14.0".to_owned(),
            jetstream: true,
            headers: true,
            max_payload: 1 << 20,
            ..ServerInfo::default()
        };
        let found = server(&old);
        assert_eq!(found.len(), 1);
        assert!(!dangers.tolerate(&found[0]));
    }
}
