//! Each way from page to page, and what becomes of items.

use serde_json::{Value, json};

use super::site::Site;
use super::source::{Asked, Reply, Source};

const EVENT: &str = "event: { id: .body.id, type: '\"invoice.\" + .body.kind', key: .body.customer, data: '{ total: .body.total }' }";

fn invoice(number: usize) -> Value {
    json!({ "id": format!("i{number}"), "kind": "sent", "customer": "c", "total": number, "at": 1_700_000_000 + number })
}

fn invoices(numbers: impl IntoIterator<Item = usize>) -> Vec<Value> {
    numbers.into_iter().map(invoice).collect()
}

fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers
        .into_iter()
        .map(|number| format!("i{number}"))
        .collect()
}

fn number(asked: &Asked, parameter: &str) -> usize {
    asked
        .parameter(parameter)
        .map_or(0, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_leads_from_page_to_page_and_is_kept_at_the_end() {
    let source = Source::start(|before, asked| {
        let at = number(asked, "after");
        // An item more from the fifth request on.
        let end = if before < 4 { 6 } else { 7 };
        let items = invoices(at..end.min(at + 3));
        let next = (at + 3 < end).then(|| (at + 3).to_string());
        Reply::json(&json!({ "items": items, "next": next }))
    })
    .await;
    let flow = format!(
        "  invoices:\n    system: erp\n    poll: {{ every: 1s, request: '/invoices?after={{cursor}}&limit=3', items: '.items[]', next: .next }}\n    {EVENT}"
    );
    let site = Site::start(&source.url(), &flow).await;
    site.until("all items", |site| site.ids().len() == 7).await;
    assert_eq!(site.ids(), names(0..7));
    let event = &site.events()[4].event;
    assert_eq!(
        (event.kind.as_str(), event.key.as_str()),
        ("invoice.sent", "c")
    );
    assert_eq!(&event.data[..], br#"{"total":4}"#);
    let raw: Value = serde_json::from_slice(&event.raw.as_ref().unwrap().body).unwrap();
    assert_eq!(raw, invoice(4));
    let asked = source.asked();
    assert_eq!(asked[0].target, "/invoices?limit=3");
    assert_eq!(asked[1].target, "/invoices?after=3&limit=3");
    assert_eq!(
        asked[0].headers["authorization"],
        "Bearer TOKEN-0123456789abcdef"
    );
    // Each page stands in one frame with its cursor behind it.
    let limits = tidegate_hub::query::PageLimits {
        entries: 1000,
        entry_bytes: 1 << 30,
        scan_bytes: 1 << 40,
    };
    let found = site
        .gateway
        .hub()
        .scan(None, limits, |_| true)
        .unwrap()
        .found;
    let frames: Vec<_> = found
        .iter()
        .filter(|it| matches!(it.entry, tidegate_core::log::entry::Entry::Polled(_)))
        .map(|it| it.place.frame)
        .collect();
    for event in found
        .iter()
        .filter(|it| matches!(it.entry, tidegate_core::log::entry::Entry::Event(_)))
    {
        assert!(frames.contains(&event.place.frame));
    }
    let text = site.gateway.metrics_text();
    assert!(text.contains("tidegate_polls_total{"), "{text}");
    let status = &site.gateway.polls()[0];
    assert!(status.items >= 7 && status.failures == 0, "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_urls_and_numbers_lead_on() {
    let source = Source::start(|_, asked| {
        let page = number(asked, "page").max(1);
        let items = invoices((page - 1) * 2..(page * 2).min(5));
        match asked.target.split('?').next().unwrap() {
            "/api/links" if page < 3 => Reply::json(&json!(items)).header(
                "link",
                &format!("</api/links?page={}>; rel=\"next\"", page + 1),
            ),
            "/api/urls" => Reply::json(&json!({
                "d": items,
                "n": (page < 3).then(|| format!("/api/urls?page={}", page + 1)),
            })),
            _ => Reply::json(&json!(items)),
        }
    })
    .await;
    let flows = [
        (
            "links",
            "request: '/links', items: '.[]', next: { link: next }",
        ),
        ("urls", "request: '/urls', items: .d, next: { url: .n }"),
        (
            "numbers",
            "request: '/numbers?page={page}', items: '.[]', next: { page: 1 }",
        ),
        (
            "bodies",
            "request: { method: POST, path: /bodies, body: '{ p: .page }' }, items: '.[]'",
        ),
    ];
    let flows: Vec<String> = flows
        .iter()
        .map(|(name, poll)| {
            format!("  {name}:\n    system: erp\n    poll: {{ every: 1h, {poll} }}\n    {EVENT}")
        })
        .collect();
    let site = Site::start(&format!("{}/api", source.url()), &flows.join("\n")).await;
    let of = |site: &Site, flow: &str| {
        let events = site.events().into_iter();
        let own = events.filter(|it| it.event.flow == flow);
        own.map(|it| it.event.external_id).collect::<Vec<_>>()
    };
    site.until("three flows", |site| site.ids().len() == 17)
        .await;
    for flow in ["links", "urls", "numbers"] {
        assert_eq!(of(&site, flow), names(0..5), "{flow}");
    }
    let posted = source
        .asked()
        .into_iter()
        .find(|it| it.method == "POST")
        .unwrap();
    assert_eq!(
        (posted.target.as_str(), posted.body.as_str()),
        ("/api/bodies", r#"{"p":""}"#)
    );
    assert_eq!(posted.headers["content-type"], "application/json");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_time_with_overlap_and_what_comes_twice_is_there_once() {
    let source = Source::start(|before, asked| {
        let since = number(asked, "since");
        let all = invoices(0..(3 + before));
        let newer = all
            .into_iter()
            .filter(|it| it["at"].as_u64().unwrap() >= since as u64);
        Reply::json(&json!(newer.collect::<Vec<_>>()))
    })
    .await;
    let flow = format!(
        "  invoices:\n    system: erp\n    poll:\n      every: 1s\n      request: '/invoices?since={{since}}'\n      items: '.[]'\n      next: {{ timestamp: {{ field: .body.at, overlap: 2s, format: seconds }} }}\n    {EVENT}"
    );
    let site = Site::start(&source.url(), &flow).await;
    site.until("some rounds", |_| source.asked().len() >= 4)
        .await;
    site.until("their items", |site| site.ids().len() >= 6)
        .await;
    let ids = site.ids();
    assert_eq!(ids, names(0..ids.len()));
    let asked = source.asked();
    assert_eq!(asked[0].target, "/invoices");
    assert_eq!(
        asked[1].target,
        format!("/invoices?since={}", 1_700_000_002 - 2)
    );
    assert_eq!(
        asked[2].target,
        format!("/invoices?since={}", 1_700_000_003 - 2)
    );
    assert!(site.gateway.polls()[0].newest.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_cannot_be_mapped_is_set_aside_once_and_holds_nothing_up() {
    let source = Source::start(|_, asked| {
        let at = number(asked, "after");
        let items = match at {
            0 => vec![
                invoice(0),
                json!({ "id": "bad", "kind": {} }),
                json!({ "kind": "none" }),
            ],
            _ => invoices([1]),
        };
        Reply::json(&json!({ "items": items, "next": at + 1 }))
    })
    .await;
    let flow = format!(
        "  invoices:\n    system: erp\n    poll: {{ every: 1h, pages-max: 2, request: '/i?after={{cursor}}', items: '.items[]', next: .next }}\n    {EVENT}"
    );
    let site = Site::start(&source.url(), &flow).await;
    site.until("both pages", |site| site.ids().len() == 2).await;
    assert_eq!(site.ids(), names([0, 1]));
    let faults = site.faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults.iter().all(|fault| fault.flow == "invoices"));
    assert_eq!(&faults[0].raw.body[..], br#"{"id":"bad","kind":{}}"#);
    assert_eq!(faults[0].external_id, "bad");
    assert_eq!(site.polled()[0].faults, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_has_not_changed_is_not_sent_again() {
    let source =
        Source::start(
            |_, asked| match asked.headers.get("if-none-match").map(String::as_str) {
                Some("\"v1\"") => Reply::status(304),
                _ => Reply::json(&json!(invoices(0..2))).header("etag", "\"v1\""),
            },
        )
        .await;
    let flow = format!(
        "  invoices:\n    system: erp\n    poll: {{ every: 1s, request: /i, items: '.[]' }}\n    {EVENT}"
    );
    let site = Site::start(&source.url(), &flow).await;
    site.until("three requests", |_| source.asked().len() >= 3)
        .await;
    let asked = source.asked();
    assert_eq!(asked[0].headers.get("if-none-match"), None);
    assert_eq!(asked[1].headers["if-none-match"], "\"v1\"");
    assert_eq!(asked[2].headers["if-none-match"], "\"v1\"");
    assert_eq!((site.ids(), site.polled().len()), (names(0..2), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_with_other_content_is_a_fault() {
    let source = Source::start(|before, _| {
        let mut item = invoice(0);
        item["total"] = json!(before);
        Reply::json(&json!([item]))
    })
    .await;
    let flow = format!(
        "  invoices:\n    system: erp\n    poll: {{ every: 1s, request: /i, items: '.[]' }}\n    {EVENT}"
    );
    let site = Site::start(&source.url(), &flow).await;
    site.until("a second version", |site| !site.faults().is_empty())
        .await;
    assert_eq!(site.faults()[0].cause.name(), "id-reused");
    assert_eq!(site.ids(), names([0]));
}
