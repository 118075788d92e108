//! Ends and beginnings: nothing is passed over, nothing stands in the log twice.

use serde_json::json;

use super::site::Site;
use super::source::{Asked, Reply, Source};

const ITEMS: usize = 60;
const PAGE: usize = 4;

const FLOW: &str = "  list:
    system: erp
    poll: { every: 1s, request: '/l?after={cursor}', items: '.i[]', next: .n }
    event: { id: .body.id, type: '\"a\"' }";

fn answer(asked: &Asked) -> Reply {
    let at: usize = asked
        .parameter("after")
        .map_or(0, |text| text.parse().unwrap());
    let end = ITEMS.min(at + PAGE);
    let items: Vec<_> = (at..end)
        .map(|number| json!({ "id": number.to_string() }))
        .collect();
    let next = (end < ITEMS).then(|| end.to_string());
    Reply::json(&json!({ "i": items, "n": next }))
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_goes_on_where_the_log_ends() {
    let source = Source::start(|_, asked| answer(asked)).await;
    let mut site = Site::start(&source.url(), FLOW).await;
    for kill in 0..6 {
        let seen = source.asked().len();
        site.until("a few requests", |_| source.asked().len() > seen + kill % 3)
            .await;
        site = site.restarted(&source.url(), FLOW).await;
    }
    site.until("all items", |site| site.ids().len() >= ITEMS)
        .await;
    let expected: Vec<String> = (0..ITEMS).map(|number| number.to_string()).collect();
    assert_eq!(site.ids(), expected);
    // What was durable was not asked for again.
    let numbers: Vec<u64> = site.polled().iter().map(|polled| polled.number).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_a_flow_and_leaves_others_alone() {
    let source = Source::start(|_, asked| answer(asked)).await;
    let other = FLOW.replace("list:", "other:");
    let site = Site::start(&source.url(), &format!("{FLOW}\n{other}")).await;
    site.until("all items", |site| site.ids().len() == 2 * ITEMS)
        .await;
    // The type changes, the cursor stays: nothing is read again but the last page, which is known.
    let changed = FLOW.replace("'\"a\"'", "'\"b\"'");
    site.reload(&format!("{changed}\n{other}"));
    let last = format!("/l?after={}", ITEMS - PAGE);
    let begun = source.asked().len();
    site.until("more requests", |_| source.asked().len() > begun + 3)
        .await;
    assert!(source.asked()[begun..].iter().all(|it| it.target == last));
    // Removed, it stops.
    site.reload(&other);
    site.until("the end of one", |site| site.gateway.polls().len() == 1)
        .await;
    assert_eq!(site.ids().len(), 2 * ITEMS);
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_it_rests_over_restarts_too() {
    let source = Source::start(|_, asked| answer(asked)).await;
    let site = Site::start(&source.url(), FLOW).await;
    site.until("all items", |site| site.ids().len() == ITEMS)
        .await;
    site.gateway.pause("list", true).await.unwrap();
    let paused = |site: &Site| site.gateway.polls()[0].state == "paused";
    site.until("the pause", paused).await;
    let site = site.restarted(&source.url(), FLOW).await;
    site.until("the pause after a restart", paused).await;
    let asked = source.asked().len();
    site.gateway.pause("list", false).await.unwrap();
    site.until("more requests", |_| source.asked().len() > asked)
        .await;
    assert!(site.gateway.pause("none", true).await.is_err());
}
