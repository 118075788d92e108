//! A reload under traffic: nobody notices, unless something is said differently from then on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidegate_hub::clock::now;
use tidegate_map::EventSpec;

use crate::call::{Call, assert_problem, assert_status, json};
use crate::site::Site;

const FLOWS: &str = r#"
systems: { partner: {} }
flows:
  orders:
    system: partner
    receive: { path: /in/orders, verify: { scheme: standard-webhooks, secrets: ["${env:WHSEC_OLD}", "${env:WHSEC_NEW}"] } }
    event: { type: '"before"', data: .body }
services:
  billing: { token: "${env:BILLING}", subscribe: { all: ["*"] } }
"#;

fn after() -> String {
    FLOWS.replace("before", "after").replace(
        r#""${env:WHSEC_OLD}", "${env:WHSEC_NEW}""#,
        r#""${env:WHSEC_NEW}", "${env:WHSEC_OLD}""#,
    )
}

/// A thousand requests of eight senders while the configuration changes all the time, and is refused
/// every third time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_is_dropped_or_answered_wrongly() {
    const SENDERS: usize = 8;
    const EACH: usize = 125;
    let site = Arc::new(Site::start(FLOWS).await);
    let done = Arc::new(AtomicUsize::new(0));
    let spec = site.scheme("orders");
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (client, spec, done) = (site.client(), spec.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                for n in 0..EACH {
                    let id = format!("msg_{sender}_{n}");
                    let headers = [("content-type", "application/json")];
                    let call = Call::new("/in/orders", &headers, format!("{n}"));
                    let answer = call.signed(&spec, &id, now()).send(&client).await;
                    assert_status(&answer, 200);
                    assert!(json(&answer).get("repeat").is_none(), "{answer:?}");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let (before, after) = (Arc::new(site.other(FLOWS)), Arc::new(site.other(&after())));
    let mut broken = site.other(FLOWS);
    broken.flows[0].path = "/in/elsewhere".to_owned();
    broken.flows[0].mapping = Some(EventSpec {
        kind: "((".to_owned(),
        ..EventSpec::default()
    });
    let broken = Arc::new(broken);
    let mut reloads = 0;
    while done.load(Ordering::Relaxed) < SENDERS * EACH {
        assert!(
            senders
                .iter()
                .all(|it| !it.is_finished() || done.load(Ordering::Relaxed) >= EACH),
            "a sender failed"
        );
        site.gateway().reload(&after).unwrap();
        site.gateway().reload(&broken).unwrap_err();
        site.gateway().reload(&before).unwrap();
        reloads += 1;
        tokio::task::yield_now().await;
    }
    for sender in senders {
        sender.await.unwrap();
    }
    assert!(reloads > 10, "{reloads}");
    let events = site.events();
    assert_eq!(events.len(), SENDERS * EACH);
    let of = |kind: &str| events.iter().filter(|it| it.event.kind == kind).count();
    assert_eq!(of("before") + of("after"), events.len());
    assert!(of("after") > 0 && of("before") > 0);
    let counted = |result| site.metric("tidegate_config_reloads_total", &[("result", result)]);
    assert!((counted("applied") - f64::from(2 * reloads)).abs() < 0.1);
    assert!((counted("refused") - f64::from(reloads)).abs() < 0.1);
}

#[tokio::test]
async fn a_configuration_that_is_refused_changes_nothing() {
    let site = Site::start(FLOWS).await;
    let mut broken = site.other(&FLOWS.replace("/in/orders", "/in/elsewhere"));
    broken.services.clear();
    broken.flows[0].mapping = Some(EventSpec {
        kind: "((".to_owned(),
        ..EventSpec::default()
    });
    let error = site.gateway().reload(&Arc::new(broken)).unwrap_err();
    assert!(error.to_string().contains("flow orders"), "{error}");
    assert_eq!(site.gateway().config(), site.config);
    assert_status(&site.send(&Call::genuine(&site, "orders", "1")).await, 200);
    assert_problem(
        &site.send(&Call::new("/in/elsewhere", &[], "")).await,
        404,
        "unknown-path",
    );
    let page = Call {
        method: http::Method::GET,
        ..Call::new(
            "/v1/subscriptions/all",
            &[(
                "authorization",
                "Bearer BILLING-0123456789abcdef0123456789abcdef",
            )],
            "",
        )
    };
    assert_status(&site.send(&page).await, 200);
}

#[tokio::test]
async fn the_next_request_meets_the_new_configuration() {
    let mut site = Site::start(FLOWS).await;
    let first = Call::genuine(&site, "orders", "1");
    assert_status(&site.send(&first).await, 200);
    let before = site.flow("orders");
    // The key of the first sender is withdrawn, the path is another one, the service is gone.
    let other = r#"
systems: { partner: {} }
flows:
  orders:
    system: partner
    receive: { path: /in/moved, verify: { scheme: standard-webhooks, secret: "${env:WHSEC_NEW}" } }
    event: { type: '"moved"' }
"#;
    let old_key = site.scheme("orders");
    site.reload(other).unwrap();
    assert_problem(&site.send(&first).await, 404, "unknown-path");
    let old = Call::new("/in/moved", &[], "{}").signed(
        &tidegate_wire::signature::Spec::StandardWebhooks {
            keys: vec![tidegate_types::secret::Secret::new(
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            )],
            tolerance: old_key.tolerance().unwrap(),
        },
        "2",
        now(),
    );
    assert_problem(&site.send(&old).await, 401, "unverified");
    assert_status(&site.send(&Call::genuine(&site, "orders", "2")).await, 200);
    assert_eq!(site.events().pop().unwrap().event.kind, "moved");
    let page = Call {
        method: http::Method::GET,
        ..Call::new(
            "/v1/subscriptions/all",
            &[(
                "authorization",
                "Bearer BILLING-0123456789abcdef0123456789abcdef",
            )],
            "",
        )
    };
    assert_problem(&site.send(&page).await, 401, "unknown-service");
    // What is counted goes on.
    let now = site.flow("orders");
    assert_eq!((now.kept, now.unverified), (2, 1));
    assert!(now.last_event >= before.last_event && before.last_event.is_some());
}

#[tokio::test]
async fn the_figures_of_a_flow_go_on_over_a_reload() {
    let mut site = Site::start(FLOWS).await;
    assert_status(&site.send(&Call::genuine(&site, "orders", "1")).await, 200);
    let before = site.flow("orders");
    site.reload(&after()).unwrap();
    assert_eq!(site.flow("orders"), before);
}
