//! Text nobody planned for, and configurations against each other.

use proptest::prelude::*;

use super::fixtures::plain;
use super::{Fixed, load_fixed};
use crate::config::{Change, ChangeKind, Identity};
use crate::diagnostic::Problems;
use crate::{Config, load, marked, schema};

const FULL: &str = include_str!("../../tests/fixtures/good/full.yaml");
const SCHEMES: &str = include_str!("../../tests/fixtures/good/schemes.yaml");

fn config(text: &str) -> Config {
    let loaded = load_fixed("t.yaml", text);
    let shown = plain(&loaded);
    loaded.config.expect(&shown)
}

/// One change of a text: bytes from `at` on replaced.
fn altered(text: &str, at: usize, length: usize, with: &str) -> String {
    let floor = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(at % text.len());
    let end = floor((start + length).min(text.len()));
    let mut out = text.to_owned();
    out.replace_range(start..end, with);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text_gives_a_configuration_or_errors(text in ".{0,200}") {
        let loaded = load("t.yaml", &text, None, &Fixed);
        prop_assert_eq!(loaded.config.is_some(), loaded.report.errors() == 0);
        prop_assert_eq!(plain(&loaded).is_empty(), loaded.report.problems().is_empty());
    }

    /// Near misses reach every part of checker and decoder. Whatever the decoder takes, the schema
    /// takes too.
    #[test]
    fn the_schema_takes_what_the_decoder_takes(
        at in 0_usize..4000,
        length in 0_usize..12,
        with in prop_oneof!["", "[a-z0-9:{}\\[\\]\"' \n.*-]{1,6}", Just("~".to_owned()), Just("1".to_owned())],
        schemes: bool,
    ) {
        let text = altered(if schemes { SCHEMES } else { FULL }, at, length, &with);
        let loaded = load("t.yaml", &text, (!schemes).then_some("us-east-1"), &Fixed);
        prop_assert_eq!(loaded.config.is_some(), loaded.report.errors() == 0);
        prop_assert!(plain(&loaded).is_empty() == loaded.report.problems().is_empty());
        if loaded.config.is_some() {
            let node = marked::parse(&text, &mut Problems::default());
            let json = node.map(|node| node.to_json()).unwrap_or_default();
            let error = jsonschema::draft202012::new(&schema())
                .map_err(|error| error.to_string())
                .and_then(|schema| schema.validate(&json).map_err(|error| error.to_string()));
            prop_assert!(error.is_ok(), "{error:?}\n{text}");
        }
    }
}

#[test]
fn defaults_hold_where_nothing_is_said() {
    let config = config("subsystem: orders\n");
    assert_eq!(config.region, "local");
    assert_eq!(config.account, "local");
    assert_eq!(config.listen.public.address.to_string(), "127.0.0.1:7400");
    assert_eq!(config.listen.admin.address.to_string(), "127.0.0.1:7401");
    assert_eq!(config.log.size_max, 10 << 30);
    assert_eq!(config.limits.body_max, 1 << 20);
    assert_eq!(config.limits.drain_timeout.as_secs(), 25);
}

#[test]
fn what_the_file_says_holds() {
    let config = config(FULL);
    assert_eq!(config.account, "123456789012");
    let regions: Vec<&str> = config.regions.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(regions, ["us-east-1", "us-west-2"]);
    let flow = &config.flows[0];
    assert_eq!(flow.identity, Identity::Expression);
    let mapping = flow.mapping.as_ref().expect("it is a webhook");
    assert_eq!(mapping.kind, "\"crm.\" + .body.kind");
    assert_eq!(flow.ledger_bytes_per_event_per_second(), 10 * 86_400 * 120);
    assert_eq!(config.flows[1].identity, Identity::CloudEvent);
    assert_eq!(config.flows[1].body_max, 2 << 20);
    let checkout = &config.services[0];
    assert_eq!(checkout.subscriptions[0].on, ["payment.*", "crm.changed"]);
    assert_eq!(checkout.subscriptions[0].max_lag.as_secs(), 3 * 86_400);
    assert_eq!(self::config(SCHEMES).flows[0].identity, Identity::Scheme);
}

#[test]
fn ids_are_remembered_no_longer_than_the_log_is_kept() {
    let flow = "systems: { s: {} }\nflows: { f: { system: s, receive: { path: /f, verify: none }, \
                event: { id: none, type: '\"f\"' } } }\n";
    for (keep, dedup) in [("1d", 1), ("7d", 7), ("30d", 7)] {
        let config = config(&format!(
            "subsystem: orders\nlog: {{ keep: {keep} }}\n{flow}"
        ));
        assert_eq!(config.flows[0].dedup.as_secs(), dedup * 86_400, "{keep}");
    }
}

#[test]
fn changes_are_told_by_part() {
    let old = config(SCHEMES);
    assert_eq!(old.changes(&old), []);
    let text = SCHEMES
        .replace("tolerance: 10m", "tolerance: 9m")
        .replace("  svix:\n", "  svix-two:\n")
        + "data: ./elsewhere\nlog: { keep: 8d }\n";
    let changes = old.changes(&config(&text));
    let told: Vec<_> = changes
        .iter()
        .map(
            |Change {
                 part,
                 kind,
                 restart,
             }| (part.as_str(), *kind, *restart),
        )
        .collect();
    assert_eq!(
        told,
        [
            ("data", ChangeKind::Changed, true),
            ("log", ChangeKind::Changed, false),
            ("flows.standard", ChangeKind::Changed, false),
            ("flows.svix", ChangeKind::Removed, false),
            ("flows.svix-two", ChangeKind::Added, false),
        ]
    );
}

#[test]
fn the_summary_holds_no_secret() {
    for text in [FULL, SCHEMES] {
        let config = config(text);
        let shown = format!("{} {config:?}", config.redacted_json());
        for secret in ["0123456789abcdef", "fedcba98", "MfKQ9r8G"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
