//! Plans of small worlds, all of them.

use std::collections::BTreeSet;

use super::{
    Cause, Disruption, Division, Does, Doing, Flow, Layout, Repeats, Risk, Row, Subsystem, System,
    Which, plan, shards,
};
use crate::region::{EndpointId, RegionId, RegionSet};

fn region(index: u8) -> RegionId {
    RegionId::new(index).expect("small")
}

fn endpoint(index: u8) -> EndpointId {
    EndpointId::new(index).expect("small")
}

const CALM: Disruption = Disruption {
    cause: Cause::Nothing,
    promoted: None,
};

fn subsystem(regions: usize) -> Subsystem {
    Subsystem {
        regions,
        lease_store: true,
        front_door: true,
    }
}

/// Endpoint n is near region n.
fn system(layout: Layout, endpoints: u8) -> System {
    System {
        layout,
        near: (0..endpoints).map(|index| Some(region(index))).collect(),
        allowed: RegionSet::ALL,
        linked: RegionSet::ALL,
        fails_with: None,
        rpo: None,
        retry_horizon: None,
        probed: true,
    }
}

fn systems() -> Vec<System> {
    let layouts = [
        (Layout::Single, 1),
        (Layout::PrimarySecondary, 2),
        (Layout::PrimarySecondary, 3),
        (Layout::Shared, 2),
        (Layout::Shared, 3),
        (Layout::Partitioned, 2),
    ];
    let mut all = Vec::new();
    for (layout, endpoints) in layouts {
        let plain = system(layout, endpoints);
        let with_us = System {
            fails_with: Some(region(0)),
            ..plain.clone()
        };
        let one_line = System {
            linked: RegionSet::EMPTY.with(region(0)),
            ..plain.clone()
        };
        all.extend([plain, with_us, one_line]);
    }
    all
}

fn flows() -> Vec<Flow> {
    let divisions = [Division::Keys(16), Division::Origins, Division::Whole];
    let deliver = divisions.map(|division| Does::Deliver {
        ordered: division != Division::Origins,
        division,
        repeats: Repeats::Unknown,
    });
    let others = [
        Does::Receive {
            reconciled: false,
            everywhere: false,
        },
        Does::Receive {
            reconciled: true,
            everywhere: true,
        },
        Does::Poll { rereadable: true },
        Does::Poll { rereadable: false },
        Does::Serve,
    ];
    let all = deliver.into_iter().chain(others);
    all.flat_map(|does| {
        [(false, false), (true, false), (false, true)].map(|(remote, takes_over)| Flow {
            does,
            remote,
            takes_over,
        })
    })
    .collect()
}

/// Every flow of every system of every subsystem, with its plan.
fn all_plans() -> Vec<(Subsystem, System, Flow, Vec<Row>)> {
    let mut all = Vec::new();
    for regions in 1..=3 {
        for lease_store in [true, false] {
            let subsystem = Subsystem {
                lease_store,
                ..subsystem(regions)
            };
            for system in systems() {
                for flow in flows() {
                    let rows = plan(&subsystem, &system, &flow);
                    all.push((subsystem, system.clone(), flow, rows));
                }
            }
        }
    }
    all
}

fn is_leased(flow: &Flow) -> bool {
    matches!(flow.does, Does::Deliver { .. } | Does::Poll { .. })
}

#[test]
fn nothing_goes_wrong_while_all_is_well() {
    for (subsystem, system, flow, rows) in all_plans() {
        for row in rows.iter().filter(|row| row.disruption == CALM) {
            let at = format!("{subsystem:?} {system:?} {flow:?} {row:?}");
            let held = &row.guarantees;
            assert_eq!(held.loss.to_string(), "L0", "{at}");
            if is_leased(&flow) {
                assert_eq!(held.duplicates.to_string(), "D0", "{at}");
                assert_eq!(row.action, Doing::Act, "{at}");
                assert_eq!(row.actors.len(), 1, "{at}");
            }
            // Alone, a region has nobody to confirm what it writes.
            let refused = subsystem.regions == 1 && flow.remote;
            if matches!(flow.does, Does::Receive { .. }) && refused {
                assert_eq!(row.action, Doing::Refuse, "{at}");
            } else {
                assert_eq!(row.triggers, [], "{at}");
                assert_eq!(row.risks, [], "{at}");
            }
        }
    }
}

#[test]
fn two_act_for_the_same_only_where_nothing_settles_who_does() {
    let mut split = 0;
    for (subsystem, system, flow, rows) in all_plans() {
        for row in rows.iter().filter(|row| row.actors.len() > 1) {
            if !is_leased(&flow) {
                continue;
            }
            let at = format!("{subsystem:?} {system:?} {flow:?} {row:?}");
            assert!(!subsystem.lease_store && flow.takes_over, "{at}");
            assert!(matches!(row.disruption.cause, Cause::Apart(_)), "{at}");
            if row.action == Doing::Act {
                assert!(row.risks.contains(&Risk::Split), "{at}");
                assert_eq!(row.guarantees.order.to_string(), "On", "{at}");
            }
            split += 1;
        }
    }
    assert!(split > 0);
}

#[test]
fn nobody_acts_from_where_or_against_what_is_not_there() {
    for (_, system, flow, rows) in all_plans() {
        for row in rows {
            let at = format!("{system:?} {flow:?} {row:?}");
            for actor in &row.actors {
                let Disruption { cause, .. } = row.disruption;
                assert_ne!(cause.region_down(), Some(actor.region), "{at}");
                if let Some(used) = actor.endpoint {
                    assert!(!cause.is_down(&system, used), "{at}");
                    assert_ne!(cause, Cause::Path(actor.region, used), "{at}");
                    assert!(
                        !is_leased(&flow) || system.linked.contains(actor.region),
                        "{at}"
                    );
                }
                if let Which::Part(part) = row.which {
                    assert!(actor.endpoint.is_none_or(|used| used == part), "{at}");
                }
            }
        }
    }
}

#[test]
fn somebody_takes_over_wherever_somebody_can() {
    for (subsystem, system, flow, rows) in all_plans() {
        if !subsystem.lease_store || !is_leased(&flow) {
            continue;
        }
        for row in rows {
            let at = format!("{subsystem:?} {system:?} {flow:?} {row:?}");
            let alone = system.linked.and(subsystem.all()).len() < 2;
            let idle = row.action != Doing::Act;
            match row.disruption.cause {
                Cause::Region(_) | Cause::Path(..) | Cause::LeaseCut(_)
                    if !alone && system.fails_with.is_none() && system.near.len() > 1 =>
                {
                    assert!(!idle, "{at}");
                }
                Cause::Apart(_) => assert!(!idle, "{at}"),
                Cause::LeaseDown => {
                    assert_eq!(idle, !flow.takes_over, "{at}");
                    assert_eq!(row.triggers, [], "{at}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_remote_copy_is_never_late() {
    for (_, system, flow, rows) in all_plans() {
        for row in rows.iter().filter(|_| flow.remote) {
            let at = format!("{system:?} {flow:?} {row:?}");
            assert!(!row.guarantees.loss.to_string().contains("Lt"), "{at}");
        }
    }
}

#[test]
fn key_shards_are_counted_once_each_and_prefer_in_a_circle() {
    let flow = flows()[0];
    for regions in 1..=5 {
        let found = shards(&subsystem(regions), &system(Layout::Single, 1), &flow);
        let mut sum = 0;
        let mut firsts = BTreeSet::new();
        for shards in &found {
            let Which::Keys { first, count, of } = shards.which else {
                panic!("{shards:?}");
            };
            assert_eq!((of, shards.preferences.len()), (16, regions));
            assert_eq!(shards.preferences.first(), Some(&first));
            sum += count;
            firsts.insert(first);
        }
        assert_eq!((sum, firsts.len()), (16, regions));
    }
}

#[test]
fn regions_without_a_line_are_no_choice() {
    let system = System {
        linked: RegionSet::EMPTY.with(region(1)).with(region(2)),
        ..system(Layout::Single, 1)
    };
    let found = shards(&subsystem(3), &system, &flows()[0]);
    let preferences: Vec<_> = found.iter().map(|it| it.preferences.clone()).collect();
    // Those of the region without a line go to the next one in the circle.
    assert_eq!(
        preferences,
        [vec![region(1), region(2)], vec![region(2), region(1)]]
    );
    let Which::Keys { count, .. } = found[0].which else {
        panic!("{found:?}");
    };
    assert_eq!(count, 6 + 5);
}

#[test]
fn what_fails_with_a_region_is_down_with_it() {
    let system = System {
        fails_with: Some(region(0)),
        ..system(Layout::PrimarySecondary, 2)
    };
    let down = Cause::Region(region(0));
    assert!(down.is_down(&system, endpoint(0)));
    assert!(!down.is_down(&system, endpoint(1)));
    assert!(!Cause::Region(region(1)).is_down(&system, endpoint(0)));
    // So the promotion matters, although it is ours that failed.
    let rows = plan(&subsystem(2), &system, &flows()[0]);
    let promoted: BTreeSet<_> = rows
        .iter()
        .filter(|row| row.disruption.cause == down)
        .map(|row| row.disruption.promoted)
        .collect();
    assert_eq!(promoted, BTreeSet::from([Some(false), Some(true)]));
}
