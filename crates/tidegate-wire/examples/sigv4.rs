//! AWS Signature Version 4 as a filter, for tests against others (`tests/interop/aws`).
//!
//! Reads requests as JSON lines, signs each and compares the signature with the expected one; ends like
//! a Rust test program.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, header};
use serde::Deserialize;
use tidegate_types::secret::Secret;
use tidegate_wire::signature::Request;
use tidegate_wire::sigv4::{Credentials, Scope, Signer, Style};

/// One request and the `authorization` it deserves.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    region: String,
    service: String,
    normalize_path: bool,
    body_header: bool,
    /// RFC 3339.
    time: String,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body_base64: String,
    authorization: String,
}

impl Case {
    fn authorization(&self) -> Result<String, Box<dyn Error>> {
        let credentials = Credentials {
            access_key_id: self.access_key_id.clone(),
            secret_access_key: Secret::new(self.secret_access_key.as_str()),
            session_token: self.session_token.as_deref().map(Secret::new),
        };
        let scope = Scope {
            region: self.region.clone(),
            service: self.service.clone(),
        };
        let style = Style {
            normalize_path: self.normalize_path,
            body_header: self.body_header,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name.parse::<HeaderName>()?, value.parse()?);
        }
        let body = STANDARD.decode(&self.body_base64)?;
        let request = Request {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &headers,
            body: &body,
        };
        let signer = Signer::new(credentials, scope, style)?;
        let added = signer.sign(self.time.parse()?, &request)?;
        let found = added.iter().find(|(name, _)| name == header::AUTHORIZATION);
        let (_, value) = found.ok_or("no authorization")?;
        Ok(value.to_str()?.to_owned())
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (mut out, mut passed, mut failed) = (io::stdout().lock(), 0_u64, 0_u64);
    for line in io::stdin().lock().lines() {
        let case: Case = serde_json::from_str(&line?)?;
        let ours = case.authorization()?;
        if ours == case.authorization {
            passed += 1;
        } else {
            failed += 1;
            let Case {
                name,
                authorization,
                ..
            } = &case;
            writeln!(out, "{name}: {ours} instead of {authorization}")?;
        }
    }
    let good = failed == 0 && passed > 0;
    let word = if good { "ok" } else { "FAILED" };
    writeln!(
        out,
        "test result: {word}. {passed} passed; {failed} failed; 0 ignored"
    )?;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
