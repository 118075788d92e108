//! AWS Signature Version 4: proving a request to a service of AWS, or to one that speaks like it.
//!
//! Source: "AWS Signature Version 4 for API requests" in the IAM User Guide. A [`Signer`] belongs to
//! one key, region and service. It signs every header of the request except those that proxies and
//! libraries on the way change, and the hash of the body, so a request altered on the way is refused.
//!
//! ```
//! use http::{HeaderMap, HeaderValue, header::HOST};
//! use tidegate_types::{secret::Secret, time::UnixMillis};
//! use tidegate_wire::signature::Request;
//! use tidegate_wire::sigv4::{Credentials, Scope, Signer, Style};
//!
//! let credentials = Credentials {
//!     access_key_id: "AKIDEXAMPLE".to_owned(),
//!     secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
//!     session_token: None,
//! };
//! let scope = Scope { region: "us-east-1".to_owned(), service: "sqs".to_owned() };
//! let signer = Signer::new(credentials, scope, Style::default())?;
//! let mut headers = HeaderMap::new();
//! headers.insert(HOST, HeaderValue::from_static("sqs.us-east-1.amazonaws.com"));
//! let request = Request { method: "POST", path: "/", query: "", headers: &headers, body: b"{}" };
//! for (name, value) in signer.sign(UnixMillis(1_795_255_200_000), &request)? {
//!     headers.insert(name, value);
//! }
//! assert!(headers.contains_key("authorization"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod canonical;
mod key;

use std::fmt;

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderName, HeaderValue};
use ring::digest::{SHA256, digest};
use ring::hmac;
use tidegate_types::secret::Secret;
use tidegate_types::time::UnixMillis;

use crate::signature::Request;
use key::KeyCache;

/// Longest access key id, region or service. AWS's own are below 130 bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// Longest session token. AWS promises no bound; those seen are below 3 KiB.
pub const SESSION_TOKEN_BYTES_MAX: usize = 8 * 1024;

/// A key of AWS.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The key's name, sent in clear text, for example `AKIDEXAMPLE`.
    pub access_key_id: String,
    /// What is never sent.
    pub secret_access_key: Secret,
    /// For keys of a role, which end after hours: what is sent with each request.
    pub session_token: Option<Secret>,
}

/// Where a signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// For example `eu-central-1`.
    pub region: String,
    /// As in the service's host name, for example `sqs` or `events`.
    pub service: String,
}

/// How services differ in what they want signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Dot segments and doubled slashes are taken out of the path before it is signed; true
    /// everywhere but at S3.
    pub normalize_path: bool,
    /// The body's hash is sent as the header `x-amz-content-sha256` too; S3 insists.
    pub body_header: bool,
}

/// Signs requests with one key for one [`Scope`]. The key of the day is derived once a day.
pub struct Signer {
    access_key_id: String,
    session_token: Option<HeaderValue>,
    scope: Scope,
    style: Style,
    keys: KeyCache,
}

/// Why a signer cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The name of a key, region or service.
    #[error("{0} must be 1 to {NAME_BYTES_MAX} letters, digits or the characters '-', '_' and '.'")]
    Name(&'static str),
    /// The secret key.
    #[error("the secret access key is empty")]
    NoSecret,
    /// The token.
    #[error(
        "the session token is longer than {SESSION_TOKEN_BYTES_MAX} bytes, or has characters a header cannot carry"
    )]
    SessionToken,
}

/// Why a request cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// A signature without the host would hold at another host.
    #[error("the request has no `host` header")]
    NoHost,
    /// The time cannot be written with four digits of a year.
    #[error("the time is beyond the year 9999")]
    Time,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            normalize_path: true,
            body_header: false,
        }
    }
}

impl Signer {
    /// Checks the credentials and the scope.
    ///
    /// # Errors
    /// See [`CredentialsError`].
    pub fn new(
        credentials: Credentials,
        scope: Scope,
        style: Style,
    ) -> Result<Self, CredentialsError> {
        check_name("the access key id", &credentials.access_key_id)?;
        check_name("the region", &scope.region)?;
        check_name("the service", &scope.service)?;
        if credentials.secret_access_key.expose().is_empty() {
            return Err(CredentialsError::NoSecret);
        }
        let token = credentials.session_token.as_ref().map(session_token);
        Ok(Self {
            access_key_id: credentials.access_key_id,
            session_token: token.transpose()?,
            keys: KeyCache::new(credentials.secret_access_key),
            scope,
            style,
        })
    }

    /// The headers to add to `request`, sent at `now`. Headers of these names that it has already
    /// are not signed: they are to be replaced.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn sign(
        &self,
        now: UnixMillis,
        request: &Request<'_>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
        if !request.headers.contains_key(HOST) {
            return Err(SignError::NoHost);
        }
        let stamp = key::Stamp::new(now).ok_or(SignError::Time)?;
        let body_hash = hex::encode(digest(&SHA256, request.body));
        let mut added = self.added(&stamp, &body_hash)?;
        let canonical = canonical::Canonical::new(request, &added, &body_hash, self.style);
        let scope = format!(
            "{}/{}/{}/aws4_request",
            stamp.day(),
            self.scope.region,
            self.scope.service
        );
        let to_sign = canonical.string_to_sign(stamp.text(), &scope);
        let key = self.keys.of_day(stamp.day(), &self.scope);
        let signature = hex::encode(hmac::sign(&key, to_sign.as_bytes()));
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
            self.access_key_id,
            canonical.signed_headers(),
        );
        let mut value = HeaderValue::try_from(authorization).map_err(|_| SignError::NoHost)?;
        value.set_sensitive(true);
        added.push((AUTHORIZATION, value));
        Ok(added)
    }

    /// What is added before signing, and signed.
    fn added(
        &self,
        stamp: &key::Stamp,
        body_hash: &str,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
        let date = HeaderValue::try_from(stamp.text()).map_err(|_| SignError::Time)?;
        let mut added = vec![(AMZ_DATE, date)];
        if let Some(token) = &self.session_token {
            added.push((AMZ_SECURITY_TOKEN, token.clone()));
        }
        if self.style.body_header {
            let hash = HeaderValue::try_from(body_hash).map_err(|_| SignError::Time)?;
            added.push((AMZ_CONTENT_SHA256, hash));
        }
        Ok(added)
    }
}

/// Shows neither key nor token.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("access_key_id", &self.access_key_id)
            .field("scope", &self.scope)
            .field("style", &self.style)
            .finish_non_exhaustive()
    }
}

/// These stand between slashes and commas of a header, so nothing but plain characters may be in them.
fn check_name(what: &'static str, name: &str) -> Result<(), CredentialsError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(CredentialsError::Name(what))
    }
}

fn session_token(token: &Secret) -> Result<HeaderValue, CredentialsError> {
    let bytes = token.expose();
    let visible = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic);
    if !visible || bytes.len() > SESSION_TOKEN_BYTES_MAX {
        return Err(CredentialsError::SessionToken);
    }
    let mut value = HeaderValue::from_bytes(bytes).map_err(|_| CredentialsError::SessionToken)?;
    value.set_sensitive(true);
    Ok(value)
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

#[cfg(test)]
mod tests;
