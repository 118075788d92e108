//! The exposition and the page about it name the same series, with the same kinds and labels.

use std::collections::{BTreeMap, BTreeSet};

use crate::call::{Call, assert_status};
use crate::pages::page;
use crate::site::Site;

const CONFIG: &str = r#"
systems: { partner: { url: "https://partner.example" } }
flows:
  orders:
    system: partner
    receive: { path: /in/orders, verify: none }
    event: { id: content, type: '"t"' }
  calls:
    system: partner
    deliver: { on: [nothing] }
  list:
    system: partner
    poll: { every: 1h, request: /list, items: '.[]' }
    event: { id: .body.id, type: '"t"' }
  feed:
    system: partner
    serve: { path: /out/feed, on: ["*"], consumers: { shop: { token: "${env:SHOP}" } } }
services:
  reader: { token: "${env:READER}", subscribe: { all: ["*"] } }
"#;

/// The tags of the node, which every series has.
const TAGS: [&str; 5] = ["account", "region", "stage", "subsystem", "service"];

/// Kind and own labels by series.
type Series = BTreeMap<String, (String, BTreeSet<String>)>;

fn exposed(text: &str) -> Series {
    let mut series = Series::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# TYPE ") {
            let (name, kind) = described.split_once(' ').unwrap();
            let suffix = if kind == "counter" { "_total" } else { "" };
            family = format!("{name}{suffix}");
            series.insert(family.clone(), (kind.to_owned(), BTreeSet::new()));
        } else if let Some((_, labels)) = line.split_once('{').filter(|_| !line.starts_with('#')) {
            let labels = labels
                .split("\",")
                .map(|label| label.split('=').next().unwrap());
            let labels: Vec<&str> = labels.collect();
            assert!(TAGS.iter().all(|tag| labels.contains(tag)), "{line}");
            let own = labels
                .into_iter()
                .filter(|it| !TAGS.contains(it) && *it != "le");
            series
                .get_mut(&family)
                .unwrap()
                .1
                .extend(own.map(str::to_owned));
        }
    }
    series
}

fn documented(page: &str) -> Series {
    let rows = page.lines().filter(|line| line.starts_with("| `tidegate_"));
    let code = |cell: &str| {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let kinds = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let kinds = kinds.filter(|cells| ["counter", "gauge", "histogram"].contains(&cells[2]));
    kinds
        .map(|cells| {
            (
                code(cells[1])[0].clone(),
                (cells[2].to_owned(), code(cells[3]).into_iter().collect()),
            )
        })
        .collect()
}

#[tokio::test]
async fn the_page_lists_every_series_and_no_other() {
    let mut site = Site::start(CONFIG).await;
    assert_status(&site.send(&Call::new("/in/orders", &[], "{}")).await, 200);
    site.reload(CONFIG).unwrap();
    site.close_books().await;
    let mut exposed = exposed(&site.gateway().metrics_text());
    assert!(exposed.len() > 30);
    let documented = documented(&page("metrics.md"));
    // There is no park before an endpoint has been away for long, no age before a source has answered, and no
    // mirror with one region: name
    // and kind are there, and no sample.
    for (name, told) in &mut exposed {
        let later = ["park_", "poll_", "mirror_", "copy_"]
            .iter()
            .any(|it| name.starts_with(&format!("tidegate_{it}")));
        if later
            && told.1.is_empty()
            && let Some((_, labels)) = documented.get(name)
        {
            told.1.clone_from(labels);
        }
    }
    assert_eq!(documented, exposed);
}

/// Reasons and outcomes are told too.
#[tokio::test]
async fn the_page_lists_every_value_of_a_label() {
    let site = Site::start(CONFIG).await;
    let (text, page) = (site.gateway().metrics_text(), page("metrics.md"));
    for label in ["outcome=\"", "reason=\""] {
        let values: BTreeSet<_> = text
            .split(label)
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert!(values.len() > 3, "{label}");
        for value in values {
            assert!(page.contains(&format!("`{value}`")), "{label}{value}");
        }
    }
}
