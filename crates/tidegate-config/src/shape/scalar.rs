//! Single values: how each kind is written, read, described and put into a schema.

mod read;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::marked::Scalar as Written;
use crate::secrets::SecretRef;
use crate::units::{show_bytes, show_duration};

pub(crate) use read::Refused;

/// A kind of single value.
#[derive(Debug)]
pub(crate) enum Scalar {
    /// Any text of up to `most` bytes.
    Text {
        most: usize,
    },
    /// A name: lower-case letters, digits, inner hyphens.
    Name,
    /// One of some words.
    Word(&'static [Word]),
    /// `true` or `false`.
    Flag,
    Integer {
        least: u64,
        most: u64,
    },
    Duration {
        least: Duration,
        most: Duration,
    },
    /// A size in bytes.
    Bytes {
        least: u64,
        most: u64,
    },
    /// An IP address and a port.
    Address,
    /// An `http` or `https` URL without credentials.
    Url,
    /// The path of a request.
    RequestPath,
    /// A file or folder.
    FilePath,
    /// An expression in jq.
    Jq,
    /// An event type, or the beginning of one and `*`.
    Pattern,
    /// The name of an HTTP header.
    Header,
    /// A reference to a secret.
    Secret,
    /// Path and query of a request to be made, with expressions in braces.
    Template,
    /// The media type of a body.
    MediaType,
    /// A range of addresses.
    Cidr,
    /// `*` or an origin as the CloudEvents webhook handshake knows it: a DNS name.
    Origin,
}

/// One of the words of [`Scalar::Word`].
#[derive(Debug)]
pub(crate) struct Word {
    pub(crate) word: &'static str,
    pub(crate) doc: &'static str,
    /// Known, but not available in this version.
    pub(crate) not_yet: bool,
}

impl Word {
    pub(crate) const fn new(word: &'static str, doc: &'static str) -> Self {
        Self {
            word,
            doc,
            not_yet: false,
        }
    }

    pub(crate) const fn not_yet(word: &'static str, doc: &'static str) -> Self {
        Self {
            word,
            doc,
            not_yet: true,
        }
    }
}

/// A single value, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Datum {
    Text(String),
    /// Text with the way it was written, so that a place in it can be found in the file.
    Expression(Written),
    Word(&'static str),
    Flag(bool),
    /// A number, or a size in bytes.
    Integer(u64),
    Duration(Duration),
    Address(SocketAddr),
    Secret(SecretRef),
}

impl Scalar {
    /// What is expected, for a message.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Text { .. } => "text".to_owned(),
            Self::Name => "a name such as `orders`".to_owned(),
            Self::Word(words) => format!("one of {}", Words(words)),
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Integer { least, most } => format!("a whole number from {least} to {most}"),
            Self::Duration { least, most } => format!(
                "a duration with its unit (ms, s, m, h, d) from {} to {}",
                show_duration(*least),
                show_duration(*most)
            ),
            Self::Bytes { least, most } => format!(
                "a size with its unit (B, KiB, MiB, GiB, TiB) from {} to {}",
                show_bytes(*least),
                show_bytes(*most)
            ),
            Self::Address => "an IP address and a port such as `127.0.0.1:7400`".to_owned(),
            Self::Url => "a URL such as `https://crm.example`".to_owned(),
            Self::RequestPath => "a path such as `/in/github`".to_owned(),
            Self::FilePath => "the path of a file or folder".to_owned(),
            Self::Jq => "a jq expression in quotes".to_owned(),
            Self::Pattern => "an event type such as `order.created` or `order.*`".to_owned(),
            Self::Header => "the name of a header such as `x-signature`".to_owned(),
            Self::Secret => {
                "a reference such as `\"${env:NAME}\"` or `\"${file:PATH}\"`".to_owned()
            }
            Self::Template => "a path such as `/orders/{.data.id}`".to_owned(),
            Self::MediaType => "a media type such as `application/json`".to_owned(),
            Self::Cidr => "a range of addresses such as `10.20.0.0/16`".to_owned(),
            Self::Origin => "a DNS name such as `eventgrid.example`, or `\"*\"`".to_owned(),
        }
    }

    /// The kind in a few words, for the reference.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Text { .. } => "text".to_owned(),
            Self::Name => "name".to_owned(),
            Self::Word(words) => Words(words).to_string(),
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Integer { least, most } => format!("whole number, {least} to {most}"),
            Self::Duration { least, most } => {
                let (least, most) = (show_duration(*least), show_duration(*most));
                format!("duration, {least} to {most}")
            }
            Self::Bytes { least, most } => {
                format!("size, {} to {}", show_bytes(*least), show_bytes(*most))
            }
            Self::Address => "IP address and port".to_owned(),
            Self::Url => "URL".to_owned(),
            Self::RequestPath => "path of a request".to_owned(),
            Self::FilePath => "path of a file or folder".to_owned(),
            Self::Jq => "jq expression".to_owned(),
            Self::Pattern => "event type or pattern".to_owned(),
            Self::Header => "header name".to_owned(),
            Self::Secret => "reference to a secret".to_owned(),
            Self::Template => "path with jq in braces".to_owned(),
            Self::MediaType => "media type".to_owned(),
            Self::Cidr => "range of addresses".to_owned(),
            Self::Origin => "DNS name or `*`".to_owned(),
        }
    }

    /// The fragment of the JSON Schema. Bounds of durations and sizes cannot be said there.
    pub(crate) fn schema(&self) -> Json {
        let pattern = |pattern: &str| json!({ "type": "string", "pattern": pattern });
        match self {
            Self::Text { most } => json!({ "type": "string", "minLength": 1, "maxLength": most }),
            Self::Name => pattern(NAME_PATTERN),
            Self::Word(words) => {
                let known: Vec<_> = words.iter().filter(|word| !word.not_yet).collect();
                json!({ "enum": known.iter().map(|word| word.word).collect::<Vec<_>>() })
            }
            Self::Flag => json!({ "type": "boolean" }),
            Self::Integer { least, most } => {
                json!({ "type": "integer", "minimum": least, "maximum": most })
            }
            Self::Duration { .. } => pattern("^[0-9]{1,9}(ms|s|m|h|d)$"),
            Self::Bytes { .. } => pattern("^[0-9]{1,9}(B|KiB|MiB|GiB|TiB)$"),
            Self::Address => pattern("^([0-9.]+|\\[[0-9a-fA-F:.]+\\]):[0-9]{1,5}$"),
            Self::Url => pattern("^https?://[^\\s/?#@]+(/[^\\s@?#]*)?$"),
            Self::RequestPath => pattern("^/[A-Za-z0-9._~/-]*$"),
            Self::FilePath | Self::Jq => json!({ "type": "string", "minLength": 1 }),
            Self::Pattern => pattern("^([^\\s*]+\\*?|\\*)$"),
            Self::Header => pattern("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"),
            Self::Secret => pattern("^\\$\\{(env:[A-Za-z_][A-Za-z0-9_]*|file:[^}]+)\\}$"),
            Self::Template => pattern("^/"),
            Self::MediaType => pattern("^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+( ?;[ -~]*)?$"),
            Self::Cidr => pattern("^[0-9a-fA-F.:]+(/[0-9]{1,3})?$"),
            Self::Origin => pattern("^(\\*|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)$"),
        }
    }
}

/// The rule of [`tidegate_types::name::is_name`] as a pattern.
pub(crate) const NAME_PATTERN: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";

/// Words as a list for people.
pub(crate) struct Words(pub(crate) &'static [Word]);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.0.iter().filter(|word| !word.not_yet);
        for (index, word) in known.enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}`{}`", word.word)?;
        }
        Ok(())
    }
}
