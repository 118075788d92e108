//! A request as people may see it.

use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderValue, Method};

use super::{Endpoint, Failure, Request, Transport, has_length};
use crate::outbound::location::Location;

/// What stands in place of a credential.
const MASK: &str = "****";

/// A request as it would be sent now. Signatures are shown, since they hold for this request only;
/// credentials are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The method.
    pub method: Method,
    /// The whole address.
    pub url: String,
    /// Names and values, in the order of their names.
    pub headers: Vec<(String, String)>,
}

impl Transport {
    /// What [`Transport::send`] would send now. A token is not asked for, and shown as if there were one.
    ///
    /// # Errors
    /// The request cannot be sent or signed.
    pub fn preview(&self, endpoint: &Endpoint, request: &Request) -> Result<Preview, Failure> {
        request.check()?;
        let draft = self.proven(endpoint, request, None)?;
        let base = &endpoint.route.base;
        let scheme = if base.is_secure() { "https" } else { "http" };
        let path = draft.location.path();
        let query = query(&draft.location, &request.location);
        let mut all = draft.headers;
        if has_length(draft.method, draft.body) {
            all.insert(CONTENT_LENGTH, HeaderValue::from(draft.body.len()));
        }
        if endpoint.prover.tokens.is_some() {
            let mut token = HeaderValue::from_static("Bearer token");
            token.set_sensitive(true);
            all.insert(AUTHORIZATION, token);
        }
        let shown = all.iter();
        let mut headers: Vec<_> = shown
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect();
        headers.sort();
        Ok(Preview {
            method: draft.method.clone(),
            url: format!("{scheme}://{}{path}{query}", base.authority()),
            headers,
        })
    }
}

/// The query with its `?`; what the proof added to it is masked but for its name.
fn query(proven: &Location, before: &Location) -> String {
    let (whole, before) = (proven.query(), before.query());
    let added = whole.strip_prefix(before).unwrap_or_default();
    match added.split_once('=') {
        Some((name, _)) => format!("?{before}{name}={MASK}"),
        None if whole.is_empty() => String::new(),
        None => format!("?{whole}"),
    }
}

/// A value without credentials: of those only the scheme is left.
fn text(value: &HeaderValue) -> String {
    let whole = String::from_utf8_lossy(value.as_bytes());
    if !value.is_sensitive() {
        return whole.into_owned();
    }
    match whole.split_once(' ') {
        Some((scheme, _)) => format!("{scheme} {MASK}"),
        None => MASK.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tidegate_types::secret::Secret;
    use tidegate_wire::signature::Spec;

    use super::*;
    use crate::outbound::auth::Auth;
    use crate::outbound::{EndpointSettings, TransportSettings};

    fn shown(auth: Spec) -> Preview {
        let mut settings = EndpointSettings::new("https://api.example/v1");
        settings.auth = Auth::Shown(Box::new(auth));
        let endpoint = Endpoint::new(&settings).unwrap();
        let location = endpoint.locate("/orders", "a=1").unwrap();
        let mut request = Request::new(Method::POST, location);
        request.body = "{}".into();
        let transport = Transport::new(TransportSettings::default());
        transport.preview(&endpoint, &request).unwrap()
    }

    #[test]
    fn credentials_are_masked() {
        let secret = || vec![Secret::new(b"do-not-show-this".to_vec())];
        let bearer = shown(Spec::Bearer { tokens: secret() });
        assert_eq!(bearer.url, "https://api.example/v1/orders?a=1");
        let has = |preview: &Preview, name: &str, value: &str| {
            let pair = (name.to_owned(), value.to_owned());
            preview.headers.contains(&pair)
        };
        assert!(has(&bearer, "authorization", "Bearer ****"), "{bearer:?}");
        assert!(has(&bearer, "content-length", "2"), "{bearer:?}");
        assert!(has(&bearer, "host", "api.example"), "{bearer:?}");
        let key = |place| {
            shown(Spec::ApiKey {
                place,
                keys: secret(),
            })
        };
        let query = key(tidegate_wire::signature::KeyPlace::Query("key".into()));
        assert_eq!(query.url, "https://api.example/v1/orders?a=1&key=****");
        let header = key(tidegate_wire::signature::KeyPlace::Header(
            http::HeaderName::from_static("x-api-key"),
        ));
        assert!(has(&header, "x-api-key", "****"), "{header:?}");
        for preview in [bearer, query, header] {
            assert!(!format!("{preview:?}").contains("do-not-show-this"));
        }
    }
}
