use proptest::prelude::*;
use tidegate_types::position::{FrameNumber, Incarnation, Place};

use super::*;
use crate::feed::{ORIGINS_MAX, WHOLE_FRAME};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn keys(feed: &str, secrets: &[&[u8]]) -> CursorKeys {
    let secrets: Vec<Secret> = secrets.iter().map(|it| Secret::new(*it)).collect();
    CursorKeys::new(feed, &secrets).unwrap()
}

fn place(incarnation: u64, frame: u64, index: u32) -> Place {
    Place {
        incarnation: Incarnation(incarnation),
        frame: FrameNumber(frame),
        index,
    }
}

fn vector() -> Vector {
    let mut vector = Vector::of("us-east-1", place(0x19a_9c2f_0b1d, 812_345, 17));
    vector.set("us-west-2", place(3, 0, WHOLE_FRAME));
    vector
}

#[test]
fn each_refusal_is_its_own() {
    let keys = keys("stock", &[SECRET]);
    let filter = FilterHash::of(["stock.*"]);
    let text = keys.seal(filter, &vector());
    assert_eq!(keys.open(filter, &text), Ok(vector()));

    let other_feed = self::keys("orders", &[SECRET]);
    assert_eq!(other_feed.open(filter, &text), Err(CursorError::OtherFeed));
    let other_filter = FilterHash::of(["stock.changed"]);
    let expected = CursorError::OtherFilter(Box::new(vector()));
    assert_eq!(keys.open(other_filter, &text), Err(expected));
    let other_key = self::keys("stock", &[b"another secret of enough bytes"]);
    assert_eq!(other_key.open(filter, &text), Err(CursorError::Tampered));

    let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
    bytes[0] = 9;
    let later = URL_SAFE_NO_PAD.encode(&bytes);
    assert_eq!(
        keys.open(filter, &later),
        Err(CursorError::UnknownVersion(9))
    );
    for text in [
        "",
        "%",
        "AQ",
        "AQVzdG9jaw",
        &"A".repeat(CURSOR_CHARS_MAX + 1),
    ] {
        let refused = keys.open(filter, text).unwrap_err();
        assert!(
            matches!(
                refused,
                CursorError::Malformed | CursorError::UnknownVersion(0)
            ),
            "{text}: {refused}"
        );
    }
}

#[test]
fn a_replaced_secret_still_opens_what_it_sealed() {
    let filter = FilterHash::of(["*"]);
    let old = keys("stock", &[b"the secret of last year"]);
    let both = keys("stock", &[SECRET, b"the secret of last year"]);
    let new = keys("stock", &[SECRET]);
    assert_eq!(
        both.open(filter, &old.seal(filter, &vector())),
        Ok(vector())
    );
    assert_eq!(
        new.open(filter, &both.seal(filter, &vector())),
        Ok(vector())
    );
}

#[test]
fn parts_of_a_filter_do_not_run_into_each_other() {
    assert_ne!(FilterHash::of(["ab", "c"]), FilterHash::of(["a", "bc"]));
    assert_ne!(FilterHash::of(["a"]), FilterHash::of(["a", ""]));
}

#[test]
fn the_longest_cursor_fits_its_limit() {
    let mut vector = Vector::default();
    for number in 0..2 * ORIGINS_MAX {
        let name = format!("{}-{number:02}", "x".repeat(60));
        vector.set(&name, place(u64::MAX, u64::MAX, WHOLE_FRAME - 1));
    }
    assert_eq!(vector.marks().len(), ORIGINS_MAX);
    let keys = keys(&"y".repeat(63), &[SECRET]);
    let text = keys.seal(FilterHash::of(["*"]), &vector);
    assert!(text.len() <= CURSOR_CHARS_MAX, "{}", text.len());
    assert_eq!(keys.open(FilterHash::of(["*"]), &text), Ok(vector));
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", keys("stock", &[SECRET]));
    assert_eq!(shown, "CursorKeys { feed: \"stock\", .. }");
}

fn any_vector() -> impl Strategy<Value = Vector> {
    let mark = ("[a-z]([a-z0-9-]{0,8}[a-z0-9])?", any::<(u64, u64, u32)>());
    prop::collection::vec(mark, 0..6).prop_map(|marks| {
        let mut vector = Vector::default();
        for (origin, (incarnation, frame, index)) in marks {
            vector.set(&origin, place(incarnation, frame, index));
        }
        vector
    })
}

proptest! {
    #[test]
    fn cursors_round_trip(vector in any_vector()) {
        let keys = keys("stock", &[SECRET]);
        let filter = FilterHash::of(["*"]);
        let text = keys.seal(filter, &vector);
        prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        prop_assert_eq!(keys.open(filter, &text), Ok(vector));
    }

    #[test]
    fn a_cursor_with_any_bit_changed_is_refused(vector in any_vector(), at: prop::sample::Index, bit in 0..8_u8) {
        let keys = keys("stock", &[SECRET]);
        let filter = FilterHash::of(["*"]);
        let mut bytes = URL_SAFE_NO_PAD.decode(keys.seal(filter, &vector)).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let refused = keys.open(filter, &URL_SAFE_NO_PAD.encode(bytes)).unwrap_err();
        let expected = matches!(
            refused,
            CursorError::Tampered | CursorError::Malformed | CursorError::UnknownVersion(_)
        );
        prop_assert!(expected, "{refused:?}");
    }

    #[test]
    fn any_text_is_refused(text in ".{0,200}", bytes: Vec<u8>) {
        let keys = keys("stock", &[SECRET]);
        let filter = FilterHash::of(["*"]);
        prop_assert!(keys.open(filter, &text).is_err());
        prop_assert!(keys.open(filter, &URL_SAFE_NO_PAD.encode(bytes)).is_err());
    }

    #[test]
    fn any_bytes_are_read_as_a_vector_or_refused(bytes: Vec<u8>) {
        if let Some(vector) = Reader(&bytes).vector() {
            let mut again = Vec::new();
            bytes::put_vector(&mut again, &vector);
            prop_assert_eq!(Reader(&again).vector(), Some(vector));
        }
    }
}
