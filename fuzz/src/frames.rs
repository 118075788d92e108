//! Frames and entries as they may stand on a disk. What was read is written and read again, and must
//! be the same.

use bytes::Bytes;
use tidegate_core::log::entry::{Chunk, Cursor, Entry, System, decode_entry, encode_entry};
use tidegate_core::log::frame::{Frame, FrameHeader};
use tidegate_types::position::{FrameNumber, Incarnation, Place};
use tidegate_types::time::UnixMillis;

use crate::input::byte;

/// `kind byte, payload of an entry`; the same bytes are also read as a frame and as an entry with its length.
pub fn run(data: &[u8]) {
    let whole = Bytes::copy_from_slice(data);
    let _header = FrameHeader::decode(data);
    if let Ok(frame) = Frame::decode(&whole) {
        let _entries = frame.entries().count();
    }
    check(&decode_entry(&whole));
    let (kind, payload) = byte(data);
    let entry = Entry::Unknown {
        kind,
        payload: Bytes::copy_from_slice(payload),
    };
    check(&decode_entry(&Bytes::copy_from_slice(
        encode_entry(&entry).as_bytes(),
    )));
}

fn check<E>(read: &Result<Entry, E>) {
    let Ok(entry) = read else { return };
    let again = encode_entry(entry);
    let read = decode_entry(&Bytes::copy_from_slice(again.as_bytes()));
    assert_eq!(
        read.as_ref().ok(),
        Some(entry),
        "an entry changes when it is written again"
    );
}

/// One entry of several kinds, without and with its length.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let place = Place {
        incarnation: Incarnation(7),
        frame: FrameNumber(3),
        index: 1,
    };
    let entries = [
        Entry::Cursor(Cursor {
            subscription: "a/b".to_owned(),
            place,
            time: UnixMillis(1),
        }),
        Entry::System(System {
            kind: "started".to_owned(),
            time: UnixMillis(1),
            text: "it started".to_owned(),
            tags: vec![("a".to_owned(), "b".to_owned())],
        }),
        Entry::Chunk(Chunk {
            group: 1,
            index: 0,
            bytes: Bytes::from_static(b"piece"),
        }),
    ];
    let whole = entries
        .iter()
        .map(|entry| encode_entry(entry).as_bytes().to_vec());
    let whole: Vec<Vec<u8>> = whole.chain(crate::recovery::event_entries()).collect();
    let payloads = whole
        .iter()
        .filter_map(|bytes| bytes.get(4..).map(<[u8]>::to_vec))
        .collect();
    [whole.clone(), payloads].concat()
}
