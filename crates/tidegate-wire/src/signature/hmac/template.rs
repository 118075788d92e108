//! What an HMAC covers: a text with placeholders, parsed once.

use http::HeaderName;

use crate::signature::SpecError;

/// Longest template. It comes from the configuration; real ones have fewer than 50 bytes.
const TEMPLATE_BYTES_MAX: usize = 512;

/// A parsed template.
#[derive(Debug)]
pub(super) struct Template(Vec<Piece>);

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Body,
    Timestamp,
    Id,
    Method,
    Path,
    Query,
    Header(HeaderName),
}

impl Template {
    pub(super) fn parse(template: &str) -> Result<Self, SpecError> {
        if template.len() > TEMPLATE_BYTES_MAX {
            return Err(SpecError::TemplateLength(TEMPLATE_BYTES_MAX));
        }
        let mut pieces = Vec::new();
        let mut rest = template;
        while let Some((text, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}').ok_or(SpecError::OpenBrace)?;
            if !text.is_empty() {
                pieces.push(Piece::Text(text.to_owned()));
            }
            pieces.push(Piece::parse(name)?);
            rest = tail;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// Its parts in order.
    pub(super) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Whether it has this part.
    pub(super) fn signs(&self, piece: &Piece) -> bool {
        self.0.contains(piece)
    }
}

impl Piece {
    fn parse(name: &str) -> Result<Self, SpecError> {
        let unknown = || SpecError::UnknownPlaceholder(name.to_owned());
        Ok(match name {
            "body" => Self::Body,
            "timestamp" => Self::Timestamp,
            "id" => Self::Id,
            "method" => Self::Method,
            "path" => Self::Path,
            "query" => Self::Query,
            _ => {
                let header = name.strip_prefix("header:").ok_or_else(unknown)?;
                Self::Header(header.parse().map_err(|_| unknown())?)
            }
        })
    }
}
