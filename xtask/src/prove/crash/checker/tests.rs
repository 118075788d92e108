use super::super::traffic::Kind;
use super::*;
use std::fs;
use std::path::Path;
use tidegate_core::log::disk::Disk as _;
use tidegate_core::log::entry::{Blame, encode_entry};
use tidegate_core::log::frame::FrameDraft;
use tidegate_core::log::memdisk::MemDisk;
use tidegate_types::event::{Event, Raw};

/// A log on a disk in memory, copied into a folder to be looked at.
struct Log {
    disk: MemDisk,
    log: EmbeddedLog<MemDisk>,
    folder: tempfile::TempDir,
    traffic: Traffic,
}

impl Log {
    fn new() -> Self {
        let disk = MemDisk::new(1);
        let options = OpenOptions {
            segment_bytes: 64 * 1024,
            ..OpenOptions::new(ORIGIN)
        };
        let (log, _) = EmbeddedLog::open(disk.clone(), options, UnixMillis(1)).unwrap();
        Self {
            disk,
            log,
            folder: tempfile::tempdir().unwrap(),
            traffic: Traffic::new(5, 0).unwrap(),
        }
    }

    fn append(&mut self, entry: &Entry) {
        let mut draft = FrameDraft::new();
        draft.push(&encode_entry(entry)).unwrap();
        let head = self.log.head();
        self.log.append(UnixMillis(2), &head, &mut draft).unwrap();
    }

    fn look(&self, checker: &mut Checker) -> Breaches {
        copy(&self.disk, self.folder.path());
        let mut breaches = Breaches::default();
        checker.look(&self.traffic, &mut breaches).unwrap();
        breaches
    }

    fn checker(&self) -> Checker {
        Checker::new(self.folder.path().to_owned(), 5)
    }

    fn webhook(&self, nth: usize) -> Key {
        let webhooks = (1..).filter(|number| self.traffic.can_be_reused(*number));
        let number = webhooks.into_iter().nth(nth).unwrap();
        Key {
            number,
            reused: false,
        }
    }

    fn event(&self, key: Key) -> EventEntry {
        let content = self.traffic.content(key);
        let external_id = format!("e{}", key.number);
        let event = Event {
            id: EventId::derive(&FlowNamespace::new(SUBSYSTEM, "hooks"), &external_id),
            flow: "hooks".to_owned(),
            external_id,
            kind: "hook.created".to_owned(),
            time: UnixMillis(1),
            received: UnixMillis(1),
            key: String::new(),
            content_type: "application/json".to_owned(),
            data: content.data.unwrap().into(),
            attributes: Vec::new(),
            raw: content.body.map(|body| Raw {
                body: body.into(),
                ..Raw::default()
            }),
        };
        EventEntry {
            event,
            fingerprint: [0; 16],
        }
    }
}

fn copy(disk: &MemDisk, folder: &Path) {
    for (name, _) in disk.list().unwrap() {
        fs::write(folder.join(&name), disk.content(&name).unwrap()).unwrap();
    }
}

#[test]
fn an_honest_log_has_no_breach_and_is_read_on_where_the_last_look_ended() {
    let mut log = Log::new();
    let mut checker = log.checker();
    for nth in 0..3 {
        let key = log.webhook(nth);
        let entry = log.event(key);
        log.append(&Entry::Event(entry));
        let breaches = log.look(&mut checker);
        assert!(breaches.is_empty(), "{breaches}");
        assert_eq!(checker.frames, nth as u64 + 1);
    }
    let (key, id) = (log.webhook(1), log.event(log.webhook(1)).event.id);
    let mut breaches = Breaches::default();
    checker.demand([(&key, &id)].into_iter(), &mut breaches);
    assert!(breaches.is_empty(), "{breaches}");
}

#[test]
fn what_is_not_there_is_lost() {
    let log = Log::new();
    let mut checker = log.checker();
    assert!(log.look(&mut checker).is_empty());
    let (key, id) = (log.webhook(0), log.event(log.webhook(0)).event.id);
    let mut breaches = Breaches::default();
    checker.demand([(&key, &id)].into_iter(), &mut breaches);
    assert_eq!(breaches.count(Breach::Lost), 1);
}

#[test]
fn a_second_copy_is_a_breach() {
    let mut log = Log::new();
    let entry = Entry::Event(log.event(log.webhook(0)));
    log.append(&entry);
    log.append(&entry);
    let breaches = log.look(&mut log.checker());
    assert_eq!(breaches.count(Breach::Repeated), 1, "{breaches}");
}

#[test]
fn other_content_is_a_breach_in_events_and_faults() {
    let mut log = Log::new();
    let mut entry = log.event(log.webhook(0));
    entry.event.data = Bytes::from_static(b"{}");
    log.append(&Entry::Event(entry.clone()));
    entry.event.external_id = "stranger".to_owned();
    log.append(&Entry::Event(entry.clone()));
    log.append(&Entry::Fault(Box::new(fault(entry.event.id, b""))));
    let breaches = log.look(&mut log.checker());
    assert_eq!(breaches.count(Breach::Altered), 3, "{breaches}");
}

#[test]
fn a_fault_must_be_carried_out_of_removed_segments() {
    let mut log = Log::new();
    let number = (1..)
        .find(|number| log.traffic.kind(*number) == Kind::Unmappable)
        .unwrap();
    let key = Key {
        number,
        reused: false,
    };
    let body = log.traffic.content(key).body.unwrap();
    let ids = [1, 2].map(|byte| EventId::from_bytes([byte; 16]));
    let carried = Fault {
        external_id: format!("e{number}"),
        carried: true,
        ..fault(ids[0], &body)
    };
    log.append(&Entry::Fault(Box::new(carried)));
    let mut checker = log.checker();
    let mut breaches = log.look(&mut checker);
    checker.demand_carried([(&key, &ids[0])].into_iter(), &mut breaches);
    assert!(breaches.is_empty(), "{breaches}");
    checker.demand_carried([(&key, &ids[1])].into_iter(), &mut breaches);
    assert_eq!(breaches.count(Breach::Lost), 1);
}

fn fault(id: EventId, body: &[u8]) -> Fault {
    Fault {
        id,
        flow: "hooks".to_owned(),
        cause: FaultCause::Mapping,
        blame: Blame::Us,
        message: "no type".to_owned(),
        time: UnixMillis(1),
        external_id: "e1".to_owned(),
        event: None,
        raw: Raw {
            body: Bytes::copy_from_slice(body),
            ..Raw::default()
        },
        fingerprint: [0; 16],
        carried: false,
    }
}

#[test]
fn a_cursor_that_goes_back_is_a_breach() {
    let mut log = Log::new();
    for frame in [2, 1] {
        let place = Place {
            incarnation: Incarnation(1),
            frame: FrameNumber(frame),
            index: 0,
        };
        log.append(&Entry::Cursor(Cursor {
            subscription: "worker/everything".to_owned(),
            place,
            time: UnixMillis(1),
        }));
    }
    let breaches = log.look(&mut log.checker());
    assert_eq!(breaches.count(Breach::Skipped), 1, "{breaches}");
}

#[test]
fn a_log_that_was_rewritten_or_is_gone_is_a_breach() {
    let mut log = Log::new();
    let entry = Entry::Event(log.event(log.webhook(0)));
    log.append(&entry);
    let mut checker = log.checker();
    assert!(log.look(&mut checker).is_empty());

    let mut other = Log::new();
    let entry = Entry::Event(other.event(other.webhook(1)));
    other.append(&entry);
    other.append(&entry);
    copy(&other.disk, log.folder.path());
    let mut breaches = Breaches::default();
    checker.look(&log.traffic, &mut breaches).unwrap();
    assert!(breaches.count(Breach::Log) >= 1, "{breaches}");

    for file in fs::read_dir(log.folder.path()).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    let mut breaches = Breaches::default();
    checker.look(&log.traffic, &mut breaches).unwrap();
    assert_eq!(breaches.count(Breach::Log), 1, "{breaches}");
}
