//! Pausing, reloading, restarting.

use crate::sink::{Does, Got, Sink};
use crate::site::{PATIENCE, Site, one_flow};

#[tokio::test]
async fn a_paused_flow_stays_so_over_a_restart() {
    let sink = Sink::start().await;
    let site = Site::start(&one_flow(&sink.url(), "")).await;
    site.publish("order.created", "a", "").await;
    sink.wait_for(1).await;
    site.gateway().pause("orders", true).await.unwrap();
    site.publish("order.created", "b", "").await;
    let site = site.restart().await;
    site.flow_when(|it| it.state == "paused").await;
    assert_eq!(sink.got().len(), 1);
    site.gateway().pause("orders", false).await.unwrap();
    let got = sink.wait_for(2).await;
    assert_eq!(got[1].id(), "b");
    let site = site.restart().await;
    site.flow_when(|it| it.state == "running").await;
    let unknown = site.gateway().pause("nobody", true).await;
    assert_eq!(
        unknown.unwrap_err().to_string(),
        "no flow of this name delivers or polls"
    );
}

#[tokio::test]
async fn a_reload_changes_a_flow_and_neither_loses_nor_doubles() {
    let (old, new) = (Sink::start().await, Sink::start().await);
    let mut site = Site::start(&one_flow(&old.url(), "")).await;
    site.publish_many("a", 20, 5).await;
    site.reload(&one_flow(&new.url(), "")).await;
    site.publish_many("b", 20, 5).await;
    site.flow_when(|it| it.delivered == 40).await;
    let mut ids: Vec<String> = old.got().iter().chain(&new.got()).map(Got::id).collect();
    assert!(new.got().iter().any(|it| it.id() == "b-19"));
    ids.sort();
    let all = ids.len();
    ids.dedup();
    assert_eq!((all, ids.len()), (40, 40));
}

#[tokio::test]
async fn a_flow_that_is_taken_out_ends_and_goes_on_where_it_stood() {
    let sink = Sink::start().await;
    let with = one_flow(&sink.url(), "");
    let mut site = Site::start(&with).await;
    site.publish("order.created", "a", "").await;
    site.flow_when(|it| it.delivered == 1).await;
    site.reload("").await;
    site.publish("order.created", "b", "").await;
    assert!(site.gateway().deliveries().is_empty());
    site.reload(&with).await;
    let got = sink.wait_for(2).await;
    assert_eq!(got[1].id(), "b");
}

#[tokio::test]
async fn a_new_flow_begins_now_or_with_the_oldest_event() {
    let sink = Sink::start().await;
    let mut site = Site::start("").await;
    site.publish("order.created", "a", "").await;
    site.reload(&one_flow(&sink.url(), "start: oldest")).await;
    assert_eq!(sink.wait_for(1).await[0].id(), "a");
    let other = one_flow(&sink.url(), "").replace("orders:", "others:");
    site.reload(&other).await;
    site.publish("order.created", "b", "").await;
    assert_eq!(sink.wait_for(2).await[1].id(), "b");
}

#[tokio::test]
async fn a_drain_lets_what_is_under_way_end() {
    let sink = Sink::start().await;
    let site = Site::start(&one_flow(&sink.url(), "concurrency: 1")).await;
    sink.script([Does::Hangs]);
    site.publish_many("e", 2, 2).await;
    sink.wait_for(1).await;
    {
        let drain = site.gateway().drain(PATIENCE);
        tokio::pin!(drain);
        assert!(futures_now(&mut drain).await.is_none());
        sink.release();
        drain.await;
    }
    assert_eq!(sink.got().len(), 1);
    let site = site.restart().await;
    sink.wait_for(2).await;
    site.flow_when(|it| it.delivered == 1).await;
    assert_eq!(sink.got().len(), 2);
}

/// The output, if it is there after one look.
async fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}
