//! A flow that serves: how its consumers fetch it, and the page they would get.

use std::path::Path;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use serde::Serialize;
use tidegate_config::Config;
use tidegate_config::config::{Consumer, Feed};

use super::shown::{Answered, Shown};
use crate::cli::{Global, SendArgs};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Out, Tone};

/// Events of the page that is shown.
const PAGE_EVENTS: usize = 10;

/// A page and how it was asked for.
#[derive(Debug, Serialize)]
struct Told<'a> {
    flow: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer: Option<&'a str>,
    /// The same for a shell; `TOKEN` is the consumer's token.
    curl: String,
    request: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Answered>,
}

/// Fetches one page as the first consumer does. Whoever reads keeps the cursor, so nothing is changed by it.
///
/// # Errors
/// The gateway cannot be reached. A refusal is told, and decides the code.
pub(super) async fn fetch(
    config: &Config,
    folder: &Path,
    (feed, global, args): (&Feed, &Global, &SendArgs),
    out: &Out,
) -> Outcome<Exit> {
    let given = [
        ("--data", args.data.is_some()),
        ("--dir", args.dir.is_some()),
        ("--id", args.id.is_some()),
        ("--header", !args.header.is_empty()),
        ("--count", args.count != 1),
        ("--rate", args.rate.is_some()),
    ];
    super::refuse(&feed.name, "serves", &given)?;
    let (client, base) = super::delivery::public(config, folder, global, args)?;
    let consumer = feed.consumers.first();
    let path = format!("{}?limit={}", feed.path, feed.page_max.min(PAGE_EVENTS));
    let url = format!("{base}{path}");
    let headers = authorized(consumer)?;
    let mut told = Told {
        flow: &feed.name,
        consumer: consumer.map(|it| it.name.as_str()),
        curl: curl(&url, consumer),
        request: Shown::new(&Method::GET, url, &headers, b""),
        answer: None,
    };
    let mut is_good = true;
    if !args.dry_run {
        let answer = client.request(Method::GET, &path, headers, Bytes::new());
        let answer = answer
            .await
            .map_err(|error| super::delivery::unreached(&base, error))?;
        is_good = answer.status.is_success();
        let status = answer.status.as_u16();
        told.answer = Some(Answered::new(status, &answer.headers, &answer.body));
    }
    told.print(out)?;
    Ok(if is_good { Exit::Success } else { Exit::Failed })
}

fn authorized(consumer: Option<&Consumer>) -> Outcome<HeaderMap> {
    let mut headers = HeaderMap::new();
    let Some(token) = consumer.and_then(|it| it.tokens.first()) else {
        return Ok(headers);
    };
    let value = HeaderValue::from_bytes(&[b"Bearer ", token.expose()].concat());
    let mut value = value.map_err(|_| {
        let what = "the consumer's token has characters that a header cannot carry";
        Failure::told(Exit::Failed, what)
    })?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(headers)
}

fn curl(url: &str, consumer: Option<&Consumer>) -> String {
    let token = consumer.map_or("", |_| " -H \"authorization: Bearer $TOKEN\"");
    format!("curl -i '{url}'{token}")
}

impl Told<'_> {
    fn print(&self, out: &Out) -> Outcome {
        if out.is_json() {
            return out.json_line(self);
        }
        out.line(&out.paint(Tone::Strong, &self.curl))?;
        if let Some(consumer) = self.consumer {
            out.remark(&format!("TOKEN is the token of consumer {consumer}"));
        }
        let Some(answer) = &self.answer else {
            return Ok(());
        };
        out.line(&format!("\n{}", answer.status))?;
        answer.print(out)
    }
}
