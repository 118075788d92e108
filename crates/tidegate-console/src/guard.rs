//! Who is let in.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use subtle::ConstantTimeEq;
use tidegate_types::secret::Secret;

use crate::admin::Admin;
use crate::problem::{Code, Refusal};

/// Paths that probes ask without a token: they tell no more than whether the node is up, and why not.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// Lets a request through or answers it.
pub(crate) async fn guard(
    State(admin): State<Arc<Admin>>,
    request: Request,
    next: Next,
) -> Response {
    let open = OPEN.contains(&request.uri().path());
    let token = admin.node().config().listen.admin_token.clone();
    match admit(open, token.as_ref(), admin.is_loopback(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Without a token only a loopback listener serves, and only what no web page could have sent: a
/// page's requests carry `origin`, or name the page's own host after its name was rebound.
fn admit(
    open: bool,
    token: Option<&Secret>,
    loopback: bool,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    if open {
        return Ok(());
    }
    match token {
        Some(token) if shows(headers, token) => Ok(()),
        Some(_) => Err(Refusal::new(
            Code::Unauthorized,
            "the bearer token is missing or wrong",
        )),
        None if !loopback => Err(Refusal::new(
            Code::Unauthorized,
            "the listener is beyond loopback and has no token",
        )),
        None if headers.contains_key(header::ORIGIN) => {
            Err(Refusal::new(Code::CrossSite, "the request has an `origin`"))
        }
        None if !names_this_machine(headers) => Err(Refusal::new(
            Code::CrossSite,
            "`host` is not a name of this machine",
        )),
        None => Ok(()),
    }
}

fn shows(headers: &HeaderMap, token: &Secret) -> bool {
    let given = headers
        .get(header::AUTHORIZATION)
        .map(|value| value.as_bytes());
    let given = given.and_then(|value| {
        let (scheme, rest) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(rest)
    });
    // The time tells the length of the token, never its content.
    given.is_some_and(|given| given.ct_eq(token.expose()).into())
}

/// Whether `host` is a loopback address or `localhost`, with or without a port. HTTP/2 and
/// HTTP/1.0 may leave it out; no browser does.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else {
        return true;
    };
    let Ok(authority) = host
        .to_str()
        .unwrap_or_default()
        .parse::<http::uri::Authority>()
    else {
        return false;
    };
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let loopback = host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback());
    loopback || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    #[track_caller]
    fn check(
        token: Option<&str>,
        loopback: bool,
        headers: &[(&str, &str)],
        expected: Option<&str>,
    ) {
        let map = headers
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<http::HeaderName>().unwrap(),
                    value.parse().unwrap(),
                )
            })
            .collect();
        let refused = admit(false, token.map(Secret::new).as_ref(), loopback, &map).err();
        assert_eq!(
            refused
                .map(|refusal| Problem::from(refusal).code)
                .as_deref(),
            expected
        );
        assert_eq!(
            admit(true, token.map(Secret::new).as_ref(), loopback, &map),
            Ok(())
        );
    }

    #[test]
    fn a_token_is_demanded_where_there_is_one() {
        let good = [("authorization", "Bearer s3cret")];
        check(Some("s3cret"), true, &good, None);
        check(
            Some("s3cret"),
            false,
            &[("authorization", "bearer s3cret")],
            None,
        );
        check(Some("s3cret"), true, &[], Some("TG-0601"));
        for bad in [
            "Bearer s3cre",
            "Bearer s3cret2",
            "Bearer",
            "Basic s3cret",
            "",
            "s3cret",
        ] {
            check(
                Some("s3cret"),
                true,
                &[("authorization", bad)],
                Some("TG-0601"),
            );
        }
    }

    #[test]
    fn without_a_token_only_this_machine_is_served() {
        check(None, true, &[("host", "127.0.0.1:7401")], None);
        check(None, true, &[("host", "localhost")], None);
        check(None, true, &[("host", "[::1]:7401")], None);
        check(None, true, &[], None);
        check(
            None,
            true,
            &[("host", "rebound.example:7401")],
            Some("TG-0602"),
        );
        check(
            None,
            true,
            &[("host", "127.0.0.1"), ("origin", "https://a.example")],
            Some("TG-0602"),
        );
        check(None, false, &[("host", "127.0.0.1")], Some("TG-0601"));
    }
}
