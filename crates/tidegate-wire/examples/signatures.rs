//! The signature schemes as a filter, for tests against libraries from outside (`tests/interop/wire`).
//!
//! `signatures verify` reads signed requests as JSON lines, checks each and compares the verdict with the
//! expected one; it ends like a Rust test program. `signatures sign` reads what is to be signed and writes
//! the same lines with the headers added.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use tidegate_types::secret::Secret;
use tidegate_types::time::UnixMillis;
use tidegate_wire::signature::{
    Algorithm, DEFAULT_TOLERANCE, Encoding, HmacSpec, Request, Signer, Spec, TimestampSource,
    Verifier,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One request, signed or to be signed.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Which library stands on the other side.
    library: String,
    /// What the case is about.
    case: String,
    scheme: String,
    /// The parameters of a generic HMAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hmac: Option<Generic>,
    keys: Vec<String>,
    #[serde(default)]
    id: String,
    /// Milliseconds since 1970.
    now: u64,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body_base64: String,
    /// `key N` for the key that must match, or the code of the refusal.
    #[serde(default)]
    expect: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Generic {
    header: String,
    algorithm: String,
    encoding: String,
    #[serde(default)]
    prefix: String,
    template: String,
    #[serde(default)]
    timestamp: Option<String>,
}

impl Case {
    fn spec(&self) -> Result<Spec> {
        let keys: Vec<Secret> = self
            .keys
            .iter()
            .map(|key| Secret::new(key.as_str()))
            .collect();
        let tolerance = DEFAULT_TOLERANCE;
        Ok(match (self.scheme.as_str(), &self.hmac) {
            ("standard-webhooks", _) => Spec::StandardWebhooks { keys, tolerance },
            ("svix", _) => Spec::Svix { keys, tolerance },
            ("github", _) => Spec::Github { keys },
            ("stripe", _) => Spec::Stripe { keys, tolerance },
            ("shopify", _) => Spec::Shopify { keys },
            ("slack", _) => Spec::Slack { keys, tolerance },
            ("hmac", Some(generic)) => Spec::Hmac(generic.spec(keys, tolerance)?),
            (other, _) => return Err(format!("unknown scheme {other}").into()),
        })
    }

    fn header_map(&self) -> Result<HeaderMap> {
        let pair = |(name, value): (&String, &String)| -> Result<(HeaderName, HeaderValue)> {
            Ok((name.parse()?, value.parse()?))
        };
        self.headers.iter().map(pair).collect()
    }

    fn verdict(&self) -> Result<String> {
        let (headers, body) = (self.header_map()?, STANDARD.decode(&self.body_base64)?);
        let verifier = Verifier::new(&self.spec()?)?;
        Ok(
            match verifier.verify(UnixMillis(self.now), &request(&headers, &body)) {
                Ok(verified) => format!("key {}", verified.key_index),
                Err(refusal) => refusal.code().to_owned(),
            },
        )
    }

    fn sign(&mut self) -> Result<()> {
        let (headers, body) = (self.header_map()?, STANDARD.decode(&self.body_base64)?);
        let signer = Signer::new(&self.spec()?)?;
        let signed = signer.sign(UnixMillis(self.now), &self.id, &request(&headers, &body))?;
        for (name, value) in signed.headers {
            self.headers
                .insert(name.to_string(), value.to_str()?.to_owned());
        }
        Ok(())
    }
}

impl Generic {
    fn spec(&self, keys: Vec<Secret>, tolerance: Duration) -> Result<HmacSpec> {
        let algorithm = match self.algorithm.as_str() {
            "sha1" => Algorithm::Sha1,
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            other => return Err(format!("unknown algorithm {other}").into()),
        };
        let encoding = if self.encoding == "hex" {
            Encoding::Hex
        } else {
            Encoding::Base64
        };
        let timestamp = self.timestamp.as_deref().map(str::parse).transpose()?;
        Ok(HmacSpec {
            header: self.header.parse()?,
            keys,
            algorithm,
            encoding,
            prefix: self.prefix.clone(),
            template: self.template.clone(),
            timestamp: timestamp.map(TimestampSource::Header),
            tolerance,
            id: None,
            list: None,
        })
    }
}

fn request<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> Request<'a> {
    Request {
        method: "POST",
        path: "/in/interop",
        query: "",
        headers,
        body,
    }
}

fn main() -> Result<ExitCode> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let (mut out, mut passed, mut failed) = (io::stdout().lock(), 0_u64, 0_u64);
    for line in io::stdin().lock().lines() {
        let mut case: Case = serde_json::from_str(&line?)?;
        if mode == "sign" {
            case.sign()?;
            writeln!(out, "{}", serde_json::to_string(&case)?)?;
            continue;
        }
        let verdict = case.verdict()?;
        if verdict == case.expect {
            passed += 1;
        } else {
            failed += 1;
            let Case {
                library,
                scheme,
                case,
                expect,
                ..
            } = &case;
            writeln!(
                out,
                "{library}, {scheme}, {case}: {verdict} instead of {expect}"
            )?;
        }
    }
    if mode == "sign" {
        return Ok(ExitCode::SUCCESS);
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
