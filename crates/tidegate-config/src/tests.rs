//! The crate as a whole: fixtures, generated documents, and text nobody planned for.

mod fixtures;
mod generated;
mod plan;
mod properties;

use std::io;

use crate::{Loaded, SecretSource, load};

/// Secrets that the fixtures refer to.
pub(super) struct Fixed;

const LONG: &str = "0123456789abcdef0123456789abcdef";

impl SecretSource for Fixed {
    fn env(&self, name: &str) -> Option<String> {
        let value = match name {
            // The key in the examples of the Standard Webhooks libraries.
            "WHSEC" => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "WHSEC_OLD" => "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "LONG" => LONG,
            "LONG_OLD" => "fedcba9876543210fedcba9876543210",
            "SHORT" => "short",
            "BLANKS" => "has\u{7f}controls and blanks",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn file(&self, path: &str) -> io::Result<Vec<u8>> {
        match path {
            "secret.txt" | "./secret.txt" => Ok(format!("{LONG}\n").into_bytes()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }
}

pub(super) fn load_fixed(name: &str, text: &str) -> Loaded {
    let region = text
        .lines()
        .find_map(|line| line.strip_prefix("# region: "));
    load(name, text, region, &Fixed)
}
