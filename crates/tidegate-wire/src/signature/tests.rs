//! Vectors from outside, refusals by kind, and properties of every scheme.

mod properties;
mod specs;
mod vectors;

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::*;

/// 2021-02-25T15:02:10Z, the time of the example in the libraries of Standard Webhooks.
const NOW: UnixMillis = UnixMillis(1_614_265_330_000);

const MINUTES_5: Duration = Duration::from_secs(300);

fn secret(text: &str) -> tidegate_types::secret::Secret {
    tidegate_types::secret::Secret::new(text)
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let parse = |(name, value): &(&str, &str)| {
        (
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    let mut map = HeaderMap::new();
    for (name, value) in pairs.iter().map(parse) {
        map.append(name, value);
    }
    map
}

fn post<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> Request<'a> {
    Request {
        method: "POST",
        path: "/in/x",
        query: "",
        headers,
        body,
    }
}

/// Verifies a POST with these headers and body.
#[track_caller]
fn verify(
    spec: &Spec,
    now: UnixMillis,
    pairs: &[(&str, &str)],
    body: &[u8],
) -> Result<(usize, Option<String>), Refusal> {
    let headers = headers(pairs);
    let verified = Verifier::new(spec)
        .unwrap()
        .verify(now, &post(&headers, body))?;
    Ok((verified.key_index, verified.external_id.map(str::to_owned)))
}
