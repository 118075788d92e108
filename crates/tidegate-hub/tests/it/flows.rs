//! What the hub knows of flows that deliver: through restarts, without its views, after closings.

use std::collections::BTreeSet;
use std::path::Path;

use tidegate_core::deliver::Restored;
use tidegate_core::log::entry::{
    Blame, Closing, Entry, Fault, FaultCause, FaultClosed, HeldLane, Receipt, ReceiptOutcome,
    Receipts, Retrying,
};
use tidegate_core::receive::intake::{Answer, Content};
use tidegate_hub::hub::Hub;
use tidegate_types::event::Raw;
use tidegate_types::id::{EventId, FlowNamespace};
use tidegate_types::position::{FrameNumber, Incarnation, Place};
use tidegate_types::time::UnixMillis;

use crate::hub::{offer, open, settings, settle};

fn at(frame: u64) -> Place {
    Place {
        incarnation: Incarnation(1),
        frame: FrameNumber(frame),
        index: 0,
    }
}

fn id(name: &str) -> EventId {
    EventId::derive(&FlowNamespace::new("orders", "test"), name)
}

fn append(hub: &Hub, entry: Entry) {
    let answer = offer(hub, Content::Plain(Box::new(entry)));
    assert!(matches!(answer, Answer::Noted), "{answer:?}");
}

fn receipts(low: u64) -> Receipts {
    Receipts {
        flow: "out".to_owned(),
        shard: 0,
        time: UnixMillis(1),
        low: at(low),
        filtered: Vec::new(),
        endpoints: vec!["endpoint".to_owned()],
        done: Vec::new(),
        held: Vec::new(),
        released: Vec::new(),
    }
}

fn receipt(place: u64, outcome: ReceiptOutcome) -> Receipt {
    Receipt {
        place: at(place),
        id: id(&place.to_string()),
        outcome,
        attempts: 1,
        time: UnixMillis(1),
    }
}

fn retrying(place: u64) -> Retrying {
    Retrying {
        flow: "out".to_owned(),
        shard: 0,
        place: at(place),
        id: id(&place.to_string()),
        key: String::new(),
        attempts: 2,
        sent: 3,
        since: UnixMillis(1),
        next: UnixMillis(9),
        blame: Blame::Them,
        status: 404,
        text: "status 404".to_owned(),
        time: UnixMillis(2),
    }
}

fn fault(name: &str, carried: bool) -> Entry {
    Entry::Fault(Box::new(Fault {
        id: id(name),
        flow: "out".to_owned(),
        cause: FaultCause::Rejected,
        blame: Blame::Them,
        message: "status 422".to_owned(),
        time: UnixMillis(5),
        external_id: String::new(),
        event: None,
        raw: Raw::default(),
        fingerprint: [0; 16],
        carried,
    }))
}

fn closed(name: &str) -> Entry {
    Entry::FaultClosed(Box::new(FaultClosed {
        id: id(name),
        set_aside: UnixMillis(5),
        flow: "out".to_owned(),
        how: Closing::Discarded {
            reason: "a test".to_owned(),
        },
        by: "somebody".to_owned(),
        time: UnixMillis(6),
    }))
}

const DELIVERED: ReceiptOutcome = ReceiptOutcome::Delivered {
    status: 200,
    endpoint: 0,
};

/// A flow with something of everything.
fn write_flow(hub: &Hub) -> Restored {
    append(hub, Entry::Receipts(Box::new(receipts(10))));
    append(hub, Entry::Retrying(Box::new(retrying(12))));
    append(hub, Entry::Retrying(Box::new(retrying(13))));
    append(hub, fault("a", false));
    append(hub, fault("b", false));
    let lane = HeldLane {
        key: "k".to_owned(),
        from: at(15),
        blocked: Some(id("a")),
    };
    let entry = Receipts {
        done: vec![
            receipt(10, DELIVERED),
            receipt(13, DELIVERED),
            receipt(14, ReceiptOutcome::SetAside { fault: id("a") }),
        ],
        held: vec![lane.clone()],
        ..receipts(11)
    };
    append(hub, Entry::Receipts(Box::new(entry)));
    Restored {
        begun: true,
        low: at(11),
        done: BTreeSet::from([at(13), at(14)]),
        retrying: vec![retrying(12)],
        held: vec![lane],
        set_aside: BTreeSet::from([id("b")]),
    }
}

fn forget_views(data: &Path) {
    std::fs::remove_dir_all(data.join("views")).unwrap();
}

#[test]
fn a_flow_is_found_as_its_entries_say_after_a_restart_and_without_the_views() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (hub, _) = open(&settings);
    assert_eq!(
        hub.delivery_state("out", 0).unwrap(),
        None,
        "it never began"
    );
    let expected = Some(write_flow(&hub));
    assert_eq!(hub.delivery_state("out", 0).unwrap(), expected);
    assert_eq!(hub.delivery_state("out", 1).unwrap(), None);
    assert_eq!(hub.delivery_state("ou", 0).unwrap(), None);
    drop(hub);
    let (hub, report) = open(&settings);
    assert_eq!(report.views.rebuilt, None);
    assert_eq!(hub.delivery_state("out", 0).unwrap(), expected);
    drop(hub);
    forget_views(folder.path());
    let (hub, _) = open(&settings);
    assert_eq!(hub.delivery_state("out", 0).unwrap(), expected);
    // What is settled is pruned, and so a flow costs what is open of it.
    append(&hub, closed("a"));
    append(&hub, closed("b"));
    let entry = Receipts {
        done: vec![receipt(12, DELIVERED)],
        released: vec!["k".to_owned()],
        ..receipts(99)
    };
    append(&hub, Entry::Receipts(Box::new(entry)));
    let empty = Restored {
        begun: true,
        ..Restored::new(at(99))
    };
    assert_eq!(hub.delivery_state("out", 0).unwrap(), Some(empty));
}

#[test]
fn a_fault_that_was_closed_stays_closed_when_a_copy_of_it_is_carried_later() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (hub, _) = open(&settings);
    let open_faults = |hub: &Hub| {
        settle(hub);
        hub.views().faults_open().unwrap()
    };
    append(&hub, fault("a", false));
    append(&hub, fault("b", false));
    assert_eq!(open_faults(&hub), 2);
    append(&hub, closed("a"));
    // Whoever carries it looked at the views before.
    append(&hub, fault("a", true));
    append(&hub, fault("b", true));
    assert_eq!(open_faults(&hub), 1);
    drop(hub);
    forget_views(folder.path());
    let (hub, _) = open(&settings);
    assert_eq!(open_faults(&hub), 1);
    // Set aside anew, for another reason than being carried.
    append(&hub, fault("a", false));
    assert_eq!(open_faults(&hub), 2);
}
