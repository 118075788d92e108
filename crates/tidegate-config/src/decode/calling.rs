//! `systems`: how they are called.

use http::HeaderName;
use tidegate_wire::signature::{Credentials, KeyPlace, Signer, Spec};

use super::Decoder;
use super::services::texts;
use crate::config::{Auth, AwsKey, Calling, OAuth2, OutwardTls, Proxy};
use crate::diagnostic::{Code, Problem};
use crate::shape::{Checked, Datum, Fields};
use tidegate_types::secret::Secret;

impl Decoder<'_> {
    pub(super) fn calling(&mut self, fields: &Fields) -> Option<Calling> {
        let auth = match fields.get("auth") {
            None => None,
            Some(item) => Some(item.fields().and_then(|auth| self.auth(auth))?),
        };
        let tls = match fields.get("tls") {
            None => OutwardTls::default(),
            Some(item) => self.outward_tls(item.fields()?)?,
        };
        let proxy = match fields.get("proxy") {
            None => None,
            Some(item) => Some(self.proxy(item.fields()?)?),
        };
        Some(Calling {
            auth,
            tls,
            proxy,
            private_ranges: texts(fields.list("private-ranges")),
            ports: ports(fields),
        })
    }

    /// The secret under `key`, which the shape requires.
    pub(super) fn one_secret(&mut self, fields: &Fields, key: &str) -> Option<Secret> {
        let reference = fields.secret(key)?.clone();
        self.secret(&reference, fields.span_of(key))
    }

    /// The key that signs calls of AWS.
    pub(super) fn aws_key(
        &mut self,
        fields: &Fields,
        region: String,
        service: &str,
    ) -> Option<AwsKey> {
        let session_token = match fields.get("session-token") {
            None => None,
            Some(_) => Some(self.one_secret(fields, "session-token")?),
        };
        Some(AwsKey {
            access_key: fields.text("access-key")?,
            secret_key: self.one_secret(fields, "secret-key")?,
            session_token,
            region,
            service: service.to_owned(),
        })
    }

    fn auth(&mut self, fields: &Fields) -> Option<Auth> {
        if let Some(oauth2) = fields.fields("oauth2") {
            return self.oauth2(oauth2);
        }
        let (spec, at) = if let Some(basic) = fields.fields("basic") {
            let password = self.one_secret(basic, "password")?;
            let user = basic.text("user")?;
            let credentials = vec![Credentials { user, password }];
            (Spec::Basic { credentials }, basic)
        } else if let Some(bearer) = fields.fields("bearer") {
            let tokens = vec![self.one_secret(bearer, "token")?];
            (Spec::Bearer { tokens }, bearer)
        } else {
            let api_key = fields.fields("api-key")?;
            let keys = vec![self.one_secret(api_key, "key")?];
            let place = match api_key.text("query") {
                Some(name) => KeyPlace::Query(name.into()),
                None => KeyPlace::Header(HeaderName::try_from(api_key.text("header")?).ok()?),
            };
            (Spec::ApiKey { place, keys }, api_key)
        };
        if let Err(error) = Signer::new(&spec) {
            self.malformed(&error, at, &[at.span]);
            return None;
        }
        Some(Auth::Shown(Box::new(spec)))
    }

    fn oauth2(&mut self, fields: &Fields) -> Option<Auth> {
        let client_secret = self.one_secret(fields, "client-secret")?;
        Some(Auth::OAuth2(Box::new(OAuth2 {
            token_url: fields.text("token-url")?,
            client_id: fields.text("client-id")?,
            client_secret,
            in_body: fields.word("client-in")? == "body",
            scope: fields.text("scope"),
            audience: fields.text("audience"),
        })))
    }

    fn outward_tls(&mut self, fields: &Fields) -> Option<OutwardTls> {
        let identity = match (fields.text("cert"), fields.text("key")) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            (cert, _) => {
                let missing = if cert.is_some() { "key" } else { "cert" };
                self.pair(fields, missing, "a certificate goes with its key");
                return None;
            }
        };
        Some(OutwardTls {
            ca: fields.text("ca"),
            identity,
        })
    }

    fn proxy(&mut self, fields: &Fields) -> Option<Proxy> {
        let url = fields.text("url")?;
        if !url.starts_with("http://") {
            self.report(
                Problem::new(
                    Code::BadValue,
                    fields.span_of("url"),
                    "a proxy is reached by `http://`",
                )
                .label("not possible")
                .help("write `http://`; `https` systems get a tunnel of their own through it"),
            );
            return None;
        }
        let credentials = match (fields.text("user"), fields.get("password").is_some()) {
            (None, false) => None,
            (Some(user), true) => Some((user, self.one_secret(fields, "password")?)),
            (user, _) => {
                let missing = if user.is_some() { "password" } else { "user" };
                self.pair(fields, missing, "a user goes with a password");
                return None;
            }
        };
        Some(Proxy { url, credentials })
    }

    fn pair(&mut self, fields: &Fields, missing: &str, why: &str) {
        self.report(
            Problem::new(
                Code::Missing,
                fields.span,
                format!("`{missing}` is missing: {why}"),
            )
            .label(format!("`{missing}` is missing here"))
            .help("give both, or neither"),
        );
    }
}

fn ports(fields: &Fields) -> Vec<u16> {
    let ports = fields.list("ports").iter();
    let ports = ports.filter_map(|item| match item.value {
        Checked::Datum(Datum::Integer(port)) => u16::try_from(port).ok(),
        _ => None,
    });
    ports.collect()
}
