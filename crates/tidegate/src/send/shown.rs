//! Requests and answers, for people and for programs.

use http::{HeaderMap, Method};
use serde::Serialize;
use tidegate_gateway::outbound::Preview;

use crate::exit::Outcome;
use crate::output::{Out, Tone};
use crate::pretty::indented;
use crate::table::plain;

/// Characters of a body that are shown to people; programs get all of it.
const BODY_SHOWN_MAX: usize = 4000;

/// What stands in place of a credential.
const MASK: &str = "****";

/// A request, its credentials masked.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    /// As text; what is none in it is replaced.
    pub(super) body: String,
}

/// An answer.
#[derive(Debug, Serialize)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Shown {
    pub(super) fn of_preview(preview: Preview, body: &[u8]) -> Self {
        Self {
            method: preview.method.to_string(),
            url: preview.url,
            headers: preview.headers,
            body: text(body),
        }
    }

    pub(super) fn new(method: &Method, url: String, headers: &HeaderMap, body: &[u8]) -> Self {
        Self {
            method: method.to_string(),
            url,
            headers: listed(headers),
            body: text(body),
        }
    }

    pub(super) fn print(&self, out: &Out) -> Outcome {
        let line = format!("{} {}", self.method, plain(&self.url));
        out.line(&out.paint(Tone::Strong, &line))?;
        print(&self.headers, &self.body, out)
    }
}

impl Answered {
    pub(super) fn new(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        Self {
            status,
            headers: listed(headers),
            body: text(body),
        }
    }

    /// Headers and body; the status is told with what it means.
    pub(super) fn print(&self, out: &Out) -> Outcome {
        print(&self.headers, &self.body, out)
    }
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

fn listed(headers: &HeaderMap) -> Vec<(String, String)> {
    let headers = headers.iter().map(|(name, value)| {
        let value = if value.is_sensitive() {
            MASK.to_owned()
        } else {
            text(value.as_bytes())
        };
        (name.as_str().to_owned(), value)
    });
    headers.collect()
}

fn print(headers: &[(String, String)], body: &str, out: &Out) -> Outcome {
    for (name, value) in headers {
        out.line(&format!("  {}: {}", plain(name), plain(value)))?;
    }
    if body.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let shown: String = body.chars().take(BODY_SHOWN_MAX).collect();
    out.line(&indented(&shown))?;
    if shown.len() < body.len() {
        out.remark(&format!(
            "the body has {} bytes; --json prints all of it",
            body.len()
        ));
    }
    Ok(())
}
