//! Frames round-trip; a frame with any altered bit is refused.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tidegate_types::position::{FrameNumber, Incarnation};
use tidegate_types::time::UnixMillis;

use super::*;
use crate::log::entry::{self, encode_entry};

fn stamp() -> Stamp {
    Stamp {
        incarnation: Incarnation(0x19a_9c2f_0b1d),
        number: FrameNumber(7),
        time: UnixMillis(1_795_255_200_123),
        prev: [9; 32],
    }
}

fn sealed(entries: &[Entry]) -> (Vec<u8>, FrameHash) {
    let mut draft = FrameDraft::new();
    for entry in entries {
        assert!(draft.push(&encode_entry(entry)).is_some());
    }
    let (bytes, _, hash) = draft.seal(&stamp());
    (bytes.to_vec(), hash)
}

proptest! {
    #[test]
    fn a_frame_round_trips(entries in vec(entry::tests::entry(), 0..6), behind in vec(any::<u8>(), 0..9)) {
        let (mut bytes, hash) = sealed(&entries);
        let len = bytes.len();
        bytes.extend(behind);
        let frame = Frame::decode(&Bytes::from(bytes)).unwrap();
        prop_assert_eq!(frame.bytes().len(), len);
        prop_assert_eq!(frame.hash(), hash);
        let header = frame.header();
        prop_assert_eq!(header.incarnation, stamp().incarnation);
        prop_assert_eq!(header.number, stamp().number);
        prop_assert_eq!(header.time, stamp().time);
        prop_assert_eq!(header.prev, stamp().prev);
        let read: Result<Vec<_>, _> = frame.entries().map(|(_, entry)| entry).collect();
        prop_assert_eq!(read.as_ref(), Ok(&entries));
        for (index, entry) in (0..).zip(&entries) {
            prop_assert_eq!(frame.entry(index), Some(Ok(entry.clone())));
        }
        prop_assert_eq!(frame.entry(u32::try_from(entries.len()).unwrap()), None);
    }

    #[test]
    fn any_flipped_bit_is_noticed(entries in vec(entry::tests::entry(), 0..3), at: prop::sample::Index) {
        let (mut bytes, _) = sealed(&entries);
        let bit = at.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Frame::decode(&Bytes::from(bytes)).is_err());
    }

    #[test]
    fn a_cut_frame_is_short(entries in vec(entry::tests::entry(), 0..3), at: prop::sample::Index) {
        let (bytes, _) = sealed(&entries);
        let cut = Bytes::copy_from_slice(&bytes[..at.index(bytes.len())]);
        let short = matches!(Frame::decode(&cut), Err(FrameError::Short { .. }));
        prop_assert!(short);
    }

    #[test]
    fn arbitrary_bytes_never_break_it(mut bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(Frame::decode(&Bytes::copy_from_slice(&bytes)).is_err());
        bytes.splice(..0, *b"TGF1");
        prop_assert!(Frame::decode(&Bytes::from(bytes)).is_err());
    }
}

#[test]
fn a_later_version_is_named() {
    let (mut bytes, _) = sealed(&[]);
    bytes[12] = 2;
    let check = header_check(bytes.first_chunk().unwrap());
    bytes[14..16].copy_from_slice(&check.to_le_bytes());
    let error = Frame::decode(&Bytes::from(bytes)).unwrap_err();
    assert_eq!(error, FrameError::Version(2));
    assert_eq!(
        error.to_string(),
        "the frame has format version 2, this program reads version 1"
    );
}

/// Entries that do not fill the frame, behind a correct checksum.
#[test]
fn entries_must_fill_the_frame() {
    let (mut bytes, _) = sealed(&[Entry::Unknown {
        kind: 200,
        payload: Bytes::from_static(b"abc"),
    }]);
    for len in [0_u32, 3, 5, u32::MAX] {
        bytes[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + 4].copy_from_slice(&len.to_le_bytes());
        let crc = crc32fast::hash(&bytes[CRC.end..]);
        bytes[8..CRC.end].copy_from_slice(&crc.to_le_bytes());
        let read = Frame::decode(&Bytes::copy_from_slice(&bytes));
        assert_eq!(read, Err(FrameError::Entries), "{len}");
    }
}

#[test]
fn a_full_draft_takes_no_more_and_can_be_used_again() {
    let entry = encode_entry(&Entry::Unknown {
        kind: 200,
        payload: Bytes::from(vec![1; 100_000]),
    });
    let mut draft = FrameDraft::new();
    let indexes: Vec<_> = std::iter::from_fn(|| draft.push(&entry)).collect();
    assert_eq!(indexes, [0, 1, 2, 3, 4]);
    assert!(draft.len() <= FRAME_BYTES_MAX);
    draft.clear();
    assert!(draft.is_empty());
    assert_eq!(draft.len(), FRAME_HEADER_BYTES);
    assert_eq!(draft.push(&entry), Some(0));
}

/// The format never changes by accident: these bytes are in logs.
#[test]
fn the_format_is_frozen() {
    let (bytes, hash) = sealed(&[Entry::Unknown {
        kind: 200,
        payload: Bytes::from_static(b"abc"),
    }]);
    let mut expected = b"TGF1".to_vec();
    expected.extend([84, 0, 0, 0]);
    expected.extend(crc32fast::hash(&bytes[12..]).to_le_bytes());
    expected.extend([1, 0]);
    expected.extend(header_check(bytes.first_chunk().unwrap()).to_le_bytes());
    expected.extend(0x19a_9c2f_0b1d_u64.to_le_bytes());
    expected.extend(7_u64.to_le_bytes());
    expected.extend(1_795_255_200_123_u64.to_le_bytes());
    expected.extend([9; 32]);
    expected.extend([1, 0, 0, 0]);
    expected.extend([4, 0, 0, 0, 200, b'a', b'b', b'c']);
    assert_eq!(bytes, expected);
    assert_eq!(hash, super::hash(&expected));
}
