//! Reading of single values.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tidegate_types::name::is_name;

use super::super::near::nearest;
use super::{Datum, Scalar, Word, Words, Written};
use crate::diagnostic::Code;
use crate::marked::Resolved;
use crate::secrets::SecretRef;
use crate::units::{parse_bytes, parse_duration};

/// Why a scalar is not taken.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) label: String,
    pub(crate) help: String,
    /// Whether the text must not be shown.
    pub(crate) hide: bool,
}

impl Refused {
    fn new(code: Code, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            label: "not possible here".to_owned(),
            help: help.into(),
            hide: false,
        }
    }
}

/// Longest name of a header, event type, origin; generous for what is in use.
const WORD_BYTES_MAX: usize = 255;

/// Longest path of a request; proxies in front take about as much.
const PATH_BYTES_MAX: usize = 200;

/// Longest header name that the shape takes.
const HEADER_BYTES_MAX: usize = 100;

impl Scalar {
    /// Reads a scalar of this kind.
    pub(crate) fn read(&self, written: &Written) -> Result<Datum, Refused> {
        match self {
            Self::Integer { least, most } => self.integer(written, *least, *most),
            Self::Flag => self.flag(written),
            Self::Secret => secret(written),
            _ if written.resolved() != Resolved::Text => Err(self.not_text(written)),
            Self::Word(words) => word(words, &written.text),
            Self::Duration { least, most } => self.duration(&written.text, *least, *most),
            Self::Bytes { least, most } => self.bytes(&written.text, *least, *most),
            Self::Address => self.address(&written.text),
            Self::Jq if !written.text.trim().is_empty() => Ok(Datum::Expression(written.clone())),
            Self::Template if written.text.starts_with('/') => {
                Ok(Datum::Expression(written.clone()))
            }
            _ if self.takes(&written.text) => Ok(Datum::Text(written.text.clone())),
            _ => Err(self.bad(&written.text)),
        }
    }

    /// Whether plain text follows the rule of its kind; the same rules stand in the schema.
    fn takes(&self, text: &str) -> bool {
        match self {
            Self::Text { most } => !text.is_empty() && text.chars().count() <= *most,
            Self::Name => is_name(text),
            Self::Url => is_url(text),
            Self::RequestPath => is_request_path(text),
            Self::FilePath => !text.is_empty() && !text.contains('\0'),
            Self::Pattern => is_pattern(text),
            Self::Header => {
                let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+.^_`|~-".contains(&b);
                !text.is_empty() && text.len() <= HEADER_BYTES_MAX && text.bytes().all(token)
            }
            Self::MediaType => is_media_type(text),
            Self::Cidr => is_cidr(text),
            Self::Origin => text == "*" || is_origin(text),
            _ => false,
        }
    }

    fn integer(&self, written: &Written, least: u64, most: u64) -> Result<Datum, Refused> {
        let Resolved::Integer(value) = written.resolved() else {
            return Err(self.wrong_type("this is no whole number"));
        };
        u64::try_from(value)
            .ok()
            .filter(|value| (least..=most).contains(value))
            .map(Datum::Integer)
            .ok_or_else(|| self.bad(&written.text))
    }

    fn flag(&self, written: &Written) -> Result<Datum, Refused> {
        match written.resolved() {
            Resolved::Bool(value) => Ok(Datum::Flag(value)),
            _ => Err(self.wrong_type("this is neither true nor false")),
        }
    }

    fn duration(&self, text: &str, least: Duration, most: Duration) -> Result<Datum, Refused> {
        parse_duration(text)
            .filter(|value| (least..=most).contains(value))
            .map(Datum::Duration)
            .ok_or_else(|| self.bad(text))
    }

    fn bytes(&self, text: &str, least: u64, most: u64) -> Result<Datum, Refused> {
        parse_bytes(text)
            .filter(|value| (least..=most).contains(value))
            .map(Datum::Integer)
            .ok_or_else(|| self.bad(text))
    }

    fn address(&self, text: &str) -> Result<Datum, Refused> {
        text.parse::<SocketAddr>()
            .map(Datum::Address)
            .map_err(|_| self.bad(text))
    }

    fn not_text(&self, written: &Written) -> Refused {
        let mut refused = match written.resolved() {
            Resolved::Null => self.wrong_type("no value stands here"),
            _ if matches!(self, Self::Duration { .. } | Self::Bytes { .. }) => {
                self.wrong_type("a number without its unit")
            }
            _ => {
                let message = format!("`{}` without quotes is not text", written.text);
                let mut refused = self.wrong_type(&message);
                refused.help = format!("write it in quotes: \"{}\"", written.text);
                refused
            }
        };
        refused.label = "wrong type".to_owned();
        refused
    }

    fn wrong_type(&self, message: &str) -> Refused {
        let help = format!("expected: {}", self.expected());
        Refused {
            label: "wrong type".to_owned(),
            ..Refused::new(Code::WrongType, message, help)
        }
    }

    fn bad(&self, text: &str) -> Refused {
        let help = format!("expected: {}", self.expected());
        Refused::new(
            Code::BadValue,
            format!("{} is not possible here", shown(text)),
            help,
        )
    }
}

/// The text for a message, cut when it is long.
fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let mut cut: String = text.chars().take(CHARS_MAX).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("`{}`", cut.escape_debug())
}

fn secret(written: &Written) -> Result<Datum, Refused> {
    if written.resolved() == Resolved::Null {
        return Err(Scalar::Secret.not_text(written));
    }
    if let Some(reference) = SecretRef::parse(&written.text) {
        return Ok(Datum::Secret(reference));
    }
    if written.text.starts_with("${") {
        return Err(Scalar::Secret.bad(&written.text));
    }
    Err(Refused {
        label: "masked here; treat it as known to others".to_owned(),
        hide: true,
        ..Refused::new(
            Code::SecretLiteral,
            "a secret is written into the file",
            "put it into an environment variable or a file and write `\"${env:NAME}\"` or `\"${file:PATH}\"`",
        )
    })
}

fn word(words: &'static [Word], text: &str) -> Result<Datum, Refused> {
    let Some(found) = words.iter().find(|word| word.word == text) else {
        let known = words.iter().filter(|word| !word.not_yet);
        let help = match nearest(text, known.map(|word| word.word)) {
            Some(meant) => format!("did you mean `{meant}`? Possible: {}", Words(words)),
            None => format!("possible: {}", Words(words)),
        };
        let message = format!("{} is not possible here", shown(text));
        return Err(Refused::new(Code::BadValue, message, help));
    };
    if found.not_yet {
        let message = format!("`{text}` is not available in this version");
        let help = format!("possible now: {}", Words(words));
        return Err(Refused::new(Code::NotYet, message, help));
    }
    Ok(Datum::Word(found.word))
}

fn is_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let host = rest.split('/').next().unwrap_or_default();
        !host.is_empty() && !rest.contains(|c: char| c.is_whitespace() || "@?#".contains(c))
    })
}

fn is_request_path(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._~/-".contains(&b);
    let resolved = !text.split('/').any(|part| part == "." || part == "..");
    text.starts_with('/')
        && text.len() <= PATH_BYTES_MAX
        && text.bytes().all(plain)
        && !text.contains("//")
        && resolved
}

/// RFC 6838, section 4.2, and parameters of printable characters.
fn is_media_type(text: &str) -> bool {
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let essence = essence.strip_suffix(' ').unwrap_or(essence);
    let name = |part: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b);
        !part.is_empty() && part.bytes().all(allowed)
    };
    let parts = essence.split_once('/');
    text.len() <= WORD_BYTES_MAX
        && parts.is_some_and(|(kind, sub)| name(kind) && name(sub))
        && parameters.bytes().all(|b| (b' '..=b'~').contains(&b))
}

/// An address, or one with the length of its prefix and nothing set behind that.
fn is_cidr(text: &str) -> bool {
    let (address, prefix) = text
        .split_once('/')
        .map_or((text, None), |(a, p)| (a, Some(p)));
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let (bits, length) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let Some(prefix) = prefix else {
        return true;
    };
    let digits = (1..=3).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_digit());
    let prefix = prefix
        .parse::<u32>()
        .ok()
        .filter(|prefix| digits && *prefix <= length);
    prefix.is_some_and(|prefix| bits.checked_shl(prefix).unwrap_or(0) == 0)
}

fn is_pattern(text: &str) -> bool {
    let prefix = text.strip_suffix('*').unwrap_or(text);
    !text.is_empty()
        && text.len() <= WORD_BYTES_MAX
        && !prefix.contains(|c: char| c == '*' || c.is_whitespace())
}

fn is_origin(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.len() <= WORD_BYTES_MAX
        && text.bytes().all(inner)
        && text.starts_with(edge)
        && text.ends_with(edge)
}
