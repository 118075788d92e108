//! The time a request is signed at, and the key of its day.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use ring::hmac;
use tidegate_types::secret::Secret;
use tidegate_types::time::UnixMillis;

use super::Scope;

/// A time as `20150830T123600Z`, whose first eight characters are its day.
pub(super) struct Stamp {
    text: String,
    day: String,
}

impl Stamp {
    /// `None` beyond the year 9999.
    pub(super) fn new(now: UnixMillis) -> Option<Self> {
        // The RFC 3339 form without its punctuation and milliseconds.
        let shown = now.to_string();
        let mut text = String::with_capacity(16);
        for character in shown.chars().take_while(|character| *character != '.') {
            match character {
                '-' | ':' => {}
                'T' | '0'..='9' => text.push(character),
                _ => return None,
            }
        }
        let day = text.get(..8)?.to_owned();
        if text.len() != 15 {
            return None;
        }
        text.push('Z');
        Some(Self { text, day })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn day(&self) -> &str {
        &self.day
    }
}

/// The secret key, and what was derived from it for the day that was asked for last.
pub(super) struct KeyCache {
    secret: Secret,
    derived: Mutex<Option<(String, hmac::Key)>>,
}

impl KeyCache {
    pub(super) fn new(secret: Secret) -> Self {
        Self {
            secret,
            derived: Mutex::new(None),
        }
    }

    /// The signing key of `day`; `scope` is the same at every call.
    pub(super) fn of_day(&self, day: &str, scope: &Scope) -> hmac::Key {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        match &*derived {
            Some((known, key)) if known == day => key.clone(),
            _ => {
                let key = derive(&self.secret, day, scope);
                *derived = Some((day.to_owned(), key.clone()));
                key
            }
        }
    }
}

/// Day, region, service and a closing word, each signed with what came before it.
fn derive(secret: &Secret, day: &str, scope: &Scope) -> hmac::Key {
    let key = |bytes: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
    let first = key(&[b"AWS4", secret.expose()].concat());
    [day, &scope.region, &scope.service, "aws4_request"]
        .into_iter()
        .fold(first, |signing, part| {
            key(hmac::sign(&signing, part.as_bytes()).as_ref())
        })
}

/// Upper-case `%XX` of a byte.
pub(super) fn push_escaped(out: &mut String, byte: u8) {
    // Writing to a string does not fail.
    write!(out, "%{byte:02X}").ok();
}
