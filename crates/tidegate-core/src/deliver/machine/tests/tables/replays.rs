//! Replays: settled events that are sent once more.

use super::*;

impl Shell {
    /// Asks for a replay, with permission to overtake.
    fn replay(&mut self, number: u64) -> Result<(), ReplayRefusal> {
        let replay = self.replay_of(number);
        let taken = self.machine.handle_replay(self.now, replay);
        self.drain();
        taken
    }

    fn replay_of(&self, number: u64) -> Replay<u64> {
        Replay {
            place: at(number),
            id: id_of(number),
            key: self.keys[usize::try_from(number).unwrap() - 1].to_owned(),
            bytes: 100,
            body: number,
            superseded: true,
            renew_key: false,
        }
    }

    /// Until the replay is sent again, or has ended.
    fn wait_for_the_next_try(&mut self) {
        while self.requests.is_empty() && self.replayed.is_empty() {
            self.wait_for_it();
        }
    }

    /// An event comes in.
    fn publish(&mut self, key: &'static str) {
        self.keys.push(key);
        self.machine.handle_grown();
        self.drain();
    }
}

/// Everything of these keys is delivered, and its receipts are durable.
fn delivered(keys: &[&'static str], settings: Settings) -> Shell {
    let mut shell = Shell::new(keys, settings);
    shell.deliver_all();
    assert_eq!(shell.delivered().len(), keys.len());
    shell
}

fn ok() -> Answer {
    Answer::status(200)
}

#[test]
fn a_replay_is_sent_and_leaves_no_trace() {
    for order in [Order::PerKey, Order::None, Order::Total] {
        let mut shell = delivered(&["a", "", "b"], ordered(order));
        let (outcomes, status) = (shell.outcomes.clone(), shell.machine.status());
        let low = shell.machine.low_water();
        for number in [1, 2] {
            shell.replay(number).unwrap();
            assert_eq!(shell.machine.low_water(), low);
            assert_eq!(shell.machine.status().replaying, 1);
            assert_eq!(shell.under_way(), set(&[number]));
            shell.answer(number, &ok());
        }
        assert_eq!(shell.replayed, [(1, None), (2, None)]);
        assert!(shell.append.is_none(), "{order:?}");
        assert_eq!(shell.outcomes, outcomes);
        assert_eq!(shell.machine.status(), status);
        // A restart knows nothing of one that was under way.
        shell.replay(3).unwrap();
        shell.restart();
        assert_eq!((shell.under_way(), shell.requests.len()), (set(&[]), 0));
    }
}

#[test]
fn only_what_is_settled_and_may_overtake_is_replayed() {
    let mut shell = delivered(&["a", ""], settings());
    shell.publish("a");
    assert_eq!(shell.replay(3), Err(ReplayRefusal::Pending));
    let unpermitted = Replay {
        superseded: false,
        ..shell.replay_of(1)
    };
    let refused = shell.machine.handle_replay(shell.now, unpermitted);
    assert_eq!(refused, Err(ReplayRefusal::Superseded));
    // Without an order there is nothing to overtake.
    let unordered = Replay {
        superseded: false,
        ..shell.replay_of(2)
    };
    assert_eq!(shell.machine.may_replay(shell.now, &unordered), Ok(()));
    assert_eq!(shell.machine.handle_replay(shell.now, unordered), Ok(()));
    assert_eq!(shell.replay(2), Err(ReplayRefusal::UnderWay));
}

#[test]
fn a_replay_waits_for_what_is_on_its_way_and_what_is_new_waits_for_it() {
    let mut shell = delivered(&["a", "a"], settings());
    shell.publish("a");
    shell.publish("a");
    assert_eq!(shell.under_way(), set(&[3]));
    shell.replay(1).unwrap();
    shell.replay(2).unwrap();
    assert_eq!(shell.under_way(), set(&[3]), "not beside the third");
    shell.answer(3, &ok());
    assert_eq!(shell.under_way(), set(&[]), "nor before its receipt");
    shell.durable();
    for next in [1, 2, 4] {
        assert_eq!(shell.under_way(), set(&[next]));
        shell.answer(next, &ok());
    }
    shell.durable();
    assert_eq!(shell.delivered(), set(&[1, 2, 3, 4]));
    assert_eq!(shell.replayed, [(1, None), (2, None)]);
}

#[test]
fn a_refused_replay_fails_and_becomes_no_fault() {
    let mut shell = delivered(&["a", "b"], settings());
    shell.replay(1).unwrap();
    shell.answer(1, &Answer::status(422));
    let (number, failed) = shell.replayed.pop().unwrap();
    assert_eq!((number, failed.is_some()), (1, true));
    // One that may pass is tried again, as long as that does not hold up its key for long.
    shell.replay(2).unwrap();
    let mut tries = 0;
    while shell.replayed.is_empty() {
        tries += 1;
        shell.answer(2, &Answer::status(404));
        shell.wait_for_the_next_try();
    }
    // The default schedule waits 5 s for the second attempt, and 5 min for the third.
    assert_eq!(tries, 2);
    assert!(shell.append.is_none() && shell.faults.is_empty());
}

#[test]
fn a_key_that_begins_to_wait_ends_its_replays() {
    let mut shell = delivered(&["a"], settings());
    shell.publish("a");
    shell.publish("a");
    shell.replay(1).unwrap();
    shell.answer(2, &Answer::status(422));
    shell.durable();
    assert!(matches!(shell.replayed.as_slice(), [(1, Some(why))] if why.contains("fault")));
    assert_eq!(shell.replay(1), Err(ReplayRefusal::Held));
    let resubmission = shell.resubmission(false);
    let taken = shell.machine.handle_resubmit(shell.now, resubmission);
    assert_eq!(taken, Ok(()));
    shell.drain();
    shell.deliver_all();
    assert!(shell.delivered().is_superset(&set(&[1, 3])));
    shell.replay(1).unwrap();
    shell.answer(1, &ok());
    assert_eq!(shell.replayed.len(), 2);
}

#[test]
fn there_is_an_end_to_replays_at_a_time() {
    let keys = [""; REPLAYS_MAX + 1];
    let mut shell = delivered(&keys, settings());
    let most = REPLAYS_MAX as u64;
    for number in 1..=most {
        shell.replay(number).unwrap();
    }
    let limit = REPLAYS_MAX;
    assert_eq!(shell.replay(most + 1), Err(ReplayRefusal::Busy { limit }));
    shell.deliver_all();
    assert_eq!(shell.replayed.len(), REPLAYS_MAX);
    shell.replay(most + 1).unwrap();
}

#[test]
fn an_endpoint_that_is_down_holds_a_replay_and_a_new_key_is_new() {
    let mut shell = delivered(&[""], settings());
    let renewed = Replay {
        renew_key: true,
        ..shell.replay_of(1)
    };
    let mut output = None;
    shell.machine.handle_replay(shell.now, renewed).unwrap();
    while let Some(next) = shell.machine.poll_output(shell.now) {
        if let Output::Send(send) = next {
            output = Some(send);
        }
    }
    let send = output.unwrap();
    let key = send.events[0].key;
    assert_eq!((key.id, key.renewed), (id_of(1), shell.now.0));
    shell.requests.push((send.attempt, vec![1]));
    for _ in 0..20 {
        shell.answer(1, &Answer::failed(Failure::Connect));
        shell.wait_for_the_next_try();
    }
    assert!(shell.replayed.is_empty());
    shell.answer(1, &ok());
    assert_eq!(shell.replayed, [(1, None)]);
}
